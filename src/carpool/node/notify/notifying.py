"""Who is told what, and when: the queues of a node's notifiers.

An event waits for half a second, so that what happens together is told together. Of the events of
one group and kind only the latest is told, with the number of those before it. Five deliveries of
a notifier may follow each other, then one in each `every`. One at a time is under way of each, and
a failed one is tried again, later and later.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from carpool.carp.timing import SECOND
from carpool.node.events import document
from carpool.node.log import Level
from carpool.node.notify.delivery import Delivery, Outcome
from carpool.notify.job import Job, Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from carpool.node.events import Kept
    from carpool.node.log import Log
    from carpool.node.loop import Loop
    from carpool.node.notify.settings import NotifierSettings

GATHER = SECOND // 2
"""From an event to the first try."""
BURST = 5
"""Deliveries that may follow each other, before `every` counts."""
MOST_AT_ONCE = 4
"""Children of all notifiers."""
MOST_TOLD = 200
"""Events of one delivery."""
MOST_WAITING = 16384
"""Events of one notifier: of each of 4,080 groups, one of each of four kinds."""
MOST_LEFT = 2 << 20
"""Characters of what all notifiers leave to the program that replaces this one."""
_FIRST_PAUSE, _LONGEST_PAUSE = 5 * SECOND, 300 * SECOND

_STATUS_TYPES = ("nrdp", "nagios")
_Key = tuple[str | None, str]


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: dict[str, Any]
    more: int = 0


class Notifying:
    """All notifiers of this node."""

    def __init__(
        self,
        notifiers: Sequence[NotifierSettings],
        *,
        loop: Loop,
        log: Log,
        look: Callable[[str], dict[str, Any] | None],
        epoch: str = "",
        deliver: Callable[[Loop, Job, Callable[[Outcome], None]], Any] = Delivery,
    ) -> None:
        """Make the queues. `look` tells what a group is now; `deliver` starts one try.

        `epoch` is that of the events.
        """
        self.epoch = epoch
        self.look = look
        self.deliver = deliver
        self.under_way = 0
        self._queues = [_Queue(one, self, loop, log) for one in notifiers]
        self.stopped = False
        """Whether nothing more is told."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The children that run."""
        pids = (queue.pid for queue in self._queues)
        return tuple(pid for pid in pids if pid is not None)

    def hear(self, event: Kept) -> None:
        """Take notice of an event. Never waits."""
        if not self.stopped:
            for queue in self._queues:
                queue.hear(event)

    def stop(self) -> None:
        """Take notice of nothing more; whoever is being told will be, if the child may live."""
        self.stopped = True
        for queue in self._queues:
            queue.stop()

    def leave(self) -> dict[str, list[list[Any]]]:
        """Return what is not told yet, by notifier, for the program that replaces this one.

        What is being told is among it, for `abandon` is to follow.
        """
        room = MOST_LEFT // max(1, len(self._queues))
        return {queue.name: queue.leave(room) for queue in self._queues}

    def abandon(self) -> None:
        """End the children that tell: how they would end, the new program would not know."""
        for queue in self._queues:
            queue.abandon()

    def restore(self, left: Mapping[str, Sequence[Sequence[Any]]]) -> None:
        """Tell what the program before this one has left, to the notifiers that are still there."""
        for queue in self._queues:
            queue.restore(left.get(queue.name, ()))

    def ended(self) -> None:
        """Let those go on that wait for a child of another to end."""
        self.under_way -= 1
        for queue in self._queues:
            queue.go_on()


class _Queue:
    """What waits to be told by one notifier."""

    def __init__(
        self, settings: NotifierSettings, all_of_them: Notifying, loop: Loop, log: Log
    ) -> None:
        self._settings = settings
        self._all = all_of_them
        self._loop = loop
        self._log = log
        self._waiting: dict[_Key, _Waiting] = {}
        self._told: dict[_Key, _Waiting] = {}
        self._delivery: Any = None
        self._dropped = 0
        self._failures = 0
        self._not_before = 0
        self._owed = 0
        """Until when what was told lately counts against the limit (ns)."""
        self._timer = loop.call_at(loop.now(), self.go_on)
        self._timer.cancel()

    @property
    def name(self) -> str:
        """Its name in the cluster file."""
        return self._settings.name

    @property
    def pid(self) -> int | None:
        """The child's, if one runs."""
        return None if self._delivery is None else self._delivery.pid

    def hear(self, event: Kept) -> None:
        """Let an event wait, if it is to be told."""
        if not self._concerns(event):
            return
        told = {"node": self._settings.node, "epoch": self._all.epoch} | document(event)
        key = (event.group, event.kind)
        before = self._waiting.pop(key, None)
        self._waiting[key] = _Waiting(told, 0 if before is None else before.more + 1)
        if len(self._waiting) > MOST_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
            self._dropped += 1
        if before is None and len(self._waiting) == 1 and not self._failures:
            self._not_before = self._loop.now() + GATHER
        self.go_on()

    def stop(self) -> None:
        """Forget what waits."""
        self._timer.cancel()
        self._tell_dropped(f"more than {MOST_WAITING} waited")
        self._dropped = len(self._waiting)
        self._waiting.clear()
        self._tell_dropped("the daemon ends", Level.NOTICE)

    def leave(self, room: int) -> list[list[Any]]:
        """Return what is not told yet, the latest that has room."""
        waiting = _joined(self._told, self._waiting)
        left: list[list[Any]] = []
        for (group, kind), one in reversed(waiting.items()):
            entry = [group, kind, one.event, one.more]
            room -= len(json.dumps(entry))
            if room < 0:
                break
            left.append(entry)
        self._dropped += len(waiting) - len(left)
        self._tell_dropped("too many waited at the restart")
        return left[::-1]

    def abandon(self) -> None:
        """End the child, if one runs."""
        if self._delivery is not None:
            self._delivery.abandon()

    def restore(self, left: Sequence[Sequence[Any]]) -> None:
        """Let what the program before this one has left wait, as if it had just happened."""
        for group, kind, event, more in left:
            self._waiting[group, kind] = _Waiting(event, more)
        self._not_before = self._loop.now() + GATHER
        self.go_on()

    def _tell_dropped(self, why: str, level: Level = Level.WARNING) -> None:
        count, self._dropped = self._dropped, 0
        if count:
            what = "1 event is" if count == 1 else f"{count} events are"
            self._tell(level, f"{what} not told: {why}", "dropped")

    def go_on(self) -> None:
        """Begin a delivery, if it is time and one waits; else look again when it is."""
        if self._delivery is not None or not self._waiting:
            return
        now, every = self._loop.now(), self._settings.every
        allowed = self._not_before
        if not self._failures:
            allowed = max(allowed, self._owed - (BURST - 1) * every)
        if now < allowed:
            self._timer.reschedule(allowed)
        elif self._all.under_way < MOST_AT_ONCE:
            if not self._failures:
                self._owed = max(now, self._owed) + every
            self._begin()

    def _concerns(self, event: Kept) -> bool:
        settings = self._settings
        if not (settings.of_all if event.group is None else event.group in settings.groups):
            return False
        if event.kind == "state":
            return event.details.get("to") in settings.states
        if event.kind == "service" and settings.type not in _STATUS_TYPES:
            # That all is well follows each takeover; only a status has to be told so.
            return "service" in settings.kinds and event.level <= Level.WARNING
        return event.kind in settings.kinds

    def _begin(self) -> None:
        settings = self._settings
        self._tell_dropped(f"more than {MOST_WAITING} waited")
        keys = list(self._waiting)[:MOST_TOLD]
        self._told = {key: self._waiting.pop(key) for key in keys}
        job = Job(
            type=settings.type,
            node=settings.node,
            hostname=settings.hostname,
            names=dict(settings.names),
            keys=dict(settings.keys),
            secret=settings.secret,
            timeout=settings.timeout / SECOND,
            notices=tuple(
                Notice(one.event, one.more, None if group is None else self._all.look(group))
                for (group, _), one in self._told.items()
            ),
        )
        self._all.under_way += 1
        self._delivery = self._all.deliver(self._loop, job, partial(self._ended, len(keys)))

    def _ended(self, count: int, outcome: Outcome) -> None:
        self._delivery = None
        told, self._told = self._told, {}
        seconds = outcome.duration_ns / SECOND
        events = "1 event" if count == 1 else f"{count} events"
        if outcome.ok:
            self._failures = 0
            self._tell(Level.NOTICE, f"{events} told: {outcome.said} ({seconds:.2f} s)", "told")
        else:
            self._failures += 1
            again = not (outcome.lasting or self._all.stopped)
            if not again or self._failures > self._settings.retries:
                tries = f"{self._failures} tries" if self._failures > 1 else "1 try"
                what = ", ".join(sorted({str(one.event["text"]) for one in told.values()})[:3])
                text = f"given up after {tries}: {outcome.said}; not told: {what}"
                self._failures = 0
                self._tell(Level.ERROR, text[:1000], "given up", outcome.said)
            else:
                self._waiting = _joined(told, self._waiting)
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE << (self._failures - 1))
                self._not_before = self._loop.now() + pause
                text = f"{outcome.said}; trying again in {pause // SECOND} s"
                self._tell(Level.WARNING, text, "failed", outcome.said)
        self._all.ended()

    def _tell(self, level: Level, text: str, outcome: str, problem: str | None = None) -> None:
        name = self._settings.name
        self._log.happened(
            "notify",
            level,
            f"notify {name}: {text}",
            key=f"notify {name} {outcome}",
            details={"notifier": name, "outcome": outcome, "problem": problem},
        )


def _joined(told: dict[_Key, _Waiting], newer: dict[_Key, _Waiting]) -> dict[_Key, _Waiting]:
    """Return what was not told before what has come since, unless that is newer of the same."""
    joined = dict(told)
    for key, one in newer.items():
        before = joined.pop(key, None)
        more = one.more if before is None else one.more + before.more + 1
        joined[key] = replace(one, more=more)
    return joined
