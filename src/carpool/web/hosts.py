"""Daemons on other hosts, asked by `carpool` there, as the system's own `ssh` gets to them."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from signal import SIGKILL, SIGTERM
from threading import Lock, Timer
from typing import Final

from carpool.deploy.ssh import Access, Output
from carpool.web.commands import CommandSource, until_input_ends
from carpool.web.sources import SourceError

PATIENCE: Final = 20.0
"""Seconds for an answer, the connection included."""

_SSH: Final = (
    "ssh",
    "-T",
    "-o",
    "BatchMode=yes",  # nobody is there to answer a question
    "-o",
    "ConnectTimeout=10",
    "-o",
    "ServerAliveInterval=15",
)
_END_SECONDS: Final = 2.0
_MOST_OUTPUT: Final = 16 << 20  # bytes
_MOST_COMPLAINTS: Final = 65536  # bytes
_LONGEST_LINE: Final = 1 << 20  # bytes


class HostSource(CommandSource):
    """A daemon on another host."""

    def __init__(
        self, node: str, destination: str, *, named: bool, access: Access | None = None
    ) -> None:
        """`named`: a daemon of this name is meant, and not whichever runs there."""
        super().__init__(node, f"ssh {destination}")
        self._ssh = [*_SSH, *(access or Access()).words(), "--", destination]
        self._options = ["--node", node] if named else []
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False
        self._lock = Lock()

    def close(self) -> None:
        """End what runs; see Source."""
        with self._lock:
            self._closed = True
            for process in self._running:
                _signal(process, SIGTERM)

    def _run(self, *words: str) -> Output:
        with self._started(self._command(*words), subprocess.DEVNULL, subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            late = Timer(PATIENCE, _signal, (process, SIGKILL))
            late.start()
            try:
                out = process.stdout.read(_MOST_OUTPUT)
                err = process.stderr.read(_MOST_COMPLAINTS)
                code = process.wait()
            finally:
                late.cancel()
        if code == -SIGKILL:
            raise SourceError(f"no answer for {PATIENCE:.0f} s")
        return Output(code, out.decode(errors="replace"), err.decode(errors="replace"))

    def _lines(self, *words: str) -> Iterator[str]:
        script = f"exec sh -c {shlex.quote(until_input_ends(self._command(*words)))}"
        with self._started(script, subprocess.PIPE, subprocess.DEVNULL) as process:
            assert process.stdout is not None
            while line := process.stdout.readline(_LONGEST_LINE):
                yield line.decode(errors="replace")

    def _command(self, command: str, *words: str) -> str:
        return shlex.join(["carpool", command, *self._options, *words])

    @contextmanager
    def _started(self, script: str, stdin: int, stderr: int) -> Iterator[subprocess.Popen[bytes]]:
        """Run a script there, for as long as this lasts."""
        with self._lock:
            if self._closed:
                raise SourceError("the page ends")
            try:
                process = subprocess.Popen(
                    [*self._ssh, script],
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    start_new_session=True,  # so that what it starts, such as a proxy, ends too
                )
            except OSError as error:
                raise SourceError(f"cannot run ssh: {error.strerror}") from None
            self._running.add(process)
        try:
            yield process
        finally:
            _end(process)
            with self._lock:
                self._running.discard(process)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def _end(process: subprocess.Popen[bytes]) -> None:
    _signal(process, SIGTERM)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        _signal(process, SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()
