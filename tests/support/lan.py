"""A LAN of nodes that run real daemons, and a watch on who holds which address."""

import os
import select
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from tests.support.waiting import PATIENCE
from tests.support.wire import Capture

from carpool.cluster.toml_writing import toml_line
from carpool.lab.network import Lab
from carpool.lab.zone import Zone
from carpool.netlink import RouteMonitor
from carpool.netlink.messages import AddressGone, AddressInfo
from carpool.node.client import Connection
from carpool.node.rundir import socket_path

MS = 1_000_000
SECOND = 1_000_000_000
VHID = 42
VIP = IPv4Address("10.0.0.100")
PASSWORD = "carpool-interop!"

Address = IPv4Address | IPv6Address

_POLL_SECONDS = 0.01
_NICENESS = -10


@dataclass(frozen=True, slots=True)
class Change:
    """An address came to a zone or left it; `when` (monotonic ns) is when the test heard of it."""

    when: int
    zone: str
    address: Address
    here: bool


class Daemon:
    """A program in a zone, whose output goes to a file."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def guards(self) -> list[int]:
        """Return the ids of its children that call themselves guards."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        found = []
        for child in children:
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                if Path(f"/proc/{child}/comm").read_text().strip() == "carpool-guard":
                    found.append(int(child))
        return found

    def text(self) -> str:
        """All that it has logged."""
        return self.log.read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        self.send(number)
        return self.process.wait(PATIENCE)


class Lan:
    """A lab with nodes in it. A context manager; tells all logs if the test fails.

    Whatever waits must wait here, in `until`, `during` or `look`, so that the changes of
    addresses are stamped when they happen.
    """

    def __init__(self, folder: Path) -> None:
        self.lab = Lab()
        self.folder = folder
        self.run_directory = Path()
        """Where the daemons have their sockets: a path that is short enough for them."""
        self.changes: list[Change] = []
        self._held: defaultdict[Address, set[str]] = defaultdict(set)
        self._monitors: dict[RouteMonitor, str] = {}
        self._daemons: list[Daemon] = []
        self._serial = count(1)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        directory = self._stack.enter_context(TemporaryDirectory(prefix="carpool-"))
        self.run_directory = Path(directory)
        self._stack.enter_context(self.lab)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._tell()
        self._stack.close()

    # Building.

    def zone(self, name: str, *addresses: str) -> Zone:
        """Make a zone with interface net0, and watch its addresses from now on."""
        zone = self.lab.add_zone(name, addresses=[ip_interface(text) for text in addresses])
        with zone.namespace.entered():
            monitor = self._stack.enter_context(RouteMonitor())
        self._monitors[monitor] = name
        for interface in zone.addresses():
            self._held[interface.ip].add(name)
        return zone

    def capture(self, zone: Zone, *, deaf_to: bytes | None = None) -> Capture:
        """See what reaches a zone from now on, but not from the hardware address `deaf_to`."""
        return self._stack.enter_context(Capture(zone, deaf_to=deaf_to))

    def start(
        self, zone: Zone, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Daemon:
        """Run a program in a zone."""
        log = self.folder / f"{zone.name}-{next(self._serial)}.log"
        own = {
            "STATE_DIRECTORY": str(self.folder / "state"),
            "RUNTIME_DIRECTORY": str(self.run_directory),
        }
        environment = {**os.environ, **own} if environment is None else {**own, **environment}
        daemon = Daemon(zone.start(arguments, log=log, environment=environment), log)
        self._daemons.append(daemon)
        # Tests run beside tests, and what is measured here is time.
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, daemon.pid, _NICENESS)
        return daemon

    def run(self, zone: Zone, file: Path, *more: str, node: str | None = None) -> Daemon:
        """Run `carpool run` in a zone until it is BACKUP."""
        daemon = self.start(zone, carpool("run", str(file), "--node", node or zone.name, *more))
        self.until_logged(daemon, "to state: BACKUP")
        return daemon

    # Steering: the control socket is no matter of the network.

    def ask(self, node: str, command: str, **arguments: Any) -> dict[str, Any]:
        """Ask a daemon on its control socket."""
        with Connection(socket_path(self.run_directory, node)) as connection:
            return connection.ask(command, **arguments)

    def carpool(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command that looks for daemons here."""
        return run_carpool(*arguments, "--run-dir", str(self.run_directory))

    # Watching.

    def look(self, seconds: float = _POLL_SECONDS) -> None:
        """Wait for a change of addresses, that long at most, and write it down."""
        ready = select.select(list(self._monitors), [], [], seconds)[0]
        now = time.monotonic_ns()  # one for all: who was first among these nobody can tell
        # Until nothing is left: else what one zone lost, behind all that was read of it, would
        # seem to have happened after what another one got later.
        while ready:
            for monitor in ready:
                self._read(monitor, now)
            ready = select.select(list(self._monitors), [], [], 0)[0]

    def _read(self, monitor: RouteMonitor, now: int) -> None:
        for event in monitor.read():
            if isinstance(event, AddressInfo):
                self._write_down(now, self._monitors[monitor], event.interface.ip, here=True)
            elif isinstance(event, AddressGone):
                ip = event.address.interface.ip
                self._write_down(now, self._monitors[monitor], ip, here=False)

    def until(
        self, condition: Callable[[], bool], seconds: float = PATIENCE, *, what: str = ""
    ) -> float:
        """Wait until `condition` holds; fail after `seconds`. Return the seconds it took."""
        start = looked = time.monotonic()
        while not condition():
            # By when it began to look: who looks late for want of a processor looks once more.
            waited = looked - start
            assert waited < seconds, f"not so after {waited:.3f} s: {what or self._held}"
            self.look()
            looked = time.monotonic()
        return time.monotonic() - start

    def during(self, seconds: float, *zones: str, vip: Address = VIP) -> None:
        """Fail as soon as any but these zones hold the address within the next `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.look()
            assert self.holders(vip) == sorted(zones), f"no longer at {zones} alone"

    def holders(self, vip: Address = VIP) -> list[str]:
        """Return the names of the zones that hold the address now, sorted."""
        self.look(0)
        return sorted(self._held[vip])

    def until_holders(self, *zones: str, seconds: float = PATIENCE, vip: Address = VIP) -> float:
        """Wait until exactly these zones hold the address. Return the seconds it took."""
        wanted = sorted(zones)
        return self.until(lambda: self.holders(vip) == wanted, seconds, what=f"{vip} at {wanted}")

    def until_settled(self, zone: str, *, quiet: float, seconds: float, vip: Address = VIP) -> None:
        """Wait until `zone` alone has held the address for `quiet` seconds on end."""
        since = time.monotonic()

        def settled() -> bool:
            nonlocal since
            if self.holders(vip) != [zone]:
                since = time.monotonic()
            return time.monotonic() - since >= quiet

        self.until(settled, seconds, what=f"{vip} at {zone} for {quiet} s")

    def until_logged(self, daemon: Daemon, text: str, *, times: int = 1) -> None:
        """Wait until a daemon has logged `text` that often."""

        def logged() -> bool:
            ended = daemon.process.poll() is not None
            found = daemon.text().count(text) >= times
            assert found or not ended, f"it ended before it logged {text!r}"
            return found

        self.until(logged, what=f"{text!r} in the log")

    def until_guarded(self, daemon: Daemon) -> int:
        """Wait until a daemon has a guard; return that one's process id."""
        found: list[int] = []

        def guarded() -> bool:
            found[:] = daemon.guards()
            return len(found) == 1

        self.until(guarded, what="it has a guard")
        return found[0]

    def shared(self, since: int, vip: Address = VIP) -> int:
        """How long (ns) after `since` more than one zone held the address."""
        return self._time_with(since, vip, lambda holders: holders > 1)

    def dark(self, since: int, vip: Address = VIP) -> int:
        """How long (ns) after `since` no zone held the address."""
        return self._time_with(since, vip, lambda holders: holders == 0)

    def _time_with(self, since: int, vip: Address, counts: Callable[[int], bool]) -> int:
        self.look(0)
        total, last, holders = 0, since, set[str]()
        for when, zone, here in self._history(vip):
            if counts(len(holders)):
                total += max(0, when - last)
            last = max(last, when)
            (holders.add if here else holders.discard)(zone)
        return total + (time.monotonic_ns() - last if counts(len(holders)) else 0)

    def _history(self, vip: Address) -> Iterator[tuple[int, str, bool]]:
        return (
            (change.when, change.zone, change.here)
            for change in self.changes
            if change.address == vip
        )

    def _write_down(self, when: int, zone: str, address: Address, *, here: bool) -> None:
        if here == (zone in self._held[address]):
            return
        (self._held[address].add if here else self._held[address].discard)(zone)
        self.changes.append(Change(when, zone, address, here))

    def _tell(self) -> None:
        for change in self.changes:
            verb = "gets" if change.here else "loses"
            print(f"{change.when / 1e9:.3f} {change.zone} {verb} {change.address}", file=sys.stderr)
        for daemon in self._daemons:
            print(f"--- {daemon.log.name}\n{daemon.text()}", file=sys.stderr)


def carpool(*arguments: str) -> list[str]:
    """Return the command line of carpool, by the Python that runs the tests."""
    return [sys.executable, "-P", "-m", "carpool", *arguments]


def run_carpool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        carpool(*arguments), capture_output=True, text=True, timeout=60, check=False
    )


def cluster_file(
    lan: Lan, groups: Mapping[str, Mapping[str, object]], *, name: str = "cluster"
) -> Path:
    """Write a cluster file of all zones that `lan` has by now, and its password file.

    A group has the vhid, the address and the password that stand above, unless its keys differ.
    """
    key_file = lan.folder / "cluster.key"
    key_file.touch(mode=0o600)
    key_file.write_text(PASSWORD)
    lines = []
    for zone in lan.lab.zones.values():
        addresses = [str(address) for address in zone.ports["net0"].addresses]
        lines += [
            f"[nodes.{zone.name}]",
            toml_line("address", addresses),
            toml_line("interface", "net0"),
        ]
    defaults = {"vhid": VHID, "addresses": [f"{VIP}/16"], "password_file": "cluster.key"}
    for group, own in groups.items():
        lines.append(f"[groups.{group}]")
        lines += [toml_line(key, value) for key, value in {**defaults, **own}.items()]
    path = lan.folder / f"{name}.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def packed(address: str) -> bytes:
    """Return an address as it stands in a packet."""
    return ip_address(address).packed
