"""Asking the doctor in a zone, and what makes it find something."""

import json
import subprocess
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from tests.support.lan import Daemon, carpool
from tests.support.pair import INTERVAL, Pair

from carpool.lab.zone import Zone

SECONDS = f"{9 * INTERVAL / 1e9:.2f}"
"""Of listening: nine intervals of a pair."""
BUSY = {"doctor-stalls", "doctor-loss"}
"""What is found where this machine is busy with other tests."""
_ARP = 0x0806


Findings = Set[tuple[str | None, str]]
"""By group and name."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of an examination: what is to be found, and a word of it."""

    found: Findings
    zone: Zone
    arguments: tuple[str, ...]
    says: str = ""


class Patient(Pair):
    """A pair to be examined."""

    def examine(self, zone: Zone, *arguments: str) -> Daemon:
        """Begin to examine a zone."""
        given = arguments if "--seconds" in arguments else (*arguments, "--seconds", SECONDS)
        return self.start(zone, carpool("doctor", "--json", *given))

    def has_asked(self, zone: Zone) -> bool:
        """Tell whether a doctor in a zone has asked who has an address: it is listening then."""
        mac = self.mac(zone)
        return any(
            frame.mac == mac and frame.ethertype == _ARP and not any(frame.data[28:32])
            for frame in self.heard.frames()
        )

    def told(self, doctor: Daemon) -> dict[str, Any]:
        """Return what the doctor has found."""
        self.until(lambda: doctor.process.poll() is not None, what="the doctor is done")
        said = doctor.text()
        assert "Traceback" not in said, said
        found: dict[str, Any] = json.loads(said[said.index("{\n") :])  # behind the warnings
        assert doctor.process.returncode == bool(found["findings"])
        return found

    def named(self, doctor: Daemon) -> set[tuple[str | None, str]]:
        """Return of each finding the group and the name."""
        return {(one["group"], one["finding"]) for one in self.told(doctor)["findings"]}

    def expect(self, *wanted: "Wanted") -> None:
        """Examine zones until in each exactly that is found; thrice at most.

        A machine that is busy with other tests may stall, and then that is a finding.
        """
        for last in (False, False, True):
            doctors = [self.examine(one.zone, *one.arguments) for one in wanted]
            missed = []
            for one, doctor in zip(wanted, doctors, strict=True):
                found = self.named(doctor)
                if found != one.found and not last:
                    missed.append(one)
                    continue
                assert found == one.found
                assert one.says in doctor.text()
            wanted = tuple(missed)

    def filter(self, rule: str, zone: Zone | None = None, *, hook: str = "input") -> None:
        """Drop by a rule of nftables: in a zone, or on the switch between them."""
        where = "bridge" if zone is None else "netdev" if hook == "egress" else "inet"
        hook = "forward" if zone is None else hook
        device = " device net0" if hook == "egress" else ""
        script = (
            f"add table {where} fault\n"
            f"add chain {where} fault drops {{ type filter hook {hook}{device} priority 0; }}\n"
            f"add rule {where} fault drops {rule} drop\n"
        )
        command = ["nft", "-f", "-"]
        if zone is None:
            subprocess.run(command, input=script, text=True, check=True)
        else:
            with zone.namespace.entered():
                subprocess.run(command, input=script, text=True, check=True)

    def port_of(self, zone: Zone) -> str:
        """Return the name of the switch's port that a zone is plugged into."""
        index = zone.ports["net0"].hub_index
        return next(link.name for link in self.lab.route.links() if link.index == index)
