"""What each fault would cost a cluster: the outages that its clients would see, over many seeds.

A client asks a node that holds the addresses, runs and can be reached; where there is none, there
is an outage. The daemon's own core decides; frames take 0.1 to 0.3 ms; how long an operating system
takes for an address, or a switch to learn, is not in it. Durations are in nanoseconds.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from statistics import median

from carpool.carp.timing import SECOND, interval, master_down_time
from carpool.carp.virtualhost import STAND_BACK_TIME, VirtualHost
from carpool.cluster.model import Cluster, Group
from carpool.sim.lan import Lan
from carpool.sim.node import guarded, lifetime


def _yield(lan: Lan, name: str) -> None:
    lan.tell(name, VirtualHost.yield_mastership)


def _cut_off(lan: Lan, name: str) -> None:
    lan.partition([name])


@dataclass(frozen=True, slots=True)
class Blow:
    """A fault of a master: what it is called, how it comes about and ends, what it leaves."""

    name: str
    begin: Callable[[Lan, str], None]
    end: Callable[[Lan, str], None]
    reachable: bool = False
    """Whether clients still reach the node, as long as it holds the addresses."""
    parts: bool = False
    """Whether it leaves a second master to look for: else that is left out, as it takes long."""


BLOWS = (
    Blow("clean stop", Lan.stop, Lan.boot),
    Blow("told to yield", _yield, lambda _lan, _name: None, reachable=True),
    Blow("daemon killed", Lan.kill, Lan.boot, reachable=True),
    Blow("node crashed", Lan.crash, Lan.boot),
    Blow("node frozen", Lan.freeze, Lan.thaw),
    Blow("cable pulled", Lan.unplug, Lan.plug),
    Blow("cut off by the switch", _cut_off, lambda lan, _: lan.heal(), parts=True),
)
"""What is tried. `Lan` says what each does."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one blow to the master of a group cost, run by run."""

    group: str
    fault: str
    outages: tuple[int | None, ...]
    """Until another node served; None: none did."""
    returns: tuple[int, ...]
    """Outage when the fault had ended, in all."""
    shared: tuple[int, ...]
    """For how long two nodes that clients reach held the addresses, in all."""
    successors: tuple[str, ...]
    """Who took over, most often first."""

    @property
    def median(self) -> int | None:
        """The outage of the run in the middle; None if nobody took over in most."""
        known = [outage for outage in self.outages if outage is not None]
        return None if len(known) * 2 <= len(self.outages) else int(median(known))

    @property
    def worst(self) -> int | None:
        """The longest outage; None if nobody took over in some run."""
        return None if None in self.outages else max(filter(None, self.outages), default=0)


def costs(group: Group, cluster: Cluster, *, runs: int, seed: int) -> list[Cost]:
    """Return what each blow to the group's master would cost, over `runs` seeds from `seed` on."""
    found = []
    for blow in BLOWS:
        seen = [_run(group, cluster, blow, seed + number) for number in range(runs)]
        names = [name for _, _, _, name in seen if name is not None]
        found.append(
            Cost(
                group.name,
                blow.name,
                tuple(outage for outage, _, _, _ in seen),
                tuple(back for _, back, _, _ in seen),
                tuple(shared for _, _, shared, _ in seen),
                tuple(sorted(set(names), key=lambda name: (-names.count(name), name))),
            )
        )
    return found


def _run(
    group: Group, cluster: Cluster, blow: Blow, seed: int
) -> tuple[int | None, int, int, str | None]:
    """Return the outage, that of the return, how long two held the addresses, who took over."""
    group = group if blow.parts else replace(group, seek_rival=0)
    lan = _lan(group, cluster, seed)
    slowest = max(member.advskew for member in group.members)
    patience = master_down_time(group.advbase, slowest, group.dead_ratio)
    rest = 2 * patience + group.hold_down + group.preempt_delay + STAND_BACK_TIME + SECOND
    phase = random.Random(seed).randrange(2 * interval(group.advbase, slowest))  # noqa: S311
    lan.run(rest + phase)
    (master,) = lan.record.holders(group.vhid) or {group.members[0].node}

    struck = lan.now
    blow.begin(lan, master)
    lan.run(rest)
    others = frozenset(lan.nodes) - {master}
    serving = others | {master} if blow.reachable else others
    spans = list(lan.record.spans(group.vhid, struck))
    taken = next((span for span in spans if span.holders & others), None)
    outage = successor = None
    if taken is not None:
        gone = (span for span in spans if not span.holders & serving)
        outage = sum(span.length for span in gone if span.end <= taken.start)
        successor = min(taken.holders & others)
    shared = sum(span.length for span in spans if len(span.holders & serving) > 1)

    ended = lan.now
    blow.end(lan, master)
    lan.run(rest)
    back = sum(span.length for span in lan.record.dark(group.vhid, ended))
    shared += sum(span.length for span in lan.record.doubled(group.vhid, ended))
    return outage, back if successor else 0, shared, successor


def _lan(group: Group, cluster: Cluster, seed: int) -> Lan:
    """Return the nodes of one group on a network of their own, all just started."""
    lan = Lan(seed=seed)
    for number, member in enumerate(group.members, start=1):
        node = cluster.node(member.node)
        assert node is not None
        sources = {6: IPv6Address(f"fe80::{number:x}").packed, 4: bytes((169, 254, 0, number))}
        sources |= {real.version: real.ip.packed for real in reversed(node.addresses)}
        # The password decides nothing here, so that the file need not be there.
        settings = replace(group.carp_settings(member, b"simulated"), accepted_passwords=())
        lan.add(member.node, [settings], sources, lifetime=lifetime(group))
        lan.nodes[member.node].guarded = guarded(group)
    return lan
