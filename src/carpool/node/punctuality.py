"""What a daemon with groups of the fast profile does so that it is on time, and knows if it is not.

It takes a real-time priority and locks its memory where it may, collects garbage when it chooses,
and measures how late it wakes up: for a moment before it joins the election, and as long as it
runs. An interval that the machine cannot hold is raised, or refused, and said so.
"""

import gc
import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carpool.carp.election import State
from carpool.carp.timing import SECOND, TICK, interval
from carpool.node import clock, realtime
from carpool.node.lateness import EDGES, WINDOW, Lateness, Window, merged
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.pace import Pace
from carpool.node.settings import GroupSettings

if TYPE_CHECKING:
    from carpool.node.group import Group

PROBE = SECOND * 3 // 10
"""How long the machine is measured before the start."""
_BEAT = SECOND // 10
"""So often at least there is a wake-up to measure: a backup has hardly another timer."""
_MOST_GARBAGE, _MOST_YOUNG = 700, 10
"""Python's own thresholds of the first two generations."""
_COLLECT_EVERY = 600 * SECOND
_HOG = 6 * WINDOW // 10
"""Processor time in a window from which on the priority would starve others, and be throttled."""
_HOG_PAUSE = 60 * SECOND
_RECENT = 10


class TooLateError(Exception):
    """The machine cannot hold an interval, and the group says not to raise it; the text says so."""


@dataclass(slots=True)
class _Member:
    group: "Group"
    pace: Pace


class Punctuality:
    """Watches over the groups of the fast profile of one daemon."""

    def __init__(self, *, loop: Loop, log: Log, allowed: bool) -> None:
        """Make one that does nothing yet. `allowed`: whether a real-time priority may be taken."""
        self.lateness = Lateness()
        self._loop = loop
        self._log = log
        self._allowed = allowed
        self._no_priority: str | None = "not taken yet"
        self._no_lock: str | None = "not taken yet"
        self._members: list[_Member] = []
        self._put_off: list[Callable[[], None]] = []
        self._window_ends = 0
        self._processor_time = 0
        self._priority_from = 0
        self._collected_at = loop.now()
        self._timer = loop.call_at(loop.now(), self._beat)
        self._timer.cancel()

    def take_priority(self) -> None:
        """Take what the system permits; again after a fork, for a child does not have it."""
        if not self._allowed:
            self._no_priority = self._no_lock = "realtime = false"
            return
        self._no_priority = realtime.take_priority()
        self._no_lock = realtime.lock_memory()

    def probe(self, groups: Sequence[GroupSettings]) -> Window:
        """Measure the machine for 0.3 s, before there is anything else to do.

        Raises TooLateError if a group refuses an interval that it cannot hold.
        """
        self.take_priority()
        shortest = min(interval(0, group.carp.advskew) for group in groups)
        window = measured(PROBE, max(TICK, min(shortest, 5 * TICK)))
        for settings in groups:
            pace = Pace(settings.carp.advskew, settings.carp.dead_ratio)
            if pace.begin(window) and settings.refuse_if_late:
                raise TooLateError(
                    f"group {settings.name}: {_cannot_hold(window, pace)}; it needs "
                    f'interval = "{_ms(interval(0, pace.advskew))}ms" here, a higher dead_ratio, '
                    f'or on_late = "raise"{self._advice}'
                )
        return window

    def saved(self) -> dict[str, tuple[int, int]]:
        """Return the pace of each group that has been slowed down, for `start`."""
        raised = [one for one in self._members if one.pace.advskew > one.pace.configured]
        return {one.group.settings.name: one.pace.saved() for one in raised}

    def start(
        self,
        groups: Sequence["Group"],
        probed: Window | None,
        saved: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        """Begin to watch over groups.

        `probed`: what `probe` has measured, if it has; `saved`: what the program before this one
        has found out.
        """
        self.take_priority()
        if self._allowed and self._no_priority is not None:
            self._log.warning(f"fast profile without a real-time priority: {self._no_priority}")
        if self._allowed and self._no_lock is not None:
            self._log.info(f"fast profile without locked memory: {self._no_lock}")
        for group in groups:
            carp = group.settings.carp
            pace = Pace(carp.advskew, carp.dead_ratio)
            self._members.append(_Member(group, pace))
            if probed is not None and pace.begin(probed):
                self._apply(self._members[-1], probed)
            known = (saved or {}).get(group.settings.name)
            if known is not None and pace.resume(*known):
                self._keep_pace(self._members[-1])
            virtual_host = group.virtual_host
            self._log.notice(
                f"{group.label}fast: an advertisement every {_ms(virtual_host.interval)} ms "
                f"({virtual_host.advskew}/256 s), a dead master is noticed after "
                f"{_ms(virtual_host.master_down_time)} ms"
            )
        gc.collect()
        gc.freeze()  # What is here stays: it need not be looked through again.
        gc.disable()
        self._processor_time = time.process_time_ns()
        self._timer.reschedule(self._loop.now() + _BEAT)

    def pause(self) -> None:
        """Do what was put off, and measure nothing until `go_on`. The priority stays."""
        self._timer.cancel()
        self.catch_up()

    def end(self) -> None:
        """Measure no more, and be an ordinary process.

        To end takes tens of milliseconds, in which others need the processor more.
        """
        self.pause()
        realtime.drop_priority()

    def go_on(self) -> None:
        """Undo `pause`."""
        self.take_priority()
        self._timer.reschedule(self._loop.now())

    def keep_pace(self) -> None:
        """Let each group advertise as fast as this machine can, also if it was slowed down."""
        for member in self._members:
            self._keep_pace(member)

    # While it runs.

    def put_off(self, callback: Callable[[], None]) -> None:
        """Call `callback` within a tenth of a second: for what may take its time, such as a disk.

        What a killed daemon so forgets of counters can be replayed once.
        """
        self._put_off.append(callback)

    def catch_up(self) -> None:
        """Do what was put off."""
        while self._put_off:
            self._put_off.pop(0)()

    def _beat(self) -> None:
        now = self._loop.now()
        self.catch_up()
        if not self._window_ends:
            self.keep_pace()
            # Only now: to start takes a while, which says nothing of the machine.
            self._loop.on_late(self.lateness.note)
            self._window_ends = now + WINDOW
        elif now >= self._window_ends:
            self._window_ends = now + WINDOW
            window = self.lateness.roll()
            for member in self._members:
                self._judge(member, window)
            self._watch_processor_time(now)
            self._collect_garbage(now)
        self._timer.reschedule(now + _BEAT)

    def _collect_garbage(self, now: int) -> None:
        """Look through what is new; through all of it, which takes milliseconds, as a backup only.

        There a pause costs nothing: what was heard meanwhile is read first.
        """
        new, young, _ = gc.get_count()
        if new > _MOST_GARBAGE:
            gc.collect(1 if young > _MOST_YOUNG else 0)
        masters = any(one.group.virtual_host.state is State.MASTER for one in self._members)
        if not masters and now - self._collected_at >= _COLLECT_EVERY:
            self._collected_at = now
            gc.collect()

    def _judge(self, member: _Member, window: Window) -> None:
        settings = member.group.settings
        before = member.pace.advskew
        if not member.pace.after(window):
            return
        recent = merged(list(self.lateness.last)[-_RECENT:])
        if settings.refuse_if_late:
            if member.pace.advskew > before:
                self._happened(
                    member,
                    Level.ERROR,
                    f"{_cannot_hold(recent, member.pace)}; going on with it, "
                    'as on_late = "refuse" forbids to raise it',
                    key=f"late machine {settings.name}",
                )
            return
        self._apply(member, recent)

    def _apply(self, member: _Member, window: Window) -> None:
        pace = member.pace
        raised = pace.advskew > pace.configured
        self._keep_pace(member)
        now = f"advertising every {_ms(interval(0, pace.advskew))} ms"
        if raised:
            text = f"{_cannot_hold(window, pace)}; {now}{self._advice}"
            self._happened(member, Level.WARNING, text)
        else:
            self._happened(member, Level.NOTICE, f"this machine is on time again; {now}")

    def _happened(self, member: _Member, level: Level, text: str, key: str | None = None) -> None:
        settings, pace = member.group.settings, member.pace
        self._log.happened(
            "pace",
            level,
            f"{member.group.label}{text}",
            group=settings.name,
            key=key,
            details={
                "configured_interval": _seconds(interval(0, pace.configured)),
                "interval": _seconds(member.group.virtual_host.interval),
            },
        )

    def _keep_pace(self, member: _Member) -> None:
        pace = member.pace
        raised = pace.advskew > pace.configured and not member.group.settings.refuse_if_late
        member.group.virtual_host.slow_down(pace.advskew if raised else 0)

    @property
    def _advice(self) -> str:
        if self._no_priority is None or not self._allowed:
            return ""
        return f" (without a real-time priority: {self._no_priority})"

    def _watch_processor_time(self, now: int) -> None:
        """Give the priority up for a while if others need the processor that we take."""
        used = time.process_time_ns() - self._processor_time
        self._processor_time += used
        if self._no_priority is None and used > _HOG:
            realtime.drop_priority()
            self._no_priority = "given up for a minute: this process has too much to do"
            self._priority_from = now + _HOG_PAUSE
            self._log.warning(
                f"used {used * 100 // WINDOW} % of a processor; going on without a real-time "
                "priority for a minute, because others need it as well",
                key="hog",
            )
        elif self._priority_from and now >= self._priority_from:
            self._priority_from = 0
            self._no_priority = realtime.take_priority()

    # What there is to see.

    def status(self) -> Mapping[str, Any]:
        """Return how late wake-ups were, and what was done about it. Durations in seconds."""
        recent = merged([*list(self.lateness.last)[-_RECENT:], self.lateness.current])
        whole = merged([self.lateness.all, self.lateness.current])
        return {
            "realtime": self._no_priority is None,
            "realtime_problem": self._no_priority,
            "memory_locked": self._no_lock is None,
            "memory_problem": self._no_lock,
            "worst_seconds": _seconds(whole.worst),
            "worst_recent_seconds": _seconds(recent.worst),
            "busiest_seconds": _seconds(whole.busiest),
            "recent_seconds": _RECENT,
            "wakeups": whole.total,
            "lateness": [
                {"below_seconds": _seconds(edge) if edge else None, "wakeups": count}
                for edge, count in zip((*EDGES, None), whole.counts, strict=True)
            ],
            "groups": [
                {
                    "group": one.group.settings.name,
                    "configured_interval": _seconds(interval(0, one.pace.configured)),
                    "interval": _seconds(one.group.virtual_host.interval),
                    "raised": one.group.virtual_host.advskew > one.pace.configured,
                }
                for one in self._members
            ],
        }


def measured(duration: int, step: int) -> Window:
    """Wait in steps of `step` ns, for `duration` in all; return how late each wait ended."""
    window = Window()
    due = clock.now()
    end = due + duration
    while due < end:
        due += step
        select.select([], [], [], max(0, due - clock.now()) / 1e9)
        now = clock.now()
        window.note(max(0, now - due))
        due = max(due, now - step)
    return window


def _cannot_hold(window: Window, pace: Pace) -> str:
    many = window.beyond(interval(0, pace.configured) // 2)
    worst = _ms(max(window.worst, window.busiest))
    return (
        f"this machine wakes up to {worst} ms late ({many} of {window.total} times clearly), "
        f"which is too late for an interval of {_ms(interval(0, pace.configured))} ms"
    )


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.1f}"


def _seconds(nanoseconds: int) -> float:
    return round(nanoseconds / SECOND, 6)
