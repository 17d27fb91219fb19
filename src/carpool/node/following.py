"""A stream of events for one client of the control socket.

A reader has no queue of its own: it has a number in the events that are kept. So one that is too
slow costs no memory. When it comes back, what is no longer kept is lost, and it is told how much.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from carpool.node.events import Events, Kept, document

_CHUNK = 16384  # bytes that are said at once
_REMEMBERED = 256  # lines that may be wanted by another reader


class Lines:
    """Events as they are written, each of them once however many read."""

    def __init__(self, node: str, epoch: str) -> None:
        self._place = {"node": node, "epoch": epoch}
        self._known: dict[int, bytes] = {}

    def line(self, event: Kept) -> bytes:
        """Return the line of an event."""
        known = self._known.get(event.seq)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[event.seq] = _json(document(event) | self._place)
        return known


class Following:
    """What one client reads, from some event on: a stream, as `carpool.node.control` has it."""

    def __init__(
        self,
        events: Events,
        lines: Lines,
        *,
        after: int | None,
        epoch: str | None,
        groups: frozenset[str] | None,
        follow: bool,
    ) -> None:
        """Begin behind the number `after` of an epoch; None: with the oldest that is kept.

        `epoch`: of that number, None if the reader does not know. `groups`: only what concerns
        one of them. `follow`: go on with what will happen.
        """
        self._events = events
        self._lines = lines
        self._groups = groups
        self._follow = follow
        last = events.next_seq - 1
        anew = after is not None and (after > last or epoch not in (None, events.epoch))
        self._next = events.first_seq if after is None or anew else after + 1
        self._end = events.next_seq
        self._said_end = False
        self._unsubscribe: Callable[[], None] | None = None
        self.head: Mapping[str, Any] = {
            "ok": True,
            "epoch": events.epoch,
            "first": events.first_seq,
            "last": last,
            "anew": anew,
        }

    @property
    def follows(self) -> bool:
        """Whether it goes on with what will happen, until the client hangs up."""
        return self._follow

    @property
    def ended(self) -> bool:
        """Whether all has been said; never if the client follows."""
        return self._said_end

    def listen(self, more: Callable[[], None]) -> None:
        """Call `more` when something has happened."""
        if self._follow:
            self._unsubscribe = self._events.subscribe(lambda _event: more())

    def close(self) -> None:
        """Listen no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()

    def read(self) -> bytes:
        """Return the next lines."""
        said, size = list[bytes](), 0
        lost = self._events.first_seq - self._next
        if lost > 0:
            self._next += lost
            said.append(_json({"lost": lost}))
        for event in self._events.since(self._next):
            if size >= _CHUNK or not (self._follow or event.seq < self._end):
                break
            self._next = event.seq + 1
            if self._wants(event):
                said.append(self._lines.line(event))
                size += len(said[-1])
        if not self._follow and not self._said_end and self._next >= self._end:
            self._said_end = True
            said.append(_json({"end": True}))
        return b"".join(said)

    def _wants(self, event: Kept) -> bool:
        if self._groups is None or event.group in self._groups:
            return True
        return not self._groups.isdisjoint(event.details.get("groups") or ())


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"
