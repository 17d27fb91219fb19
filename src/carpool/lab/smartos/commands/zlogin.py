"""zlogin: run a command in a zone."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from carpool.lab.smartos import kernel, machines
from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.stage import CommandError, wait_for, worker

_ENVIRONMENT: Final = {
    "HOME": "/root",
    "LOGNAME": "root",
    "PATH": "/usr/sbin:/usr/bin",
    "SHELL": "/bin/sh",
    "TERM": "dumb",
}


def main(words: Sequence[str]) -> int:
    """Run it, with our standard files, and return its exit code."""
    options, rest = read.options(words, "Qil:CES")
    if not rest:
        raise CommandError("no zone given", read.USAGE)
    uuid, *command = rest
    if options.get("-l", "root") != "root":
        raise CommandError("only root can log in here")
    process = _running(uuid)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        worker(lambda: _inside(process, command))
    return wait_for(child)


def _running(uuid: str) -> int:
    try:
        state = machines.load(uuid)["state"]
    except CommandError:
        raise CommandError(f"zone '{uuid}' unknown") from None
    process = machines.first_process(uuid)
    if process is None:
        shown = "installed" if state == "stopped" else state
        raise CommandError(f"login allowed only to running zones ({uuid} is '{shown}').")
    return process


def _inside(process: int, command: Sequence[str]) -> int:
    kernel.enter(Path(f"/proc/{process}"))
    child = os.fork()
    if child == 0:
        worker(lambda: _execute(command))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _execute(command: Sequence[str]) -> int:
    kernel.hang_up_with_parent()
    os.chdir("/root")
    # The words are joined and read again by a shell, as by ssh.
    words = ["-c", " ".join(command)] if command else []
    return os.execve("/bin/sh", ["/bin/sh", *words], _ENVIRONMENT)  # noqa: S606
