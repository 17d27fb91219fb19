"""What has happened on this node, numbered and kept for a while: for whoever asks, or follows.

One event is one line of the log: `Log.happened` writes the line and hands the event over, so that
where nobody keeps events, as in `carpool ucarp`, they cost nothing. An event gets the next number
(seq), by which a reader goes on where it was. Numbers survive `carpool restart`; after another
start they begin anew, which a new epoch tells.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from carpool.node.log import Level, Log

KEPT = 1000
"""So many events are kept: the latest."""

_MOST_SAVED = 4 << 20  # characters

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened on this node, as its line in the log tells it."""

    kind: str
    """What sort of thing, such as "state" or "link": docs/control.md lists them."""
    text: str
    """The line: what, and why. It has no control characters once it is kept."""
    level: Level
    group: str | None = None
    """The group it concerns, None if it is not one group."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What a program wants to know of it, in JSON's types."""


@dataclass(frozen=True, slots=True)
class Kept(Happening):
    """One that is kept."""

    seq: int = 0
    """Counts from 1 in each epoch."""
    time_ns: int = 0
    """Nanoseconds since 1970, by the wall clock."""


Listener = Callable[[Kept], None]
"""Told of each event at once. Must not wait. One that raises is told no more."""


class Events:
    """The latest events of one daemon, and who listens to them."""

    def __init__(
        self, log: Log, *, epoch: str = "", clock: Callable[[], int] = time.time_ns
    ) -> None:
        """Keep what happens from now on, as `log` is told of it."""
        self.epoch = epoch or os.urandom(4).hex()
        """Within it a number means one event; another start of the daemon has another."""
        self.next_seq = 1
        """The number of the next event."""
        self._log = log
        self._clock = clock
        self._kept: deque[Kept] = deque(maxlen=KEPT)
        self._listeners: list[Listener] = []
        log.keeper = self.keep

    def emit(self, happening: Happening) -> None:
        """Log something and keep it. Never raises, never waits."""
        self._log.happened(
            happening.kind,
            happening.level,
            happening.text,
            group=happening.group,
            details=happening.details,
        )

    def keep(
        self,
        kind: str,
        level: Level,
        text: str,
        group: str | None = None,
        details: Mapping[str, Any] = NOTHING,
    ) -> int:
        """Keep what is being logged, tell it to all who listen, and return its number."""
        kept = Kept(kind, text, level, group, details, self.next_seq, self._clock())
        self.next_seq += 1
        self._kept.append(kept)
        for listener in tuple(self._listeners):
            try:
                listener(kept)
            except Exception:  # noqa: BLE001 - a fault of a reader must not harm what it reads of
                sys.excepthook(*sys.exc_info())
                self._listeners.remove(listener)
                self._log.error("a reader of events has a fault, and is told no more")
        return kept.seq

    def saved(self) -> dict[str, Any]:
        """Return what `restore` needs, in JSON's types: some MiB at most."""
        kept = deque[tuple[Any, ...]]()
        size = 0
        for one in reversed(self._kept):
            size += len(one.text) + len(repr(one.details))
            if size > _MOST_SAVED:
                break
            kept.appendleft(
                (one.kind, one.text, one.level, one.group, one.details, one.seq, one.time_ns)
            )
        return {"epoch": self.epoch, "next": self.next_seq, "kept": list(kept)}

    def restore(self, document: Mapping[str, Any]) -> None:
        """Go on where the program before this one was, as its `saved` tells.

        If it is none of ours, begin anew. What has happened here already comes after it.
        """
        try:
            epoch, last = str(document["epoch"]), int(document["next"]) - 1
            before = [
                Kept(kind, text, Level(level), group, details, seq, time_ns)
                for kind, text, level, group, details, seq, time_ns in document["kept"]
            ]
        except (LookupError, TypeError, ValueError):
            return
        here = [replace(one, seq=last + one.seq) for one in self._kept]
        self._kept = deque((*before, *here), KEPT)
        self.epoch, self.next_seq = epoch, last + self.next_seq

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` of each event from now on. Return how to end that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe

    @property
    def first_seq(self) -> int:
        """The number of the oldest event that is kept; of the next, if none is."""
        return self._kept[0].seq if self._kept else self.next_seq

    def since(self, seq: int) -> Iterator[Kept]:
        """Yield what is kept from number `seq` on, the oldest first."""
        start = max(0, seq - self.first_seq)
        for index in range(start, len(self._kept)):
            yield self._kept[index]


def document(event: Kept) -> dict[str, Any]:
    """Return an event as the control socket and `carpool events --json` tell it.

    They also tell the node and the epoch.
    """
    return {
        "seq": event.seq,
        "time": _utc(event.time_ns),
        "group": event.group,
        "kind": event.kind,
        "level": event.level.name.lower(),
        "text": event.text,
        "details": dict(event.details),
    }


def _utc(time_ns: int) -> str:
    """Write an instant as RFC 3339 has it, in milliseconds."""
    day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_ns // 1_000_000_000))
    return f"{day}.{time_ns // 1_000_000 % 1000:03d}Z"
