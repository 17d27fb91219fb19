"""One try to tell somebody, in a child process: nothing that happens there holds up the loop.

The child gets its job, with the secret, on its standard input: no other process sees that, as it
would see arguments and, as the same user, the environment.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import carpool
from carpool.carp.timing import SECOND
from carpool.node.spawn import spawn
from carpool.notify.job import DELIVERED, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from carpool.node.loop import Loop
    from carpool.notify.job import Job

_GRACE = SECOND
"""After its time, within which the child itself tells what it was waiting for."""
_CHUNK = 65536
_MOST_SAID = 4096  # bytes
_LONGEST_REASON = 300  # characters
_CODE = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from carpool.notify.child import main; sys.exit(main())"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try has ended."""

    ok: bool
    said: str
    """Who has taken it, or why nobody has."""
    lasting: bool = False
    """Whether trying again is of no use."""
    duration_ns: int = 0


class Delivery:
    """A child at work."""

    def __init__(self, loop: Loop, job: Job, done: Callable[[Outcome], None]) -> None:
        """Start it; `done` is called from the loop, whatever happens."""
        self._loop = loop
        self._job = job
        self._done = done
        self._started = loop.now()
        self._said = b""
        self._late = False
        self._unread = job.to_json()
        self._writer = self._reader = -1
        self.pid: int | None = None
        """The child's, until it has ended."""
        try:
            self._spawn()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            outcome = Outcome(ok=False, said=f"no process can be started: {reason}")
            loop.call_at(self._started, lambda: done(outcome))
            return
        limit = self._started + round(job.timeout * SECOND) + _GRACE
        self._timer = loop.call_at(limit, self._expire)

    def _spawn(self) -> None:
        stdin, self._writer = os.pipe()
        try:
            os.set_blocking(self._writer, False)
            self.pid, self._reader = spawn(command(self._job), {}, stdin)
        except BaseException:
            os.close(self._writer)
            raise
        finally:
            os.close(stdin)
        self._loop.watch(self._writer, self._write, for_writing=True)
        self._loop.watch(self._reader, self._read)
        self._loop.on_child(self.pid, self._exited)

    def _write(self) -> None:
        try:
            self._unread = self._unread[os.write(self._writer, self._unread) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unread = b""  # How it ends will tell.
        if not self._unread:
            self._close_writer()

    def _read(self) -> None:
        if self._reader < 0:
            return
        with suppress(BlockingIOError):
            data = os.read(self._reader, _CHUNK)
            self._said = (self._said + data)[:_MOST_SAID]
            if not data:
                self._close_reader()

    def abandon(self) -> None:
        """End the child now."""
        if self.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _expire(self) -> None:
        self._late = True
        self.abandon()

    def _exited(self, code: int) -> None:
        self._read()
        self._close_reader()
        self._close_writer()
        self._timer.cancel()
        self.pid = None
        lines = [line.strip() for line in self._said.decode(errors="replace").splitlines()]
        said = next(filter(None, reversed(lines)), "")  # A traceback has its reason at the end.
        if self._late:
            said = f"not done after {self._job.timeout:g} s"
        elif code < 0:
            said = f"killed by signal {-code}"
        elif not said:
            said = f"exit code {code}"
        took = self._loop.now() - self._started
        ok, lasting = code == DELIVERED, code == REFUSED
        self._done(Outcome(ok, said[:_LONGEST_REASON], lasting, took))

    def _close_reader(self) -> None:
        if self._reader >= 0:
            self._loop.unwatch(self._reader)
            os.close(self._reader)
            self._reader = -1

    def _close_writer(self) -> None:
        if self._writer >= 0:
            self._loop.unwatch(self._writer)
            os.close(self._writer)
            self._writer = -1


def command(job: Job) -> tuple[str, ...]:
    """Return the words that start the child: this Python, with this carpool, and nothing else."""
    where = str(Path(carpool.__file__).parent.parent)  # a directory, or the archive
    return (sys.executable, "-IS", "-c", _CODE, where, f"carpool notify {job.type}")
