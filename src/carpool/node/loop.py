"""The daemon's event loop: file descriptors, timers, signals and children, in one thread.

Not asyncio: importing that costs 38 ms and 9 MB, which a restart under a live address and a small
zone both feel, and the daemon has no use for coroutines.

Four rules, which the election relies on:

- A timer acts only on what a *later* poll has heard. After a pause (SIGSTOP, a stalled or migrated
  virtual machine) the sockets are read first, so that a master which slept hears its successor
  before its overdue advertisement timer runs. For this each callback must drain its descriptor,
  within a bound.
- Timers run in the order of their instants; those of one instant in the order they were set.
- After the machine has slept, whoever asked to know is told before anything else: what was sent
  meanwhile is not even queued.
- A callback that raises ends `run`: a bug must be loud.

It can tell how late it wakes up, to whoever wants to know what the machine can do.

Instants are integer nanoseconds of the clock of `carpool.node.clock`. epoll rounds a wait up to the
next millisecond, so a timer never runs early, and about 1 ms late at most on an idle machine. Short
waits are select(2)'s, which counts microseconds: backups that are to take over one after the other
are less than a millisecond apart.
"""

import heapq
import os
import select
import signal
from collections.abc import Callable
from typing import Any

from carpool.node import clock
from carpool.node.poller import Callback, HasFileno, Poller, Watched

_LONGEST_WAIT = 3600.0  # seconds; epoll itself takes 2**31 ms at most
_SHORT_WAIT = 0.02  # seconds
_MEASURED_WAIT = 1.0  # the same where lateness is measured: a millisecond is much then
_BUSY = 1_000_000  # ns of lateness by our own work that are worth telling
_SLEEP = 100_000_000  # ns that the machine has slept at least; less is two clocks read in turn
_IDLE_GARBAGE = 64  # stale heap entries that are not worth a sweep


class Timer:
    """A callback at an instant. Made by `Loop.call_at`; may be set again, also after it has run."""

    __slots__ = ("_queue", "callback", "serial", "when")

    def __init__(self, queue: "_TimerQueue", callback: Callback) -> None:
        self._queue = queue
        self.callback = callback
        self.when: int | None = None
        """The instant in ns, None while not set."""
        self.serial = 0
        """Tells the queue which of this timer's heap entries is the live one."""

    def reschedule(self, when_ns: int) -> None:
        """Run the callback at `when_ns` and not at the instant set before, if any.

        An instant that has passed means now, which is after the next poll.
        """
        self._queue.push(self, when_ns)

    def cancel(self) -> None:
        """Do not run the callback. Harmless if the timer is not set."""
        self._queue.discard(self)


class _TimerQueue:
    """A heap of (instant, serial, timer). A cancelled or moved timer leaves its old entry behind.

    Stale entries are dropped when they surface, and swept when they outnumber the live ones: a
    backup moves its master-down timer with every advertisement it hears.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._serial = 0
        self._live = 0

    def push(self, timer: Timer, when_ns: int) -> None:
        if timer.when is None:
            self._live += 1
        elif len(self._heap) > 2 * self._live + _IDLE_GARBAGE:
            self._sweep()
        serial = self._serial = self._serial + 1
        when = max(when_ns, clock.now())
        timer.serial, timer.when = serial, when
        heapq.heappush(self._heap, (when, serial, timer))

    def discard(self, timer: Timer) -> None:
        if timer.when is None:
            return
        timer.when = None
        timer.serial = 0
        self._live -= 1
        if len(self._heap) > 2 * self._live + _IDLE_GARBAGE:
            self._sweep()

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].serial == entry[1]]
        heapq.heapify(self._heap)

    def next(self) -> int | None:
        """Return the earliest instant that is set, in ns."""
        heap = self._heap
        while heap:
            when, serial, timer = heap[0]
            if timer.serial == serial:
                return when
            heapq.heappop(heap)
        return None

    def pop_due(self, now_ns: int) -> Timer | None:
        """Take out the first timer that is due at `now_ns`."""
        when = self.next()
        if when is None or when > now_ns:
            return None
        timer = heapq.heappop(self._heap)[2]
        timer.when = None
        timer.serial = 0
        self._live -= 1
        return timer


class Loop:
    """Runs callbacks until stopped. One per process, in the main thread: it owns the signals."""

    def __init__(self) -> None:
        self._timers = _TimerQueue()
        self._poller = Poller()
        self._signals: dict[int, Callback] = {}
        self._saved_handlers: dict[int, Any] = {}
        self._children: dict[int, Callable[[int], None]] = {}
        self._asleep = clock.asleep()
        self._slept: Callable[[int], None] | None = None
        self._late: Callable[[int, bool], None] | None = None
        self._short_wait = _SHORT_WAIT
        self._told_of = 0
        self._running = False
        self._at_end: list[Callback] = []
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._saved_wakeup = signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        self.watch(self._wake_reader, self.dispatch_signals)
        # From the start: whoever started us may ignore SIGCHLD, and then children leave no status.
        self.on_signal(signal.SIGCHLD, self._reap)

    @staticmethod
    def now() -> int:
        """Return the clock's reading in ns: monotonic, and counting the machine's sleep."""
        return clock.now()

    def watch(
        self, source: int | HasFileno, callback: Callback, *, for_writing: bool = False
    ) -> None:
        """Call `callback` in every round that finds `source` readable, or at its end or in error.

        With `for_writing`, when it is writable instead, which is also when it has connected or
        failed to. Raises KeyError if it is watched already, ValueError if it is not open.
        """
        self._poller.watch(source, callback, for_writing=for_writing)

    def unwatch(self, source: int | HasFileno) -> None:
        """Stop watching `source`; its callback does not run again, not even in this round.

        Raises KeyError if it is not watched.
        """
        self._poller.unwatch(source)

    def call_at(self, when_ns: int, callback: Callback) -> Timer:
        """Call `callback` once at `when_ns`; an instant that has passed: after the next poll."""
        timer = Timer(self._timers, callback)
        timer.reschedule(when_ns)
        return timer

    def on_signal(self, signum: int, callback: Callback) -> None:
        """Call `callback` from the loop when `signum` arrives, in place of any earlier one.

        Arrivals in the same round count once. Raises OSError for one that cannot be caught.
        """
        previous = signal.signal(signum, lambda _signum, _frame: None)
        self._saved_handlers.setdefault(signum, previous)
        self._signals[signum] = callback

    def on_child(self, pid: int, callback: Callable[[int], None]) -> None:
        """Call `callback` with the exit code of child `pid`, or minus the signal that killed it.

        The child may have ended already. Only children registered here are waited for.
        """
        self._children[pid] = callback
        self.call_at(self.now(), self._reap)

    def at_end_of_round(self, callback: Callback) -> None:
        """Call `callback` once, when all that is due in this round has run: before the next wait.

        For what is cheaper done once for many. Outside of `run`: at the end of its first round.
        """
        self._at_end.append(callback)

    def on_wake(self, callback: Callable[[int], None]) -> None:
        """Call `callback` with the nanoseconds that the machine has slept, when it has."""
        self._slept = callback

    def on_late(self, callback: Callable[[int, bool], None]) -> None:
        """Call `callback` after each wait for a timer with how late it ended, in nanoseconds.

        Also, with True, when the loop itself was busy for longer than 1 ms when a timer fell due.
        """
        self._late = callback
        self._short_wait = _MEASURED_WAIT

    def run(self) -> None:
        """Run callbacks until one of them calls `stop`; descriptors and timers behind it wait."""
        self._running = True
        while self._running:
            # Read before the poll: what falls due during the wait, or during a pause in it, is
            # left to the next round, whose poll comes after.
            polled_at = self.now()
            ready = self._poll(self._seconds_to_next(polled_at))
            self._notice_sleep()
            if self._late is not None:
                self._tell_lateness(self._late, polled_at)
            for one in ready:
                # An earlier callback of this round may have closed it.
                if self._running and self._poller.holds(one):
                    one.callback()
            while self._running and (timer := self._timers.pop_due(polled_at)):
                timer.callback()
            self.end_round()

    def end_round(self) -> None:
        """Do what waits for the end of this round: now, if the process is about to be replaced."""
        while self._at_end:
            self._at_end.pop(0)()

    def stop(self) -> None:
        """Make `run` return, once the callback that calls this has returned."""
        self._running = False

    def close(self) -> None:
        """Give back the signals and close what the loop opened; what was watched stays open."""
        for signum, handler in self._saved_handlers.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._saved_wakeup)
        self._poller.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _tell_lateness(self, tell: Callable[[int, bool], None], polled_at: int) -> None:
        due = self._timers.next()
        if due is None or due == self._told_of:
            return
        busy = due <= polled_at
        if not busy:
            late = self.now() - due
            if late < 0:
                return  # Something else ended the wait.
        else:
            late = polled_at - due
            if late < _BUSY:
                return  # Set for now, or nearly so.
        self._told_of = due
        tell(late, busy)

    def _poll(self, seconds: float | None) -> list[Watched]:
        if seconds and seconds < self._short_wait and self._poller.waitable is not None:
            if not select.select([self._poller.waitable], [], [], seconds)[0]:
                return []
            seconds = 0
        return self._poller.ready(seconds)

    def _notice_sleep(self) -> None:
        # In this order: a pause between the two readings does not look like sleep.
        if clock.now() - clock.awake() - self._asleep < _SLEEP:
            return
        asleep = clock.asleep()
        slept, self._asleep = asleep - self._asleep, asleep
        if slept >= _SLEEP and self._slept is not None:
            self._slept(slept)

    def _seconds_to_next(self, now_ns: int) -> float | None:
        when = self._timers.next()
        return None if when is None else min(max(0, when - now_ns) / 1e9, _LONGEST_WAIT)

    def dispatch_signals(self) -> None:
        """Do now what signals ask that have arrived, and not in the next round."""
        try:
            arrived = os.read(self._wake_reader, 65536)
        except BlockingIOError:
            return
        for signum in dict.fromkeys(arrived):
            if signum in self._signals:
                self._signals[signum]()

    def _reap(self) -> None:
        for pid in list(self._children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._children.pop(pid)(os.waitstatus_to_exitcode(status))
