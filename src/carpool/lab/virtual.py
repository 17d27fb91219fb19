"""The demo's stage without namespaces: the same cluster on the virtual LAN, in one process."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from carpool.carp.timing import SECOND, interval, lapse_time
from carpool.cluster.model import Cluster, Group
from carpool.lab.probe import INTERVAL, Answer
from carpool.lab.stage import DOWN
from carpool.node.lease import guarded_time, kernel_lifetime
from carpool.sim.lan import Lan
from carpool.sim.network import DELAY
from carpool.sim.record import Span

_ROUND_TRIP: Final = sum(DELAY)


class VirtualStage:
    """A stage in virtual time, with the daemons' own protocol core, and a client made up here.

    The client sends to the node that announced the address last, as a switch and a client's ARP
    cache do, and is answered if that node has the address, a cable, and is not frozen. `pace` is
    how many times faster than real time passes.
    """

    def __init__(self, cluster: Cluster, passwords: Mapping[str, bytes], *, pace: float) -> None:
        (self.group,) = cluster.groups
        self.zones = [node.name for node in cluster.nodes]
        self._lan = Lan.from_cluster(cluster, passwords, seed=1)
        for zone in self.zones:
            lifetime, guarded = _terms(self.group, zone)
            self._lan.nodes[zone].lifetime, self._lan.nodes[zone].guarded = lifetime, guarded
            self._lan.crash(zone)
        self._pace = pace
        self._answers: list[Answer] = []

    def now(self) -> int:
        """Return the LAN's own time."""
        return self._lan.now

    def pass_time(self, duration: int) -> None:
        """Let `duration` pass, in a fraction of it."""
        end = self._lan.now + duration
        while self._lan.now < end:
            self._ask()
            self._lan.run_until(min(end, self._lan.now + INTERVAL))
        time.sleep(duration / 1e9 / self._pace)

    def _ask(self) -> None:
        sent = self._lan.now
        announcements = self._lan.record.announcements
        if not announcements:
            return
        node = self._lan.nodes[announcements[-1].node]
        held = node.name in self._lan.record.holders(self.group.vhid)
        if held and node.plugged and not node.frozen:
            self._answers.append(Answer(sent, sent + _ROUND_TRIP, node.name))

    def start(self, zone: str, *, preempt: bool = False) -> None:
        """Boot the node with `preempt` set so."""
        node = self._lan.nodes[zone]
        node.settings = tuple(replace(each, preempt=preempt) for each in node.settings)
        self._lan.boot(zone)

    def stop(self, zone: str) -> None:
        """Stop the node."""
        self._lan.stop(zone)

    def kill(self, zone: str) -> None:
        """Kill the node's process."""
        self._lan.kill(zone)

    def freeze(self, zone: str) -> None:
        """Stop the node in its tracks."""
        self._lan.freeze(zone)

    def thaw(self, zone: str) -> None:
        """Let it go on."""
        self._lan.thaw(zone)

    def unplug(self, zone: str) -> None:
        """Pull its cable."""
        self._lan.unplug(zone)

    def plug(self, zone: str) -> None:
        """Put it back."""
        self._lan.plug(zone)

    def takes_part(self, zone: str) -> bool:
        """Return whether the node is up, as it is at once."""
        return self._lan.nodes[zone].alive

    def state(self, zone: str) -> str:
        """Return what the node is."""
        node = self._lan.nodes[zone]
        if not node.alive:
            return DOWN
        return "frozen" if node.frozen else str(node.hosts[self.group.vhid].state)

    def answers(self) -> Sequence[Answer]:
        """Return what the client would have been answered."""
        return self._answers

    def holders(self) -> frozenset[str]:
        """Return who has the address."""
        return self._lan.record.holders(self.group.vhid)

    def spans(self) -> Sequence[Span]:
        """Return who had the address."""
        return list(self._lan.record.spans(self.group.vhid))


def _terms(group: Group, zone: str) -> tuple[int, int]:
    """Return how long after an advertisement kernel and guard keep the address of a zone (ns)."""
    skews = {member.node: member.advskew for member in group.members}
    others = [skew for node, skew in skews.items() if node != zone]
    patience = min(lapse_time(group.advbase, skew, group.dead_ratio) for skew in others)
    own = interval(group.advbase, skews[zone])
    return kernel_lifetime(patience, own) * SECOND, guarded_time(patience, own)
