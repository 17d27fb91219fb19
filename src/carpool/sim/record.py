"""What happened on a virtual LAN: who was what, who held which addresses, who said so, and why.

Instants and durations are integer nanoseconds of the LAN's clock.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from carpool.carp.election import NEVER_MASTER, Event, State


@dataclass(frozen=True, slots=True)
class Change:
    """A virtual host became `state`, because of `event`; None and None: its node went down."""

    instant: int
    node: str
    vhid: int
    state: State | None
    event: Event | None


@dataclass(frozen=True, slots=True)
class Announcement:
    """A node told the network that it has the addresses of `vhid`."""

    instant: int
    node: str
    vhid: int


@dataclass(frozen=True, slots=True)
class Condition:
    """What the world is like from `instant` on, after `cause`: a fault, its end, or a command."""

    instant: int
    cause: str
    active: frozenset[str]
    """Nodes that run, are not frozen, and have their cable in."""
    hears: frozenset[tuple[str, str]]
    """(sender, receiver) for every path between two active nodes that is intact."""
    demotions: dict[str, int]
    """What is held against each of them; NEVER_MASTER if it must not be master."""
    calm: bool
    """Whether frames on intact paths arrive once, in order and soon."""

    @property
    def willing(self) -> frozenset[str]:
        """The active nodes that may be master."""
        return frozenset(name for name, much in self.demotions.items() if much != NEVER_MASTER)

    def is_like(self, other: "Condition") -> bool:
        """Tell whether the world is the same as under another condition."""
        return replace(other, instant=self.instant, cause=self.cause) == self

    def parts(self) -> list[frozenset[str]] | None:
        """Return the active nodes by who hears whom; None if that is not the same both ways."""
        parts = {
            frozenset(
                {one, *(other for other in self.active if (one, other) in self.hears)},
            )
            for one in self.active
        }
        whole = sum(len(part) * (len(part) - 1) for part in parts) == len(self.hears)
        return list(parts) if whole and sum(map(len, parts)) == len(self.active) else None


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` until `end` the same nodes held the addresses of a vhid."""

    start: int
    end: int
    holders: frozenset[str]

    @property
    def length(self) -> int:
        """Nanoseconds."""
        return self.end - self.start


class Record:
    """Grows while the LAN runs; read it at any time."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """Begin an empty record; `clock` tells the LAN's time."""
        self.timeline: list[Change] = []
        self.announcements: list[Announcement] = []
        self.conditions: list[Condition] = []
        self.adverts: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        """When each (node, vhid) advertised."""
        self.repeats: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
        """Which of these had a counter that somebody had said before."""
        self._said: set[tuple[int, bytes]] = set()
        self._clock = clock
        self._held: defaultdict[int, list[tuple[int, frozenset[str]]]] = defaultdict(
            lambda: [(0, frozenset())]
        )

    def holders(self, vhid: int) -> frozenset[str]:
        """Return the nodes that have the addresses of `vhid` on their interface now."""
        return self._held[vhid][-1][1]

    def spans(self, vhid: int, since: int = 0) -> Iterator[Span]:
        """Yield who held the addresses of `vhid`, from `since` until now, without gaps."""
        history = self._held[vhid]
        ends = [instant for instant, _ in history[1:]]
        for (start, holders), end in zip(history, [*ends, self._clock()], strict=True):
            if end > max(start, since):
                yield Span(max(start, since), end, holders)

    def dark(self, vhid: int, since: int = 0) -> list[Span]:
        """Return when nobody held the addresses."""
        return [span for span in self.spans(vhid, since) if not span.holders]

    def doubled(self, vhid: int, since: int = 0) -> list[Span]:
        """Return when two nodes or more held the addresses, in whichever part of the network."""
        return [span for span in self.spans(vhid, since) if len(span.holders) > 1]

    # What the LAN writes.

    def changed(self, node: str, vhid: int, state: State | None, event: Event | None) -> None:
        """Note a change of state."""
        self.timeline.append(Change(self._clock(), node, vhid, state, event))

    def announced(self, node: str, vhid: int) -> None:
        """Note an announcement."""
        self.announcements.append(Announcement(self._clock(), node, vhid))

    def said(self, vhid: int, counter: bytes) -> bool:
        """Note what a node says, whether or not it goes on. Tell whether the counter is new."""
        known = len(self._said)
        self._said.add((vhid, counter))
        return len(self._said) > known

    def advertised(self, node: str, vhid: int, *, is_new: bool) -> None:
        """Note an advertisement of a master, and whether its counter is new."""
        self.adverts[node, vhid].append(self._clock())
        if not is_new:
            self.repeats[node, vhid].add(self._clock())

    def took(self, node: str, vhid: int) -> None:
        """Note that a node has put the addresses on its interface."""
        self._hold(vhid, self.holders(vhid) | {node})

    def dropped(self, node: str, vhid: int) -> None:
        """Note that a node no longer has the addresses, if it had them."""
        self._hold(vhid, self.holders(vhid) - {node})

    def _hold(self, vhid: int, holders: frozenset[str]) -> None:
        if holders != self.holders(vhid):
            self._held[vhid].append((self._clock(), holders))
