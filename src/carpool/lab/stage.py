"""Where the demo plays: a cluster with one group, a client of its first address, and its faults."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol, Self

from carpool.cluster.model import Cluster, Group
from carpool.lab.cluster import ClusterLab, Life
from carpool.lab.prepare import preempting
from carpool.lab.probe import Answer
from carpool.lab.watch import Watch
from carpool.sim.record import Span

DOWN: Final = "down"
"""The state of a zone whose daemon does not run."""


class Stage(Protocol):
    """What can be done to a cluster, and what can be seen of it. Instants in ns."""

    group: Group
    zones: list[str]

    def now(self) -> int:
        """Return what time it is here."""
        ...

    def pass_time(self, duration: int) -> None:
        """Let up to `duration` pass, and take note of what happens."""
        ...

    def start(self, zone: str, *, preempt: bool = False) -> None:
        """Start a zone's daemon, which has `preempt` set so; do not wait for it."""
        ...

    def stop(self, zone: str) -> None:
        """Stop a daemon cleanly; it ends soon."""
        ...

    def kill(self, zone: str) -> None:
        """Kill a daemon, and it alone."""
        ...

    def freeze(self, zone: str) -> None:
        """Stop all programs of a zone in their tracks."""
        ...

    def thaw(self, zone: str) -> None:
        """Let them go on."""
        ...

    def unplug(self, zone: str) -> None:
        """Pull a zone's cables."""
        ...

    def plug(self, zone: str) -> None:
        """Put them back."""
        ...

    def takes_part(self, zone: str) -> bool:
        """Return whether a daemon that was started listens; LabError if it has ended instead."""
        ...

    def state(self, zone: str) -> str:
        """Return DOWN, "frozen", or what the daemon says it is: MASTER, BACKUP, INIT, or "" yet."""
        ...

    def answers(self) -> Sequence[Answer]:
        """Return all answers that the client has got."""
        ...

    def holders(self) -> frozenset[str]:
        """Return the zones that have the address on an interface now."""
        ...

    def spans(self) -> Sequence[Span]:
        """Return who had it, from the beginning until now."""
        ...


class LabStage:
    """A stage in network namespaces, with the real daemon and a real client.

    A context manager; see ClusterLab for what it raises.
    """

    def __init__(self, cluster: Cluster, passwords: Mapping[str, bytes], folder: Path) -> None:
        (self.group,) = cluster.groups
        self.zones = [node.name for node in cluster.nodes]
        self._stack = ExitStack()
        self._lab = self._stack.enter_context(ClusterLab(cluster, passwords, folder))
        self._files = {
            preempt: self._lab.add_file(preempting(cluster, preempt), passwords, name)
            for preempt, name in ((False, "cluster.toml"), (True, "preempt.toml"))
        }
        address = self.group.addresses[0].ip
        zones = [self._lab.zone(name) for name in self.zones]
        self._watch = self._stack.enter_context(Watch(zones, address))
        self._probe = self._lab.probe(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def now(self) -> int:
        """Return the instant of the monotonic clock."""
        return time.monotonic_ns()

    def pass_time(self, duration: int) -> None:
        """Wait until an address comes or goes, `duration` at most."""
        self._watch.look(duration)

    def start(self, zone: str, *, preempt: bool = False) -> None:
        """Start the daemon with a copy of the cluster file that has `preempt` so."""
        self._lab.launch(zone, self._files[preempt])

    def stop(self, zone: str) -> None:
        """Send the daemon SIGTERM."""
        self._lab.stop(zone)

    def kill(self, zone: str) -> None:
        """Send the daemon, and it alone, SIGKILL."""
        self._lab.kill(zone)

    def freeze(self, zone: str) -> None:
        """Send all programs of the zone SIGSTOP."""
        self._lab.freeze(zone)

    def thaw(self, zone: str) -> None:
        """Send all programs of the zone SIGCONT."""
        self._lab.thaw(zone)

    def unplug(self, zone: str) -> None:
        """Take the zone's cables out of the bridges."""
        self._lab.unplug(zone)

    def plug(self, zone: str) -> None:
        """Put them back."""
        self._lab.plug(zone)

    def takes_part(self, zone: str) -> bool:
        """Return whether the daemon has logged a state."""
        return self._lab.takes_part(zone)

    def state(self, zone: str) -> str:
        """Return what the daemon last logged that it is, if it runs."""
        life = self._lab.life(zone)
        if life is Life.ENDED:
            return DOWN
        if life is Life.FROZEN:
            return "frozen"
        return self._lab.states(zone).get(self.group.name, "")

    def answers(self) -> Sequence[Answer]:
        """Return the answers to the client."""
        return self._probe.answers()

    def holders(self) -> frozenset[str]:
        """Return who has the address, as the zones' kernels say."""
        return self._watch.holders

    def spans(self) -> Sequence[Span]:
        """Return who had the address, as the zones' kernels say."""
        return self._watch.spans()
