"""A whole cluster in the lab: a zone for each node with the real daemon in it, and a client."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final, Self

from carpool.cluster.model import Cluster, Group
from carpool.lab import faults
from carpool.lab.layout import Cable, layout
from carpool.lab.namespaces import LabError
from carpool.lab.network import Lab
from carpool.lab.prepare import write
from carpool.lab.probe import INTERVAL, Probe, start_echo
from carpool.lab.zone import Zone

_STATE: Final = re.compile(r" (?P<group>\S+): Switching to state: (?P<state>[A-Z]+)")
_START_SECONDS: Final = 20.0
_END_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.005


class Life(StrEnum):
    """What has become of a zone's daemon."""

    RUNNING = "running"
    FROZEN = "frozen"
    ENDED = "not running"


class ClusterLab:
    """The zones of a cluster, none of whose daemons runs yet. A context manager, as `Lab` is.

    `folder` gets the copies of the cluster file and passwords, and a log from each zone. Raises
    LabError for a cluster that cannot be cabled, NetlinkError if the kernel refuses.
    """

    def __init__(self, cluster: Cluster, passwords: Mapping[str, bytes], folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.client = _unused("client", [node.name for node in cluster.nodes])
        self.file = self.add_file(cluster, passwords, "cluster.toml")
        self.lab = Lab()
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._log_starts: dict[str, int] = {}
        self._frozen: set[str] = set()
        self._severed: set[tuple[str, str]] = set()
        self._probes: dict[IPv4Address | IPv6Address, Probe] = {}
        try:
            self._cable(layout(cluster, self.client))
        except BaseException:
            self.lab.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all that runs in the zones; twice is harmless."""
        self.lab.close()
        for probe in self._probes.values():
            probe.close()

    def add_file(self, cluster: Cluster, passwords: Mapping[str, bytes], name: str) -> Path:
        """Write one more cluster file into the folder, for `start`."""
        return write(cluster, passwords, self.folder, name)

    def run_directory(self, name: str) -> Path:
        """Return where the daemon of a zone has its control socket, as on a host of its own.

        A number, and not the name once more: a socket's path has 107 bytes at most.
        """
        return self.folder / "run" / str(self.zone(name).number)

    def zone(self, name: str) -> Zone:
        """Return the zone of that node, or the client; LabError if there is none such."""
        if name not in self.lab.zones:
            raise LabError(f"there is no zone {name}; there is: {', '.join(self.lab.zones)}")
        return self.lab.zones[name]

    @property
    def nodes(self) -> list[str]:
        """The names of the zones that are nodes of the cluster."""
        return [node.name for node in self.cluster.nodes]

    # Daemons.

    def start(self, name: str) -> None:
        """Start the daemon of a node, and what a crash took away before it.

        Returns once the daemon takes part. Raises LabError if it does not, with what it says.
        """
        self.launch(name)
        self.await_start(name)

    def await_start(self, name: str) -> None:
        """Wait until a daemon that was launched takes part; raises as `start` does."""
        if not until(lambda: self.takes_part(name), _START_SECONDS):
            raise LabError(f"{name}: carpool run says nothing for {_START_SECONDS:.0f} s")

    def launch(self, name: str, file: Path | None = None) -> None:
        """Start a daemon, with another cluster file if given, and do not wait for it."""
        zone = self._node(name)
        if self.life(name) is not Life.ENDED:
            raise LabError(f"{name}: its daemon is {self.life(name)} already")
        self._boot(zone)
        self._log_starts[name] = len(self.log_text(name))
        command = [sys.executable, "-P", "-m", "carpool", "run", str(file or self.file)]
        command += ["--state-dir", str(self.folder / "state")]
        command += ["--run-dir", str(self.run_directory(name))]
        self._daemons[name] = zone.start([*command, "--node", name], log=self.log(name))

    def takes_part(self, name: str) -> bool:
        """Return whether a daemon has begun to listen; LabError if it has ended instead."""
        if self.states(name):
            return True
        if self.life(name) is Life.ENDED:
            said = self.log_text(name)[self._log_starts[name] :].strip().splitlines()
            raise LabError(f"{name}: carpool run has ended: {said[-1] if said else 'silently'}")
        return False

    def stop(self, name: str) -> None:
        """Ask a daemon to stop cleanly (SIGTERM), and do not wait for it."""
        self._running(name).terminate()

    def kill(self, name: str) -> None:
        """Kill a daemon (SIGKILL), and it alone: its zone answers until its addresses run out."""
        daemon = self._running(name)
        daemon.kill()
        daemon.wait(_END_SECONDS)

    def life(self, name: str) -> Life:
        """Return what has become of a node's daemon."""
        daemon = self._daemons.get(self._node(name).name)
        if daemon is None or daemon.poll() is not None:
            return Life.ENDED
        return Life.FROZEN if name in self._frozen else Life.RUNNING

    def log(self, name: str) -> Path:
        """Return the file that a node's daemon logs to."""
        return self.folder / f"{self._node(name).name}.log"

    def log_text(self, name: str) -> str:
        """Return all that a node's daemons have logged until now."""
        log = self.log(name)
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    def states(self, name: str) -> dict[str, str]:
        """Return the state of each group on a node, as its daemon last said: MASTER, say.

        Empty while no daemon runs there, or not one that has begun to listen.
        """
        if self.life(name) is Life.ENDED:
            return {}
        text = self.log_text(name)[self._log_starts[name] :]
        return {found["group"]: found["state"] for found in _STATE.finditer(text)}

    # Faults. Each says when it makes no sense, with a LabError.

    def freeze(self, name: str) -> None:
        """Stop every process of a zone in its tracks (SIGSTOP)."""
        faults.freeze(self.zone(name))
        self._frozen.add(name)

    def thaw(self, name: str) -> None:
        """Let a frozen zone go on."""
        faults.thaw(self.zone(name))
        self._frozen.discard(name)

    def crash(self, name: str) -> None:
        """Take a zone's power away; `start` boots it again."""
        faults.crash(self.lab, self._node(name))
        if daemon := self._daemons.get(name):
            daemon.wait(_END_SECONDS)  # it has left its namespace a moment before it has ended
        self._frozen.discard(name)
        self._severed = {(zone, port) for zone, port in self._severed if zone != name}

    def unplug(self, name: str, interface: str | None = None) -> None:
        """Pull the cable of one interface or of all."""
        faults.unplug(self.lab, self.zone(name), interface)

    def plug(self, name: str, interface: str | None = None) -> None:
        """Put a cable back, or all."""
        faults.plug(self.lab, self.zone(name), interface)

    def partition(self, name: str, interface: str | None = None) -> None:
        """Cut a zone off behind a live cable."""
        zone = self.zone(name)
        faults.partition(self.lab, zone, interface)
        self._severed |= {(name, port.interface) for port in zone.chosen(interface)}

    def heal(self, name: str, interface: str | None = None) -> None:
        """End a partition."""
        zone = self.zone(name)
        faults.heal(self.lab, zone, interface)
        self._severed -= {(name, port.interface) for port in zone.chosen(interface)}

    def lose(self, name: str, percent: float, interface: str | None = None) -> None:
        """Drop that share of the frames that a zone sends, 0 to 100 %."""
        faults.lose(self.zone(name), percent, interface)

    def cables(self, name: str) -> dict[str, str]:
        """Return of each interface of a zone whether it is in, out or cut off."""
        zone = self.zone(name)
        return {
            interface: "cut off"
            if (name, interface) in self._severed
            else ("in" if zone.carrier(interface) else "out")
            for interface in zone.ports
        }

    # What the cluster is for.

    def holders(self, group: Group) -> list[str]:
        """Return the nodes that have the group's first address on an interface now."""
        address = group.addresses[0].ip
        return [name for name in self.nodes if self.lab.zones[name].holds(address)]

    def probe(self, address: IPv4Address | IPv6Address, interval: int = INTERVAL) -> Probe:
        """Return the client of an address, asking every `interval` ns from the first call on."""
        if address not in self._probes:
            client = self.lab.zones[self.client]
            self._probes[address] = Probe(self.lab, client, address, interval=interval)
        return self._probes[address]

    def _cable(self, cables: Sequence[Cable]) -> None:
        for name in (*self.nodes, self.client):
            for cable in (cable for cable in cables if cable.zone == name):
                if name in self.lab.zones:
                    self.lab.connect(
                        self.lab.zones[name], cable.interface, cable.addresses, cable.segment
                    )
                else:
                    self.lab.add_zone(name, cable.interface, cable.addresses, cable.segment)
        self._cables = cables
        for name in self.nodes:
            start_echo(self.lab.zones[name])

    def _boot(self, zone: Zone) -> None:
        """Bring a zone up again after a crash."""
        if zone.ports:
            return
        for cable in self._cables:
            if cable.zone == zone.name:
                self.lab.connect(zone, cable.interface, cable.addresses, cable.segment)
        start_echo(zone)

    def _node(self, name: str) -> Zone:
        if name == self.client:
            raise LabError(f"{name} is the client: no daemon runs there")
        return self.zone(name)

    def _running(self, name: str) -> subprocess.Popen[bytes]:
        life = self.life(name)
        if life is not Life.RUNNING:
            raise LabError(f"{name}: its daemon is {life}")
        return self._daemons[name]


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait until `condition` holds, `seconds` at most; return whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _unused(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "-"
    return name
