"""The record of a LAN, cut where the world changed: in each window nothing befell anybody."""

from collections.abc import Iterator
from dataclasses import dataclass

from carpool.carp.election import State
from carpool.sim.record import Change, Condition, Record, Span


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` until `end`, in nanoseconds, the world was like `condition`."""

    start: int
    end: int
    condition: Condition
    parts: tuple[frozenset[str], ...]
    """The active nodes by who hears whom; empty if frames get lost, or are heard one way only."""
    before: "Window | None"


def windows(record: Record, end: int) -> list[Window]:
    """Return the windows of a record, in order; those of no length are left out."""
    cut: list[Window] = []
    starts = [condition.instant for condition in record.conditions]
    for condition, until in zip(record.conditions, [*starts[1:], end], strict=True):
        if until > condition.instant:
            parts = tuple(condition.parts() or ()) if condition.calm else ()
            previous = cut[-1] if cut else None
            cut.append(Window(condition.instant, until, condition, parts, previous))
    return cut


class History:
    """What happened to one vhid, window by window."""

    def __init__(self, record: Record, vhid: int, end: int) -> None:
        self.record = record
        self.vhid = vhid
        self.windows = windows(record, end)
        self._spans = list(record.spans(vhid))
        self.changes = [change for change in record.timeline if change.vhid == vhid]
        self.announcements = [said for said in record.announcements if said.vhid == vhid]

    def spans(self, start: int, end: int) -> Iterator[Span]:
        """Yield who held the addresses from `start` until `end`."""
        if start >= end:
            return
        for span in self._spans:
            if span.start < end and span.end > start:
                yield Span(max(start, span.start), min(end, span.end), span.holders)

    def holders(self, instant: int) -> frozenset[str]:
        """Return who held the addresses at (and right after) an instant."""
        for span in self._spans:
            if span.start <= instant < span.end:
                return span.holders
        return frozenset()

    def stretches(self, holders: frozenset[str], start: int, end: int) -> Iterator[Span]:
        """Yield when all of `holders` held the addresses at once, as long stretches."""
        begun: int | None = None
        for span in self.spans(start, end):
            if holders <= span.holders:
                begun = span.start if begun is None else begun
            elif begun is not None:
                yield Span(begun, span.start, holders)
                begun = None
        if begun is not None:
            yield Span(begun, end, holders)

    def state(self, node: str, instant: int) -> State | None:
        """Return what a node was right before an instant; None while it was down."""
        change = self.last_change(node, instant)
        return change.state if change is not None else None

    def last_change(self, node: str, instant: int) -> Change | None:
        """Return how a node became what it was right before an instant."""
        last = None
        for change in self.changes:
            if change.instant >= instant:
                break
            if change.node == node:
                last = change
        return last
