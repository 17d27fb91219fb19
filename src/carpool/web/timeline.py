"""Who held each group when, as far as it is known: spans of states, and what follows from them.

Bounded in time and in number. A span ends where the node said something else, or said nothing more;
a node that comes back and says that it has been master all along fills the gap by that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from carpool.web.views import MASTER

RESOLUTION = 0.25
"""Seconds. What is shorter is not told from a handover: to ask takes time."""
_SAME = 1.0  # s: spans of one state that lie closer together are one
_GUESS = 30.0  # s: a single change within so much silence was from the state before


@dataclass(slots=True)
class Span:
    """A node was in this state from `start` to `end` (s since the epoch)."""

    start: float
    end: float
    state: str


class Kind(StrEnum):
    """What can be said of a stretch of time."""

    HELD = "held"
    OVERLAP = "overlap"
    OUTAGE = "outage"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `start` to `end` (s since the epoch) the group was with these nodes.

    `witnessed`: at least one of its nodes is known to have been something.
    """

    start: float
    end: float
    kind: Kind
    holders: tuple[str, ...] = ()
    witnessed: bool = True

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.start


class Timeline:
    """The spans of all groups and nodes."""

    def __init__(self, seconds: float = 86400.0, most: int = 200) -> None:
        """Keep that many seconds, and `most` spans of each group on each node."""
        self.seconds = seconds
        self._most = most
        self._spans: dict[str, dict[str, deque[Span]]] = {}

    def say(
        self, group: str, node: str, state: str, since: float, until: float, *, changes: int = 1
    ) -> None:
        """Note that a node has been in this state since then, and was until then at least.

        `changes`: how often the state has changed since it was last told. After one change it was
        in the state before until this one began; after more that is not known.
        """
        spans = self._of(group, node)
        since = max(since, until - self.seconds)
        last = spans[-1] if spans else None
        if last is None:
            spans.append(Span(min(since, until), until, state))
        elif last.state == state and since <= last.end + _SAME:
            last.end = max(last.end, until)
        else:
            start = max(since, last.end)
            if changes == 1 and start - last.end < _GUESS:
                last.end = start
            if until >= start:
                spans.append(Span(start, until, state))

    def hold(self, group: str, node: str, until: float) -> None:
        """Note that a node went on being what it was until then."""
        spans = self._of(group, node)
        if spans:
            spans[-1].end = max(spans[-1].end, until)

    def hear(self, group: str, node: str, until: float) -> None:
        """Note that others heard a node as master until then, which cannot be asked itself."""
        spans = self._of(group, node)
        if spans and spans[-1].state == MASTER:
            spans[-1].end = max(spans[-1].end, until)
        elif not spans or until > spans[-1].end:
            spans.append(Span(until, until, MASTER))

    def change(self, group: str, node: str, before: str, after: str, when: float) -> None:
        """Note that a node went from one state to the other at that time."""
        spans = self._of(group, node)
        last = spans[-1] if spans else None
        if last is not None and (when < last.start or when < last.end - _SAME):
            return  # of the past, which has been told
        if last is not None and last.state == after:
            return  # its own word has come before the news of it
        if last is not None and last.state == before:
            last.end = when
        else:
            spans.append(Span(when, when, before))
        spans.append(Span(when, when, after))

    def stretches(
        self,
        group: str,
        members: Collection[str],
        start: float,
        end: float,
        alive: Collection[str] = (),
    ) -> list[Stretch]:
        """Return what is known of a time, without gaps, in order.

        `alive` are nodes whose last word still holds at `end`. Where nobody says MASTER and a node
        cannot be asked, it is unknown; but once a node has taken over, it was an outage.
        """
        spans = list(self._between(group, alive, start, end))
        edges = {start, end}
        for _, span in spans:
            edges |= {edge for edge in (span.start, span.end) if start < edge < end}
        raw = [_stretch(a, b, spans, members) for a, b in pairwise(sorted(edges))]
        joined = list(_joined(_without_flicker(list(_joined(raw)))))
        return list(_joined(_settled(joined)))

    def _between(
        self, group: str, alive: Collection[str], start: float, end: float
    ) -> Iterator[tuple[str, Span]]:
        for node, spans in self._spans.get(group, {}).items():
            for span in spans:
                goes_on = node in alive and span is spans[-1]
                until = max(span.end, end) if goes_on else span.end
                if until > start and span.start < end:
                    yield node, Span(span.start, until, span.state)

    def prune(self, now: float) -> None:
        """Forget what is too old."""
        oldest = now - self.seconds
        for nodes in self._spans.values():
            for spans in nodes.values():
                while spans and spans[0].end < oldest:
                    spans.popleft()

    def _of(self, group: str, node: str) -> deque[Span]:
        nodes = self._spans.setdefault(group, {})
        return nodes.setdefault(node, deque(maxlen=self._most))


def _stretch(
    left: float, right: float, spans: Iterable[tuple[str, Span]], members: Collection[str]
) -> Stretch:
    there = [(node, span) for node, span in spans if span.start <= left and right <= span.end]
    holders = tuple(sorted(node for node, span in there if span.state == MASTER))
    if holders:
        return Stretch(left, right, Kind.OVERLAP if len(holders) > 1 else Kind.HELD, holders)
    known = {node for node, _ in there}
    kind = Kind.OUTAGE if known.issuperset(members) else Kind.UNKNOWN
    return Stretch(left, right, kind, (), bool(known))


def _joined(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Yield them with neighbours that say the same made one."""
    last: Stretch | None = None
    for one in stretches:
        if last and (last.kind, last.holders) == (one.kind, one.holders):
            seen = last.witnessed or one.witnessed
            last = Stretch(last.start, one.end, last.kind, last.holders, seen)
            continue
        if last:
            yield last
        last = one
    if last:
        yield last


def _without_flicker(stretches: Sequence[Stretch]) -> Iterator[Stretch]:
    """Yield them with what is too short to be told given to the holder that comes after it."""
    start: float | None = None
    for one, after in zip(stretches, [*stretches[1:], None], strict=True):
        begin = one.start if start is None else start
        short = one.kind is not Kind.HELD and one.seconds < RESOLUTION
        start = begin if short and after and after.kind is Kind.HELD else None
        if start is None:
            yield Stretch(begin, one.end, one.kind, one.holders, one.witnessed)


def _settled(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return them with the unknown before a takeover called what it was: an outage.

    Not where no node could be asked: then it was the page that did not know.
    """
    settled = list(stretches)
    for index in range(len(settled) - 2, 0, -1):
        one, after = settled[index], settled[index + 1]
        if one.kind is Kind.UNKNOWN and one.witnessed and after.kind is not Kind.UNKNOWN:
            settled[index] = Stretch(one.start, one.end, Kind.OUTAGE)
    return settled
