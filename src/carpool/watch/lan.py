"""The groups of a network as an onlooker sees them: who is master, how steady, for how long.

Sans-IO: sightings and instants go in. All state is bounded, whatever is sent.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from carpool.carp.timing import SECOND
from carpool.watch.sighting import Protocol, Sighting

MOST_SPEAKERS = 16
"""Of one group: who has been silent for longest is forgotten for another."""
MOST_EVENTS = 200
HISTORY = 240
"""Seconds of the strip."""

NOBODY, SEVERAL, UNSEEN = ".", "!", " "
"""In the strip: no master, more than one, and before the group was first seen."""

_LATE = 1.5
"""Intervals of silence after which somebody who speaks has replaced the silent one."""
_ANSWERED_WITHIN = SECOND // 10
_SMOOTHING = 8
"""A mean over about so many advertisements (RFC 6298 smooths round-trip times alike)."""

Key = tuple[int, Protocol, int]
"""vhid, protocol, IP family: the same number may be in use with each."""


@dataclass(slots=True)
class Speaker:
    """Somebody who has advertised a group. Instants and durations in nanoseconds."""

    letter: str
    last: Sighting
    heard_at: int
    advertisements: int = 1
    pace: int = 0
    """The mean time between its advertisements, 0 as long as there was one only."""
    jitter: int = 0
    """The mean difference of that time from the pace."""
    conceded: bool = False
    """Whether its last word was an answer, before its time, to somebody who outranks it."""
    same_counter: int = 0
    """How many advertisements in a row had the counter of the one before."""

    def hear(self, sighting: Sighting, now: int) -> None:
        """Take note of its next advertisement."""
        gap = now - self.heard_at
        if not self.last.leaving and gap < self.last.patience:
            if self.pace:
                self.jitter += (abs(gap - self.pace) - self.jitter) // _SMOOTHING
                self.pace += (gap - self.pace) // _SMOOTHING
            else:
                self.pace = gap
        repeated = sighting.counter is not None and sighting.counter == self.last.counter
        self.same_counter = self.same_counter + 1 if repeated else 0
        self.advertisements += 1
        self.last, self.heard_at = sighting, now

    def is_master(self, now: int) -> bool:
        """Tell whether it has spoken lately, and not taken its leave."""
        return not self.last.leaving and now - self.heard_at <= self.last.patience

    def is_late(self, now: int) -> bool:
        """Tell whether it should have spoken by now."""
        return now - self.heard_at > _LATE * self.last.interval


@dataclass(frozen=True, slots=True)
class Event:
    """The masters of a group changed. Instants in nanoseconds; packed addresses."""

    instant: int
    key: Key
    before: tuple[bytes, ...]
    masters: tuple[bytes, ...]
    why: str


@dataclass(slots=True)
class Group:
    """What is known of one group."""

    key: Key
    since: int
    """When its masters became who they are (ns)."""
    speakers: dict[bytes, Speaker] = field(default_factory=dict)
    masters: tuple[bytes, ...] = ()
    strip: deque[str] = field(default_factory=lambda: deque(maxlen=HISTORY))
    letters: int = 0

    def hear(self, sighting: Sighting, now: int) -> None:
        """Take note of an advertisement."""
        speaker = self.speakers.get(sighting.source)
        if speaker is not None:
            early = now - speaker.heard_at < speaker.last.interval // 2
            speaker.conceded = early and any(
                _outranks(other.last, sighting) and now - other.heard_at < _ANSWERED_WITHIN
                for other in self.speakers.values()
                if other is not speaker
            )
            speaker.hear(sighting, now)
            return
        if len(self.speakers) >= MOST_SPEAKERS:
            del self.speakers[min(self.speakers, key=lambda one: self.speakers[one].heard_at)]
        letter = chr(ord("A") + self.letters % 26)
        self.letters += 1
        self.speakers[sighting.source] = Speaker(letter, sighting, now)

    def look(self, now: int) -> tuple[bytes, ...]:
        """Return who is master now, first who spoke last."""
        alive = [one for one in self.speakers.values() if one.is_master(now)]
        speaking = [one for one in alive if not one.conceded] or alive
        speaking.sort(key=lambda one: one.heard_at, reverse=True)
        # Who is late while another speaks has been replaced; who is late alone may come yet.
        kept = speaking[:1] + [one for one in speaking[1:] if not one.is_late(now)]
        return tuple(one.last.source for one in kept)

    def cell(self) -> str:
        """Return the strip's next cell."""
        if len(self.masters) == 1:
            return self.speakers[self.masters[0]].letter
        return SEVERAL if self.masters else NOBODY


def _outranks(one: Sighting, other: Sighting) -> bool:
    """Tell whether by CARP's rules the second sender gives way to the first; of VRRP nothing."""
    ranks = [(said.demotion, said.interval) for said in (one, other)]
    return one.protocol is Protocol.CARP and not one.leaving and ranks[0] < ranks[1]


class Lan:
    """All groups of one network."""

    def __init__(self, now: int) -> None:
        """`now`: nanoseconds of a monotonic clock, as everywhere here."""
        self.groups: dict[Key, Group] = {}
        self.events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self.began = now
        self.advanced_at = now
        """When it was last noticed who has fallen silent."""
        self._second = now // SECOND

    def hear(self, sighting: Sighting, now: int) -> None:
        """Take note of an advertisement. Call `advance` now and then."""
        key = (sighting.vhid, sighting.protocol, sighting.family)
        group = self.groups.get(key)
        if group is None:
            # At most 256 numbers of three protocols and two families.
            group = self.groups[key] = Group(key, now)
        group.hear(sighting, now)
        self._judge(group, now, sighting)

    def advance(self, now: int) -> None:
        """Notice who has fallen silent, and carry the strips on: once a second or oftener."""
        for group in self.groups.values():
            self._judge(group, now, None)
        self.advanced_at = now
        seconds = min(now // SECOND - self._second, HISTORY)
        self._second = now // SECOND
        for group in self.groups.values():
            group.strip.extend(group.cell() * seconds)

    def in_order(self) -> Iterator[Group]:
        """Yield the groups by number."""
        for key in sorted(self.groups):
            yield self.groups[key]

    def wrong_first(self) -> list[Group]:
        """Return the groups without one master, then the others, each by number."""
        return sorted(self.in_order(), key=lambda group: len(group.masters) == 1)

    def free(self) -> list[int]:
        """Return the vhids that nobody uses, VRRP's numbers counted: they share MAC addresses."""
        used = {vhid for vhid, _, _ in self.groups}
        return [vhid for vhid in range(1, 256) if vhid not in used]

    def _judge(self, group: Group, now: int, sighting: Sighting | None) -> None:
        masters = group.look(now)
        if set(masters) == set(group.masters):
            return
        before, group.masters = group.masters, masters
        group.since = now
        self.events.append(Event(now, group.key, before, masters, _why(group, before, sighting)))


def _why(group: Group, before: tuple[bytes, ...], sighting: Sighting | None) -> str:
    if sighting is not None and sighting.leaving:
        return "took its leave"
    if len(group.masters) > 1:
        return "several masters"
    if not group.masters:
        return "fell silent"
    if not before:
        gone = [one.last for one in group.speakers.values() if one.last.source not in group.masters]
        return "took over" if gone else "first seen"
    return "the other one fell silent" if set(group.masters) < set(before) else "took over"
