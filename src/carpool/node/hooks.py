"""Runs a group's scripts: in order, with a time limit, beside the loop and never in its way.

While one script runs at most one more waits, and a newer one takes its place: after master, backup,
master within one slow script only the last matters, and the scripts of a flapping group cannot pile
up. Scripts of different groups have different queues and do not wait for each other.
"""

import errno
import os
import shlex
import signal
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from carpool.node.log import Level, Log
from carpool.node.loop import Loop, Timer
from carpool.node.spawn import spawn

_GRACE = 2_000_000_000  # ns from SIGTERM to SIGKILL, and from there to giving up
_CHUNK = 65536  # bytes read per round of the loop: what a pipe holds
_MOST_BYTES = 16384  # of one script's output that are logged
_MOST_LINES = 100
_LONGEST_LINE = 1000  # bytes
_MOST_LINGERING = 4  # pipes held open by what ended scripts left behind in the background

_MENDS = {
    errno.ENOENT: "check the path, and the program that its first line names",
    errno.EACCES: "if it is the right file, make it executable: chmod +x",
    errno.ENOEXEC: "its first line must name what runs it, such as #!/bin/sh",
}


@dataclass(frozen=True, slots=True)
class Hook:
    """One script to run. Nothing goes through a shell and PATH is not searched."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    """Added to the daemon's own environment."""
    label: str
    """What the log calls it, such as "web: up script"."""
    kind: str = "script"
    """Of the events that tell of it."""
    group: str | None = None
    """The group it runs for."""


class Outcome(Enum):
    """How a hook ended."""

    EXITED = "exited"
    TIMED_OUT = "timed out"
    NOT_STARTED = "not started"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class HookResult:
    """What became of a hook."""

    hook: Hook
    outcome: Outcome
    exit_code: int | None = None
    """Of a script that exited; minus the signal if one killed it."""
    duration_ns: int = 0

    @property
    def ok(self) -> bool:
        """Whether the script ran and exited with 0."""
        return self.outcome is Outcome.EXITED and self.exit_code == 0


Done = Callable[[HookResult], None]


class HookQueue:
    """The scripts of one group, one at a time."""

    def __init__(
        self, loop: Loop, log: Log, timeout_ns: int, *, lingering: int = _MOST_LINGERING
    ) -> None:
        """Give each script `timeout_ns` nanoseconds before it is ended.

        Of `lingering` ended ones the pipes may be open in the background.
        """
        self._most_lingering = lingering
        self._loop = loop
        self._log = log
        self._timeout = timeout_ns
        self._running: _Run | None = None
        self._pending: tuple[Hook, Done | None] | None = None
        self._drained: list[Callable[[], None]] = []
        self._outputs: deque[_Output] = deque()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self._running is None

    @property
    def running(self) -> tuple[str, int] | None:
        """The label of the script that runs, and when it was started (ns)."""
        return (self._running.hook.label, self._running.started) if self._running else None

    def submit(self, hook: Hook, done: Done | None = None) -> None:
        """Run `hook` once the running one has ended, in place of any that waits already.

        `done` is called from the loop, never from in here, whatever happens. Never raises for a
        script that is missing, broken or slow: that is a result, and a line in the log.
        """
        if self._running is None:
            self._start(hook, done)
            return
        if self._pending:
            self._supersede(*self._pending)
        self._pending = (hook, done)

    def drain(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, from the loop, when the queue is idle."""
        if self.idle:
            self._loop.call_at(self._loop.now(), callback)
        else:
            self._drained.append(callback)

    @property
    def open_outputs(self) -> list[tuple[str, int]]:
        """What is still read of ended scripts: what the log calls it, and the descriptor."""
        return [(output.label, output.fd) for output in self._outputs if not output.closed]

    def adopt_output(self, label: str, fd: int) -> None:
        """Read from a pipe that an ended script has left to something in the background."""
        self._outputs.append(_Output(self._loop, self._log, label, fd))

    def close(self) -> None:
        """Stop listening to what ended scripts left running in the background."""
        while self._outputs:
            self._outputs.popleft().close()

    def _supersede(self, hook: Hook, done: Done | None) -> None:
        text = "not run, a newer one takes its place"
        _happened(self._log, Level.NOTICE, hook, text, outcome="superseded")
        if done:
            self._loop.call_at(self._loop.now(), lambda: done(HookResult(hook, Outcome.SUPERSEDED)))

    def _start(self, hook: Hook, done: Done | None) -> None:
        text = f"running {shlex.join(hook.argv)}"
        _happened(self._log, Level.INFO, hook, text, outcome=None)
        self._running = run = _Run(self._loop, self._log, hook, lambda r: self._ended(r, done))
        output = run.start(self._timeout)
        if output:
            self._outputs = deque(known for known in self._outputs if not known.closed)
            self._outputs.append(output)
            if len(self._outputs) > self._most_lingering:
                self._outputs.popleft().close()

    def _ended(self, result: HookResult, done: Done | None) -> None:
        self._running = None
        pending, self._pending = self._pending, None
        if pending:
            self._start(*pending)
        if done:
            done(result)
        if self.idle:
            waiting, self._drained = self._drained, []
            for callback in waiting:
                callback()


def _happened(log: Log, level: Level, hook: Hook, text: str, **details: Any) -> None:
    log.happened(
        hook.kind,
        level,
        f"{hook.label}: {text}",
        group=hook.group,
        details={"script": hook.label.removeprefix(f"{hook.group}: "), **details},
    )


class _Run:
    """One script from its start to its end."""

    def __init__(self, loop: Loop, log: Log, hook: Hook, ended: Done) -> None:
        self._loop = loop
        self._log = log
        self.hook = hook
        self._ended = ended
        self.started = loop.now()
        self._timed_out = False
        self._over = False
        self._pid = 0
        self._timer: Timer | None = None
        self._output: _Output | None = None

    def start(self, timeout_ns: int) -> "_Output | None":
        try:
            self._pid, reader = spawn(self.hook.argv, self.hook.environment)
        except OSError as error:
            mend = _MENDS.get(error.errno or 0)
            self._not_started(f"{error.strerror} ({mend})" if mend else f"{error.strerror}")
            return None
        except ValueError as error:  # a zero byte in an argument or in the environment
            self._not_started(str(error))
            return None
        self._output = _Output(self._loop, self._log, self.hook.label, reader)
        self._loop.on_child(self._pid, self._exited)
        self._timer = self._loop.call_at(self.started + timeout_ns, self._terminate)
        return self._output

    def _not_started(self, reason: str) -> None:
        text = f"cannot run {self.hook.argv[0]}: {reason}"
        _happened(self._log, Level.ERROR, self.hook, text, outcome="not started", problem=reason)
        self._loop.call_at(self.started, lambda: self._end(Outcome.NOT_STARTED))

    def _terminate(self) -> None:
        self._timed_out = True
        seconds = (self._loop.now() - self.started) / 1e9
        text = f"still running after {seconds:.1f} s, ending it"
        _happened(self._log, Level.ERROR, self.hook, text, outcome="timed out", seconds=seconds)
        self._kill(signal.SIGTERM)
        self._timer = self._loop.call_at(self._loop.now() + _GRACE, self._kill_for_good)

    def _kill_for_good(self) -> None:
        self._kill(signal.SIGKILL)
        self._timer = self._loop.call_at(self._loop.now() + _GRACE, self._give_up)

    def _give_up(self) -> None:
        # Asleep in the kernel, on a dead file server for example. The next script cannot wait.
        self._log.error(f"{self.hook.label}: process {self._pid} cannot be killed, going on")
        self._end(Outcome.TIMED_OUT)

    def _kill(self, signum: int) -> None:
        with suppress(ProcessLookupError):
            try:
                os.killpg(self._pid, signum)
            except PermissionError:
                self._log.error(f"{self.hook.label}: not allowed to end process {self._pid}")

    def _exited(self, code: int) -> None:
        if self._over:
            return
        if self._output:
            self._output.finish()
        if self._timed_out:
            self._kill(signal.SIGKILL)  # what it started must not act behind the next script
            self._end(Outcome.TIMED_OUT)
            return
        duration = (self._loop.now() - self.started) / 1e9
        if code == 0:
            level, text = Level.INFO, f"done in {duration:.3f} s"
        else:
            how = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
            level, text = Level.WARNING, f"{how} after {duration:.3f} s"
        told = {"outcome": "exited", "exit_code": code, "seconds": duration}
        _happened(self._log, level, self.hook, text, **told)
        self._end(Outcome.EXITED, code)

    def _end(self, outcome: Outcome, code: int | None = None) -> None:
        self._over = True
        if self._timer:
            self._timer.cancel()
        self._ended(HookResult(self.hook, outcome, code, self._loop.now() - self.started))


class _Output:
    """What a script prints, logged line by line up to a limit, and read to its end."""

    def __init__(self, loop: Loop, log: Log, label: str, fd: int) -> None:
        self._loop = loop
        self._log = log
        self.label = label
        self.fd = fd
        self._partial = b""
        self._bytes_left = _MOST_BYTES
        self._lines_left = _MOST_LINES
        self._muted = False
        self.closed = False
        loop.watch(fd, self._read)

    def finish(self) -> None:
        """Log what is there now that the script has ended.

        What the script left running keeps its end of the pipe, and would die of SIGPIPE if this
        end were closed. So the rest is read when it comes, and nobody waits for it.
        """
        if not self.closed:
            self._read()
        self._line(self._partial)
        self._partial = b""

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._loop.unwatch(self.fd)
            os.close(self.fd)

    def _read(self) -> None:
        try:
            data = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._partial) > _LONGEST_LINE:
            self._line(self._partial)
            self._partial = b""

    def _line(self, line: bytes) -> None:
        if not line or self._muted:
            return
        line = line[:_LONGEST_LINE]
        self._lines_left -= 1
        self._bytes_left -= len(line)
        if self._lines_left < 0 or self._bytes_left < 0:
            self._muted = True
            self._log.info(f"{self.label}: its further output is not logged")
            return
        self._log.info(f"{self.label}: | {line.decode(errors='backslashreplace')}")
