"""Traces that a daemon writes by itself: few files, whole or not there, that only it can read."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from carpool.node.log import Log
from carpool.node.loop import Loop

MOST_FILES = 4
"""Of a node; the oldest goes when there is another."""
SUFFIX = ".trace"


class TraceFiles:
    """The traces of one node in one directory."""

    def __init__(self, directory: Path, node: str, loop: Loop, log: Log) -> None:
        self._directory = directory
        self._node = node
        self._log = log
        self._loop = loop
        self._step = loop.call_at(loop.now(), self._write_on)
        self._step.cancel()
        self._file: _File | None = None
        self._rest: Iterator[bytes] = iter(())
        self._why = ""

    @property
    def busy(self) -> bool:
        """Whether one is being written."""
        return self._file is not None

    def write(self, lines: Iterable[bytes], why: str) -> None:
        """Write a file beside the loop, a line in each of its rounds; while none is written."""
        try:
            self._file = _File(self._directory, self._node)
        except OSError as error:
            self._give_up(error)
            return
        self._rest, self._why = iter(lines), why
        self._write_on()

    def write_at_once(self, lines: Iterable[bytes], why: str) -> None:
        """Write a file and wait for it: there may be no loop any more."""
        self._step.cancel()
        self.write(lines, why)
        while self.busy:
            self._write_on()
        self._step.cancel()

    def _write_on(self) -> None:
        assert self._file is not None
        try:
            line = next(self._rest, None)
            if line is not None:
                self._file.write(line)
                self._step.reschedule(self._loop.now())
                return
            path = self._file.finish()
        except OSError as error:
            self._give_up(error)
            return
        self._file = None
        self._log.notice(f"wrote what led to it into {path}, for carpool replay: {self._why}")
        self._remove_oldest()

    def _give_up(self, error: OSError) -> None:
        if self._file is not None:
            self._file.abandon()
            self._file = None
        self._log.warning(f"cannot write a trace to {self._directory}: {error.strerror}")

    def _remove_oldest(self) -> None:
        with suppress(OSError):
            there = sorted(self._directory.glob(f"{self._node}-*Z{SUFFIX}"))
            for path in there[:-MOST_FILES]:
                path.unlink()


class _File:
    """A file that has its name only when it is whole."""

    def __init__(self, directory: Path, node: str) -> None:
        """Begin one. Raises OSError."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._path = directory / f"{node}-{stamp}{SUFFIX}"
        self._new = directory / f".{node}{SUFFIX}.new"
        self._new.unlink(missing_ok=True)  # one that a killed daemon left
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._new, flags, 0o600)

    def write(self, data: bytes) -> None:
        """Append all of it. Raises OSError."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def finish(self) -> Path:
        """Give the file its name, and return that. Raises OSError."""
        self._new.replace(self._path)
        os.close(self._fd)
        return self._path

    def abandon(self) -> None:
        """Remove what there is of it."""
        with suppress(OSError):
            self._new.unlink()
        os.close(self._fd)
