"""The guard: a child process that takes addresses off when the daemon no longer can.

The daemon may be stopped (SIGSTOP), killed, or stuck in a call of its own; then nobody answers for
the election, and another node is about to take over. The guard and the daemon share a page of
memory with one deadline for each group, which the daemon moves on with every advertisement,
without a system call. The guard sleeps until the earliest, looks again, and takes off what has run
out. It ends with the daemon: at once where nothing is held or a signal says that it is waited for,
as systemd's do, else when the last term has passed.

For the fast profile it also renews the lifetimes of addresses in the kernel. That may take
milliseconds, while others change addresses anywhere on the machine, and such a daemon has none.

It holds no socket of the daemon's, is of a session of its own, and is not ended by the signals
that end the daemon. What stops both at once (a frozen cgroup, a killed container) is the kernel's
to mend, on Linux, where each address has a lifetime as well.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from mmap import mmap
from pathlib import Path
from typing import NoReturn

from carpool.carp.timing import SECOND
from carpool.node.host import AnyInterface, Host, HostError, Interface
from carpool.node.lease import FAST_LIFETIME, FAST_RENEW_EVERY
from carpool.node.log import Level, Log
from carpool.node.loop import Loop

_AGAIN = SECOND // 10
"""Until the next look after something was taken off, or does not go: the daemon may be back."""
_MOST_FAILURES = 100
"""In a row until a guard without a daemon gives up: it must not stay for ever."""
_PAUSE = SECOND
"""From the start of one guard to that of the next."""
_WORD = 8
"""Bytes of a deadline: a signed number, nanoseconds of the monotonic clock; 0: nothing is held."""
_NEVER = 1 << 63
_NAME = b"carpool-guard"
_READER = 3
"""The descriptor of the pipe in the guard, whose end says that the daemon has ended."""
_MOST_DESCRIPTORS = 1 << 16
_IGNORED = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
)
_WAITED_FOR = signal.SIGTERM, signal.SIGABRT
"""What systemd sends to all of a service: to stop it, or when its watchdog has gone off."""


class Lease:
    """Until when one group may hold its addresses."""

    __slots__ = ("_guard", "_index")

    def __init__(self, guard: "Guard", index: int) -> None:
        self._guard = guard
        self._index = index

    def renew(self, deadline: int) -> None:
        """Let the guard take the addresses off at `deadline` (monotonic ns), and not before."""
        self._guard.set_deadline(self._index, deadline)

    def end(self) -> None:
        """Tell that the addresses are off."""
        self._guard.set_deadline(self._index, 0)

    def let_renew(self, interface: int) -> None:
        """Let the guard renew the addresses on interface number `interface`; 0: no longer.

        Say 0 before they are taken off: what the guard has just renewed it takes off itself then.
        """
        self._guard.set_renewal(self._index, interface)


class Guard:
    """The daemon's side. `start` only once the process has detached: it forks."""

    def __init__(
        self,
        holdings: Sequence[tuple[str, Sequence[AnyInterface]]],
        host: Host,
        loop: Loop,
        log: Log,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        """Guard `holdings`: of each group what begins its log lines, and its addresses.

        `prepare`, for the fast profile, is called in the child before anything else.
        """
        self._prepare = prepare
        self._holdings = holdings
        self._host = host
        self._loop = loop
        self._log = log
        count = max(1, len(holdings))
        self._memory = mmap(-1, 2 * count * _WORD)
        words = memoryview(self._memory).cast("q")
        self._deadlines, self._renewals = words[:count], words[count:]
        self._writer: int | None = None
        self._waking = False
        self._started_at = 0
        self.pid: int | None = None
        """Of the guard that runs; None before the start and after the end."""

    def lease(self, index: int) -> Lease:
        """Return the lease of the group that is number `index` of the holdings."""
        return Lease(self, index)

    def set_deadline(self, index: int, deadline: int) -> None:
        """Set a group's deadline (monotonic ns), or 0."""
        began = deadline and not self._deadlines[index]
        self._deadlines[index] = deadline
        if began and not self._waking:
            # It may be asleep without a deadline. Not before the address is announced: it would
            # take its share of a processor just then.
            self._waking = True
            self._loop.at_end_of_round(self._wake)

    def _wake(self) -> None:
        self._waking = False
        if self._writer is not None:
            # A pipe that is full says enough, and one without a reader is noticed elsewhere.
            with suppress(BlockingIOError, BrokenPipeError):
                os.write(self._writer, b"!")

    def set_renewal(self, index: int, interface: int) -> None:
        """Say on which interface a group's addresses are to be renewed, 0 for none."""
        self._renewals[index] = interface

    def start(self) -> None:
        """Fork a guard if none runs; from now on one that ends, or cannot start, is replaced."""
        if self.pid is not None:
            return
        self._started_at = self._loop.now()
        try:
            self._fork()
        except OSError as error:
            self._log.error(f"cannot start a guard: {error.strerror}; trying again", key="guard")
            self._start_later()

    def dismiss(self, *, keep_addresses: bool = False) -> None:
        """Let the guard end. It takes off what is still held, when its term has passed.

        With `keep_addresses` it leaves them alone, for a successor of the daemon that is to go on
        holding them.
        """
        if keep_addresses:
            for index in range(len(self._holdings)):
                self._deadlines[index] = 0
        self.pid = None
        self._close_writer()

    def _fork(self) -> None:
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        # A signal for the daemon must not be taken by the child while it still has its handlers.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                self._run_child(reader, before)
        except OSError:
            self._close_writer()
            raise
        finally:
            os.close(reader)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.pid = pid
        self._loop.on_child(pid, partial(self._ended, pid))

    def _close_writer(self) -> None:
        if self._writer is not None:
            os.close(self._writer)
            self._writer = None

    def _ended(self, pid: int, code: int) -> None:
        if pid != self.pid:
            return
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        text = f"the guard, process {pid}, has ended ({how}); starting another"
        self._log.happened("daemon", Level.ERROR, text, key="guard")
        self.dismiss()
        self._start_later()

    def _start_later(self) -> None:
        self._loop.call_at(max(self._loop.now(), self._started_at + _PAUSE), self.start)

    def _run_child(self, reader: int, mask: "set[signal.Signals | int]") -> NoReturn:
        """Be the guard, and end. Nothing may return from here into the daemon's code."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _IGNORED:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.setsid()
            os.dup2(reader, _READER)
            os.closerange(_READER + 1, _MOST_DESCRIPTORS)
            self._log.reopen()
            if self._prepare is not None:
                self._prepare()
            with suppress(OSError):  # as `ps -e` shows it, where there is such a file: Linux
                Path("/proc/self/comm").write_bytes(_NAME)
            loop = Loop()
            self._log.keeper = None  # Its lines are for the log alone: the events are the daemon's.
            host = self._host.for_child(loop)
            watch = _Watch(self._holdings, self._deadlines, host, loop, self._log)
            if self._prepare is not None:
                _Renewals(watch, self._renewals, host, loop)
            loop.run()
            code = 0
        except HostError as error:
            self._log.error(f"guard: {error}")
        except Exception:  # noqa: BLE001 - whatever it is must be told, and must not go further
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)


class _Renewals:
    """Renews the addresses of groups that are on time, as they ask for it."""

    def __init__(
        self, watch: "_Watch", interfaces: "memoryview[int]", host: Host, loop: Loop
    ) -> None:
        self._watch = watch
        self._interfaces = interfaces
        self._host = host
        self._loop = loop
        self._timer = loop.call_at(loop.now() + FAST_RENEW_EVERY, self._renew)

    def _renew(self) -> None:
        renewed = [number for number in self._watch.on_time() if self._interfaces[number]]
        for number in renewed:
            interface = Interface("", self._interfaces[number], b"", carrier=True)
            addresses = self._watch.holdings[number][1]
            self._host.renewal(interface, addresses, FAST_LIFETIME)()
        self._loop.at_end_of_round(partial(self._undo, renewed))
        if not self._watch.alone:
            self._timer.reschedule(self._loop.now() + FAST_RENEW_EVERY)

    def _undo(self, renewed: Sequence[int]) -> None:
        """Take off again what the daemon has taken off while it was renewed."""
        gone = [number for number in renewed if not self._interfaces[number]]
        unwanted = [address.ip for number in gone for address in self._watch.holdings[number][1]]
        if unwanted:
            with suppress(HostError):  # Then its lifetime ends it.
                self._host.sweep(unwanted)


class _Watch:
    """What the guard does."""

    def __init__(
        self,
        holdings: Sequence[tuple[str, Sequence[AnyInterface]]],
        deadlines: "memoryview[int]",
        host: Host,
        loop: Loop,
        log: Log,
    ) -> None:
        self.holdings = holdings
        self._deadlines = deadlines
        self._host = host
        self._loop = loop
        self._log = log
        self.alone = False
        self._hurried = False
        self._failures = 0
        self._timer = loop.call_at(loop.now(), self._look)
        os.set_blocking(_READER, False)
        loop.watch(_READER, self._on_pipe)
        for number in _WAITED_FOR:
            loop.on_signal(number, self._hurry)

    def _on_pipe(self) -> None:
        if not os.read(_READER, 4096):
            self.alone = True
            self._loop.unwatch(_READER)
        self._look()

    def _hurry(self) -> None:
        """Wait for no term to pass once the daemon has ended: it is not started again before."""
        self._hurried = True
        self._look()

    def _look(self) -> None:
        """Take off what has run out, and sleep until the next may."""
        now = self._loop.now()
        limit = _NEVER if self.alone and self._hurried else now
        due = [number for number, deadline in self._waiting() if deadline <= limit]
        failed = bool(due) and not self._take_off(due)
        # While the daemon lives it tries for ever.
        self._failures = self._failures + 1 if failed and self.alone else 0
        if self._failures == _MOST_FAILURES:
            self._loop.stop()
            return
        looks = [] if failed else [deadline for _, deadline in self._waiting()]
        if failed or (due and not self.alone):
            looks.append(now + _AGAIN)
        if looks:
            self._timer.reschedule(min(looks))
        elif self.alone:
            self._loop.stop()

    def on_time(self) -> list[int]:
        """Return the numbers of the groups that hold addresses, and may."""
        now = self._loop.now()
        return [number for number, deadline in self._waiting() if deadline > now]

    def _waiting(self) -> list[tuple[int, int]]:
        return [
            (number, self._deadlines[number])
            for number in range(len(self.holdings))
            if self._deadlines[number]
        ]

    def _take_off(self, due: Sequence[int]) -> bool:
        deadlines = [self._deadlines[number] for number in due]
        unwanted = [address.ip for number in due for address in self.holdings[number][1]]
        try:
            found = {one.ip for one in self._host.sweep(unwanted)}
        except HostError as error:
            self._log.error(f"guard: {error}; two nodes may hold it now", key="guard")
            return False
        for number, deadline in zip(due, deadlines, strict=True):
            # Not if the daemon is back. If it comes back right here its term may be lost; its next
            # advertisement brings another, and the next look finds that.
            if self._deadlines[number] == deadline:
                self._deadlines[number] = 0
            label, addresses = self.holdings[number]
            here = [str(address) for address in addresses if address.ip in found]
            if here:
                why = "has ended without a farewell" if self.alone else "does not advertise"
                self._log.error(
                    f"{label}guard: the daemon {why}: {', '.join(here)} taken off, because another "
                    "node takes over now"
                )
        return True
