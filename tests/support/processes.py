"""Programs under test that start programs: knowing them all, to see that none is left."""

import os
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any


class Family:
    """A program and all that it starts, known by a mark in their environment."""

    def __init__(self) -> None:
        self._mark = f"CARPOOL_TEST_FAMILY={uuid.uuid4()}"
        self.namespaces: set[int] = set()
        """Inodes of the network namespaces that any of them was seen in, but for ours."""

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment that makes a program one of the family."""
        name, _, value = self._mark.partition("=")
        return {**os.environ, name: value, **more}

    def popen(self, arguments: list[str], **options: Any) -> "subprocess.Popen[str]":
        """Start a member."""
        return subprocess.Popen(arguments, env=self.environment(), text=True, **options)

    def alive(self) -> list[int]:
        """Return the ids of all members, and take note of their namespaces."""
        found = []
        own = Path("/proc/self/ns/net").stat().st_ino
        for entry in Path("/proc").iterdir():
            with suppress(OSError):  # it has ended, or is of someone else
                if entry.name.isdecimal() and self._mark.encode() in _environment(entry):
                    found.append(int(entry.name))
                    self.namespaces |= {(entry / "ns/net").stat().st_ino} - {own}
        return found

    def await_program(self, *arguments: str, seconds: float = 10) -> None:
        """Wait until a member runs that command line."""
        wanted = "\0".join([*arguments, ""]).encode()
        deadline = time.monotonic() + seconds
        while wanted not in map(_command_line, self.alive()):
            assert time.monotonic() < deadline, f"nobody runs {arguments}"
            time.sleep(0.02)

    def all_gone(self, seconds: float = 30) -> None:
        """Wait until no member lives, nor any process in one of their namespaces."""
        deadline = time.monotonic() + seconds
        while self.alive() or _inhabitants(self.namespaces):
            assert time.monotonic() < deadline, (self.alive(), _inhabitants(self.namespaces))
            time.sleep(0.02)


def _environment(process: Path) -> list[bytes]:
    return (process / "environ").read_bytes().split(b"\0")


def _command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _inhabitants(namespaces: set[int]) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and (entry / "ns/net").stat().st_ino in namespaces:
                found.append(entry.name)
    return found
