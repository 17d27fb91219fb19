"""The groups of this host as its daemons tell of them: who is master, how steady, for how long.

Sans-IO: what the control socket says, and instants, go in.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from carpool.carp.timing import SECOND
from carpool.watch.lan import HISTORY, NOBODY, UNSEEN

THIS_NODE = ""
"""As a master: the daemon itself. Others are their addresses."""
OWN = "A"
UNTOLD = "?"
"""In the strip: the daemon did not answer."""

_SMOOTHING = 8
"""As for a whole network: a mean over about so many advertisements."""
_MOST_CHANGES = 64
"""Of one group: kept until they are in its strip."""
_BOW_OUT = (255, 255)

Key = tuple[str, str]
"""Node and group."""


@dataclass(slots=True)
class HostGroup:
    """One group of one daemon. Instants and durations in nanoseconds."""

    key: Key
    told: Mapping[str, Any]
    """Its part of the daemon's latest answer."""
    taken_at: int
    since: int
    """When its master became who it is, as far as is known."""
    master: str | None = None
    silent: bool = False
    """Whether the daemon does not answer, so that all this is of before."""
    letter: str = OWN
    """Of the master."""
    jitter: int | None = None
    """The mean difference of the times between the master's advertisements from their mean."""
    strip: deque[str] = field(default_factory=lambda: deque(maxlen=HISTORY))
    recalled: bool = False
    """Whether the strip tells of what was before the first answer, as far as the daemon knows."""
    pace: int = 0
    _spoke: int | None = None

    @property
    def interval(self) -> int:
        """Between the master's advertisements, as it says; 0 if there is none."""
        if self.master is None:
            return 0
        told = self.told if self.master == THIS_NODE else self.told["master"]
        return round(float(told["interval"]) * SECOND)

    @property
    def is_wrong(self) -> bool:
        """Whether it has no master, or nothing is known of it."""
        return self.silent or self.master is None

    def take(self, told: Mapping[str, Any], now: int, *, first: bool) -> None:
        """Take note of what the daemon says of it."""
        master, before = _master(told), self.told
        same_state = not first and before["transitions"] == told["transitions"]
        if first or master != self.master:
            moved = first or not same_state
            self.since = now - round(told["state_seconds"] * SECOND) if moved else now
        same_master = same_state and master == self.master and not self.silent
        self.told, self.master, self.silent = told, master, False
        self._measure(now, anew=not same_master)
        self.taken_at = now

    def _measure(self, now: int, *, anew: bool) -> None:
        """Measure by when the master was heard, counted from when this node's state began.

        Both are told as of one instant, so that it does not matter when they were asked for.
        """
        if anew:
            self.pace, self.jitter, self._spoke = 0, None, None
        if not self.master:
            return
        heard = self.told["state_seconds"] - self.told["master"]["heard_seconds"]
        spoke, last = round(heard * SECOND), self._spoke
        # Asked for more seldom than it speaks, two instants are not of successive advertisements.
        close = now - self.taken_at < self.interval
        # They are told to a microsecond each.
        if last is not None and close and (gap := spoke - last) > SECOND // 100_000:
            if self.pace:
                self.jitter = self.jitter or 0
                self.jitter += (abs(gap - self.pace) - self.jitter) // _SMOOTHING
                self.pace += (gap - self.pace) // _SMOOTHING
            else:
                self.pace = gap
        self._spoke = spoke if close or last is None else None

    def cell(self) -> str:
        """Return the strip's next cell."""
        if self.silent:
            return UNTOLD
        return NOBODY if self.master is None else self.letter


class Host:
    """All groups of the daemons of one host."""

    def __init__(self, now: int) -> None:
        """`now`: nanoseconds of a monotonic clock, as everywhere here."""
        self.groups: dict[Key, HostGroup] = {}
        self._letters: dict[str, str] = {THIS_NODE: OWN}
        self._changes: dict[Key, deque[Mapping[str, Any]]] = {}
        self._second = now // SECOND

    def take(self, status: Mapping[str, Any], now: int) -> None:
        """Take note of a daemon's answer."""
        node = status["node"]
        there = {(node, told["group"]) for told in status["groups"]}
        for key in [key for key in self.groups if key[0] == node and key not in there]:
            del self.groups[key]
            self._changes.pop(key, None)
        for told in status["groups"]:
            key = (node, told["group"])
            group, first = self.groups.get(key), key not in self.groups
            if group is None:
                group = self.groups[key] = HostGroup(key, told, now, now)
            group.take(told, now, first=first)
            group.letter = self._letter(group.master)
            if not group.recalled:
                self._recall(group)

    def answered(self, nodes: Iterable[str]) -> None:
        """Note that no others than these have."""
        there = set(nodes)
        for group in self.groups.values():
            group.silent = group.key[0] not in there

    def happened(self, node: str, event: Mapping[str, Any]) -> None:
        """Take note of an event of a daemon, the oldest first."""
        if event["kind"] == "state":
            key = (node, event["group"])
            if key in self.groups and self.groups[key].recalled:
                return
            self._changes.setdefault(key, deque(maxlen=_MOST_CHANGES)).append(event)

    def advance(self, now: int) -> None:
        """Carry the strips on: once a second or oftener."""
        seconds = min(now // SECOND - self._second, HISTORY)
        self._second = now // SECOND
        for group in self.groups.values():
            group.strip.extend(group.cell() * seconds)

    def wrong_first(self) -> list[HostGroup]:
        """Return the groups without a master, then the others, each as their daemons order them."""
        return sorted(self.groups.values(), key=lambda group: not group.is_wrong)

    def _letter(self, master: str | None) -> str:
        if master is None:
            return NOBODY
        if master not in self._letters:
            self._letters[master] = chr(ord("B") + (len(self._letters) - 1) % 25)
        return self._letters[master]

    def _recall(self, group: HostGroup) -> None:
        """Put before the strip what the daemon's events tell of the time before."""
        changes = self._changes.pop(group.key, None)
        if not changes:
            return
        if changes[-1]["details"]["transition"] != group.told["transitions"]:
            self._changes[group.key] = changes  # The answer is older than the event.
            return
        # The latest seconds have been seen.
        before = [*self._before(group, changes)][len(group.strip) :]
        group.strip = deque((*reversed(before), *group.strip), HISTORY)
        group.recalled = True

    def _before(self, group: HostGroup, changes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        """Yield a cell for each second before now, the last one first."""
        latest_first = [*changes][::-1]
        # How long ago by the daemon's clock: the events are by the wall's, which may have stepped.
        since, newest = group.told["state_seconds"], _seconds(latest_first[0]["time"])
        second = 0
        for number, change in enumerate(latest_first):
            age = since + newest - _seconds(change["time"])
            cell = self._cell_of(change["details"], group, latest=number == 0)
            while second < min(age, HISTORY):
                yield cell
                second += 1

    def _cell_of(self, details: Mapping[str, Any], group: HostGroup, *, latest: bool) -> str:
        """Return what was in the strip after a change of state."""
        if details["to"] != "BACKUP":
            return OWN if details["to"] == "MASTER" else NOBODY
        master = details["master"]
        if latest:  # Ever since, it has been the backup of somebody: of the same, or who knows.
            master = group.master if master in (None, group.master) else None
        return self._letter(master) if master else UNSEEN


def _master(told: Mapping[str, Any]) -> str | None:
    if told["state"] == "MASTER":
        return THIS_NODE
    master = told["master"]
    if master is None or (master["advbase"], master["advskew"]) == _BOW_OUT:
        return None
    alive = master["heard_seconds"] <= told["master_down_time"]
    return str(master["address"]) if alive else None


def _seconds(time: str) -> float:
    """Return the seconds since some day of an event's time, as RFC 3339 writes it."""
    return datetime.fromisoformat(time).timestamp()
