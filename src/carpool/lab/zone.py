"""One zone of the lab: a network namespace, its cables, and the programs that run in it."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOENT
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path
from typing import Final

from carpool.lab.namespaces import LabError, Namespace
from carpool.netlink import Route

# A host that forwards would hide an outage by sending a stray packet on to the new master, and a
# network namespace takes this setting over from the machine. The rest lets IPv6 be used at once.
_SETTINGS: Final = {
    "ipv4/ip_forward": "0",
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
}
_KILL_SECONDS: Final = 5.0
_KILL_PAUSE_SECONDS: Final = 0.001


@dataclass(frozen=True, slots=True)
class Port:
    """A cable from `interface` in a zone (there `index`) to the hub (there `hub_index`).

    `bridge_index` is the LAN segment, a bridge in the hub, that it is plugged into.
    """

    interface: str
    index: int
    hub_index: int
    bridge_index: int
    addresses: tuple[IPv4Interface | IPv6Interface, ...]


class Zone:
    """A zone. Made by Lab.add_zone, closed by the lab.

    `number` counts from 1; `ports` are its interfaces by name; `route` speaks netlink in it.
    """

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.ports: dict[str, Port] = {}
        self.namespace = Namespace()
        self._children: list[subprocess.Popen[bytes]] = []
        with self.namespace.entered():
            write_settings(_SETTINGS)
            self.route = Route()
        loopback = self.route.link("lo")
        if loopback is not None:
            self.route.set_link(loopback.index, up=True)

    def start(
        self,
        arguments: Sequence[str],
        *,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        keep: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a program in the zone, in a session of its own, without standard input.

        What it prints is appended to the file `log`, or thrown away. `keep` are descriptors that it
        gets. Raises OSError if it cannot start.
        """
        with (log or Path(os.devnull)).open("ab") as output:
            child = self.namespace.popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=environment,
                pass_fds=keep,
            )
        self._children = [known for known in self._children if known.poll() is None]
        self._children.append(child)
        return child

    def processes(self) -> list[int]:
        """Return the ids of all processes in the zone, also of daemons that left their parents."""
        return self.namespace.processes()

    def addresses(self) -> list[IPv4Interface | IPv6Interface]:
        """Return what addresses are on the zone's interfaces now, without the loopback's."""
        ours = {port.index for port in self.ports.values()}
        return [found.interface for found in self.route.addresses() if found.index in ours]

    def holds(self, address: IPv4Address | IPv6Address) -> bool:
        """Return whether the address is on one of the zone's interfaces now."""
        return any(interface.ip == address for interface in self.addresses())

    def carrier(self, interface: str) -> bool:
        """Return whether the zone sees a live cable in the interface; False if it has none such."""
        link = self.route.link(interface)
        return link is not None and link.carrier

    def chosen(self, interface: str | None) -> list[Port]:
        """Return the port of that interface, or all for None; LabError if there is none such."""
        if interface is None:
            return list(self.ports.values())
        if interface not in self.ports:
            known = ", ".join(self.ports) or "none"
            raise LabError(f"zone {self.name}: no interface {interface}; there is: {known}")
        return [self.ports[interface]]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all processes in the zone; SIGKILL leaves none, also of those forking.

        Raises TimeoutError if some outlive SIGKILL for 5 s.
        """
        deadline = time.monotonic() + _KILL_SECONDS
        while processes := self.processes():
            for pid in processes:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number != signal.SIGKILL:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"zone {self.name}: processes {processes} outlive SIGKILL")
            time.sleep(_KILL_PAUSE_SECONDS)

    def reap(self, seconds: float) -> None:
        """Wait for the programs that were started and are ending; TimeoutExpired if one is not."""
        for child in self._children:
            child.wait(seconds)
        self._children.clear()

    def close(self) -> None:
        """Let go of the namespace; twice is harmless."""
        self.route.close()
        self.namespace.close()


def write_settings(settings: Mapping[str, str]) -> None:
    """Write files below /proc/sys/net in the current network namespace.

    One that does not exist (a kernel without IPv6) is passed over; OSError if one is forbidden.
    """
    for name, value in settings.items():
        try:
            Path("/proc/sys/net", name).write_text(value, encoding="ascii")
        except OSError as error:
            if error.errno != ENOENT:
                raise
