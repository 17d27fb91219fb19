"""Runs the system's own commands, such as ifconfig: one at a time, within a time limit.

Unlike a script, a command is ours: it is short, what it prints is read by a program, and one that
hangs is killed at once.
"""

import os
import select
import shlex
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from carpool.node import clock
from carpool.node.loop import Loop, Timer
from carpool.node.spawn import spawn

_LIMIT = 5_000_000_000  # ns that a command may take
_GRACE = 1_000_000_000  # ns that a killed one has to go
_PAUSE_SECONDS = 0.002
_CHUNK = 65536  # bytes read per round of the loop: all that a pipe holds
_MOST_BYTES = 1 << 20  # a listing of some thousand addresses
_MOST_LINES = 3  # of what a command says, in a report of its failure
_ENVIRONMENT = {"LC_ALL": "C"}  # words and digits as the parsers know them
_NO_MORE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended: what it printed, and in one line what went wrong, if anything did."""

    output: str
    problem: str | None
    hung: bool = False
    """Whether it had to be killed."""


Done = Callable[[Result], None]


class Commands:
    """One command at a time, beside the loop or, before the loop runs, waited for."""

    def __init__(
        self, loop: Loop, limit_ns: int = _LIMIT, *, most_bytes: int = _MOST_BYTES
    ) -> None:
        """Kill what takes longer than `limit_ns` nanoseconds; read `most_bytes` of its output."""
        self._loop = loop
        self._limit = limit_ns
        self._most_bytes = most_bytes
        self._running: _Run | None = None

    @property
    def busy(self) -> bool:
        """Whether a command runs."""
        return self._running is not None

    def start(
        self, argv: tuple[str, ...], done: Done, environment: Mapping[str, str] = _NO_MORE
    ) -> None:
        """Start a command, while none runs; call `done` from the loop, whatever happens.

        `environment` is added to that of all commands.
        """
        assert self._running is None

        def ended(result: Result) -> None:
            self._running = None
            done(result)

        run = _Run(self._loop, argv, self._limit, self._most_bytes, ended)
        self._running = run
        run.start(environment)

    def run(self, argv: tuple[str, ...]) -> Result:
        """Run a command and wait for it. Only where nothing else has to be done meanwhile."""
        try:
            pid, reader = spawn(argv, _ENVIRONMENT)
        except (OSError, ValueError) as error:
            return _not_started(argv, error)
        deadline = self._loop.now() + self._limit
        try:
            output = self._read_all(reader, deadline)
            code = _await(pid, deadline)
            if code is None:
                os.killpg(pid, signal.SIGKILL)
                _await(pid, self._loop.now() + _GRACE)
        finally:
            os.close(reader)
        return _result(argv, output, code, self._limit)

    def _read_all(self, reader: int, deadline: int) -> bytes:
        """Read to the end, or to the deadline."""
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        output = b""
        while (left := deadline - self._loop.now()) > 0 and poll.poll(left / 1e6):
            data = os.read(reader, _CHUNK)
            if not data:
                break
            output = (output + data)[: self._most_bytes]
        return output


class _Run:
    """A command beside the loop."""

    def __init__(
        self, loop: Loop, argv: tuple[str, ...], limit: int, most_bytes: int, ended: Done
    ) -> None:
        self._loop = loop
        self._argv = argv
        self._limit = limit
        self._most_bytes = most_bytes
        self._ended = ended
        self._output = b""
        self._over = False

    def start(self, environment: Mapping[str, str]) -> None:
        loop = self._loop
        try:
            self._pid, self._reader = spawn(self._argv, {**_ENVIRONMENT, **environment})
        except (OSError, ValueError) as error:
            result = _not_started(self._argv, error)
            loop.call_at(loop.now(), lambda: self._ended(result))
            return
        loop.watch(self._reader, self._read)
        self._timer: Timer = loop.call_at(loop.now() + self._limit, self._kill)
        self._reading = True
        loop.on_child(self._pid, self._exited)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._reader, _CHUNK)
            self._output = (self._output + data)[: self._most_bytes]
            if not data:
                self._close()

    def _close(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.unwatch(self._reader)
            os.close(self._reader)

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        # Asleep in the kernel it does not even die; what comes next cannot wait for it.
        self._timer = self._loop.call_at(self._loop.now() + _GRACE, lambda: self._finish(None))

    def _exited(self, code: int) -> None:
        if self._over:
            return
        if self._reading:
            self._read()
        self._finish(None if code == -signal.SIGKILL else code)

    def _finish(self, code: int | None) -> None:
        self._over = True
        self._close()
        self._timer.cancel()
        self._ended(_result(self._argv, self._output, code, self._limit))


def _await(pid: int, deadline: int) -> int | None:
    """Return the exit code of a child, None if it has not ended by then."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if clock.now() >= deadline:
            return None
        time.sleep(_PAUSE_SECONDS)


def _result(argv: tuple[str, ...], output: bytes, code: int | None, limit: int) -> Result:
    text = output.decode(errors="replace")
    if code == 0:
        return Result(text, None)
    if code is None:
        problem = f"`{shlex.join(argv)}` did not end within {limit / 1e9:g} s"
        return Result(text, problem, hung=True)
    # What went wrong is among the first lines: standard error is not buffered, output is.
    said = [line.strip() for line in text.splitlines() if line.strip()][:_MOST_LINES]
    said = said or [f"exit code {code}" if code > 0 else f"signal {-code}"]
    return Result(text, f"`{shlex.join(argv)}` failed: {'; '.join(said)}")


def _not_started(argv: tuple[str, ...], error: OSError | ValueError) -> Result:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return Result("", f"cannot run {argv[0]}: {reason}")
