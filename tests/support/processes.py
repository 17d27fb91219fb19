"""Programs under test that start programs: knowing them all, to see that none is left."""

import os
import subprocess
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.waiting import PATIENCE, until


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

    def await_program(self, *arguments: str, seconds: float = PATIENCE) -> None:
        """Wait until a member runs that command line."""
        wanted = "\0".join([*arguments, ""]).encode()
        until(lambda: wanted in map(_command_line, self.alive()), f"{arguments} runs", seconds)

    def all_gone(self, seconds: float = PATIENCE) -> None:
        """Wait until no member lives, nor any process in one of their namespaces."""

        def left() -> tuple[list[int], list[str]]:
            return self.alive(), _inhabitants(self.namespaces)

        until(lambda: not any(left()), left, seconds)


def state(pid: int) -> str:
    """Return the state of a process, a letter of proc_pid_stat(5); nothing if there is none."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def is_alive(pid: int) -> bool:
    """Tell whether a process has not ended, be it only that nobody has taken note of it."""
    return state(pid) not in {"", "Z", "X"}


def states_of_children(pid: int) -> list[str]:
    """Return the states of the children of a process: Z for one that nobody has waited for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid:
            found.append(state)
    return found


def open_descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def memory_kib(pid: int) -> int:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


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
