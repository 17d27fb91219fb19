"""A program on a terminal of its own, as a person would use it."""

import os
import pty
import select
import subprocess
import sys
import time
from typing import Self

from tests.support.processes import Family
from tests.support.waiting import PATIENCE


class Terminal:
    """Runs a program on a pseudo-terminal. A context manager that leaves no process behind."""

    def __init__(self, family: Family, arguments: list[str], **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        # The session leader opens its controlling terminal by name: setsid(2), tty_ioctl(4).
        name = os.ttyname(theirs)
        start = (
            "import os, sys\n"
            "fd = os.open(sys.argv[1], os.O_RDWR)\n"
            "for n in (0, 1, 2): os.dup2(fd, n)\n"
            "os.execvp(sys.argv[2], sys.argv[2:])\n"
        )
        setting = family.environment(TERM="xterm", COLUMNS="80", LINES="24", **environment)
        setting.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, name, *arguments],
            env=setting,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        self._theirs = theirs
        self.text = ""
        """All that it has written."""
        self._read_until = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self._ours)
        os.close(self._theirs)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def expect(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until it writes `text`, after what was expected before."""
        deadline = time.monotonic() + seconds
        while (at := self.text.find(text, self._read_until)) < 0:
            assert time.monotonic() < deadline, f"no {text!r} in: {self.text}"
            self.read(0.05)
            if self.process.poll() is not None and not self.read(0):
                assert text in self.text[self._read_until :], f"no {text!r} in: {self.text}"
        self._read_until = at + len(text)

    def wait(self, seconds: float) -> int:
        """Wait until it has ended, and return its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it goes on: {self.text}"
            self.read(0.05)
        while self.read(0):
            pass
        return self.process.returncode

    def read(self, seconds: float) -> bool:
        """Take what it writes within that time. Tell whether it wrote anything."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        self.text += os.read(self._ours, 65536).decode(errors="replace")
        return True
