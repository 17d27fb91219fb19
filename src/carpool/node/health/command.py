"""Checks by a program: exit code 0 is good. Also a look at a file, which may take its time."""

import os
import shlex
import signal
from collections.abc import Mapping
from contextlib import suppress

from carpool.node.health.probe import Done
from carpool.node.health.settings import File
from carpool.node.loop import Loop
from carpool.node.spawn import spawn

_CHUNK = 65536  # bytes read per round of the loop: what a pipe holds
_KEPT = 4096  # bytes of what it prints
_LONGEST_REASON = 200  # characters

# ls looks at the link itself, and says which of the two: not there, or not to be seen.
_ABSENT = """\
said=$(LC_ALL=C ls -d -- "$1" 2>&1) && { printf '%s exists\\n' "$1"; exit 1; }
case $said in *'No such file'*|*'Not a directory'*) exit 0;; esac
printf '%s\\n' "$said"; exit 1"""
_PRESENT = """\
LC_ALL=C ls -d -- "$1" >/dev/null"""
_CONTAINS = """\
LC_ALL=C ls -d -- "$1" >/dev/null || exit 1
[ -r "$1" ] || { printf '%s cannot be read\\n' "$1"; exit 1; }
case $(dd if="$1" bs=65536 count=1 2>/dev/null) in *"$2"*) exit 0;; esac
printf '%s does not contain the text\\n' "$1"; exit 1"""


class CommandProbe:
    """Runs a program; its first line of output says what is wrong.

    The program has a process group of its own, which is killed when its time is over, and also
    when it ends and leaves something behind. A program that asks for a session of its own
    (setsid) escapes.
    """

    def __init__(self, loop: Loop, argv: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """`environment` is added to our own."""
        self._loop = loop
        self._argv = argv
        self._environment = environment
        self.pid: int | None = None
        """The program's, until it has ended."""
        self._reader: int | None = None
        self._output = b""
        self._done: Done | None = None

    def start(self, done: Done) -> None:
        """Run the program."""
        if self.pid is not None:
            # Asleep in the kernel, on a dead file server for example: no second one beside it.
            done(f"process {self.pid} of an earlier check cannot be killed")
            return
        try:
            self.pid, self._reader = spawn(self._argv, self._environment)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            done(f"cannot run {self._argv[0]}: {reason}")
            return
        self._done = done
        self._output = b""
        self._loop.watch(self._reader, self._read)
        self._loop.on_child(self.pid, self._exited)

    def cancel(self) -> None:
        """Kill the program and what it started."""
        self._done = None
        self._kill()
        self._close()

    def close(self) -> None:
        """Kill it if it runs."""
        self.cancel()

    def _read(self) -> None:
        if self._reader is None:
            return
        with suppress(BlockingIOError):
            data = os.read(self._reader, _CHUNK)
            self._output = (self._output + data)[:_KEPT]
            if not data:
                self._close()

    def _exited(self, code: int) -> None:
        self._kill()
        self._read()
        self._close()
        self.pid = None
        done, self._done = self._done, None
        if done is not None:
            done(self._problem(code))

    def _problem(self, code: int) -> str | None:
        if code == 0:
            return None
        how = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
        lines = self._output.decode(errors="replace").splitlines()
        said = next((line.strip() for line in lines if line.strip()), "")
        if not said:
            return f"{how} of {shlex.join(self._argv)}"[:_LONGEST_REASON]
        return f"{said[:_LONGEST_REASON]} ({how})"

    def _kill(self) -> None:
        if self.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _close(self) -> None:
        if self._reader is not None:
            self._loop.unwatch(self._reader)
            os.close(self._reader)
            self._reader = None


def file_argv(file: File) -> tuple[str, ...]:
    """Return the program that looks at a file.

    Not we ourselves: on a file server that is gone, whoever looks is stuck.
    """
    if file.text is not None:
        return ("/bin/sh", "-c", _CONTAINS, "sh", file.path, file.text)
    return ("/bin/sh", "-c", _PRESENT if file.present else _ABSENT, "sh", file.path)
