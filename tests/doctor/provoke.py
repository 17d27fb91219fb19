"""Asking the doctor in a zone, and what makes it find something."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.lan import Daemon, carpool
from tests.support.pair import Pair

from carpool.lab.zone import Zone

SECONDS = "1.6"
"""Of listening: eight intervals of a pair."""


class Patient(Pair):
    """A pair to be examined."""

    def examine(self, zone: Zone, *arguments: str) -> Daemon:
        """Begin to examine a zone."""
        given = arguments if "--seconds" in arguments else (*arguments, "--seconds", SECONDS)
        return self.start(zone, carpool("doctor", "--json", *given))

    def listens(self, doctor: Daemon) -> bool:
        """Tell whether a doctor has begun to listen: whether it has a packet socket."""
        of_zone = Path(f"/proc/{doctor.pid}/net/packet").read_text().splitlines()[1:]
        packet = {f"socket:[{line.split()[8]}]" for line in of_zone}
        for file in Path(f"/proc/{doctor.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # it has just been closed
                if str(file.readlink()) in packet:
                    return True
        return False

    def told(self, doctor: Daemon) -> dict[str, Any]:
        """Return what the doctor has found."""
        self.until(lambda: doctor.process.poll() is not None, 20, what="the doctor is done")
        said = doctor.text()
        assert "Traceback" not in said, said
        found: dict[str, Any] = json.loads(said[said.index("{\n") :])  # behind the warnings
        assert doctor.process.returncode == bool(found["findings"])
        return found

    def named(self, doctor: Daemon) -> set[tuple[str | None, str]]:
        """Return of each finding the group and the name."""
        return {(one["group"], one["finding"]) for one in self.told(doctor)["findings"]}

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
