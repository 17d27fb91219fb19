"""What a hypervisor's commands are made to suffer, for tests: refusals, delays, cut connections.

The lab writes it to a file of the hypervisor's, or of a zone's; the stand-ins read it.
"""

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from carpool.lab.smartos.places import SEEN_CONFIG, STATE

FILE = "faults.json"


class Effect(StrEnum):
    """What happens to a command."""

    REFUSE = "refuse"
    DELAY = "delay"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the commands that begin with `command`: `vmadm create`, or "" for all.

    A refused one says `text` and exits with `code`; a delayed one waits `seconds` first; when one
    is cut, the SSH connections of the hypervisor are, and the command goes on. `times` is how
    often; None is for ever.
    """

    command: str
    effect: Effect
    text: str = ""
    code: int = 1
    seconds: float = 0.0
    times: int | None = None


@contextmanager
def changing(folder: Path) -> Iterator[list[Fault]]:
    """Yield the faults in a folder's file, to be changed, and keep what became of them."""
    with os.fdopen(os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        before = [Fault(**entry) for entry in json.loads(text or "[]")]
        after = list(before)
        yield after
        if after != before:
            file.seek(0)
            file.truncate()
            json.dump([asdict(fault) for fault in after], file)


def meet(words: Sequence[str]) -> int | None:
    """Suffer what is laid out for a command; its exit code if it is refused, else None."""
    folder = STATE if STATE.exists() else SEEN_CONFIG
    if not (folder / FILE).exists():
        return None
    met = []
    with changing(folder) as faults:
        for fault in list(faults):
            wanted = fault.command.split()
            if list(words[: len(wanted)]) != wanted:
                continue
            met.append(fault)
            if fault.times is not None:
                at = faults.index(fault)
                left = replace(fault, times=fault.times - 1)
                faults[at : at + 1] = [left] if left.times else []
    code = None
    for fault in met:
        time.sleep(fault.seconds)
        if fault.effect == Effect.CUT:
            _cut_ssh()
        if fault.effect == Effect.REFUSE:
            print(fault.text, file=sys.stderr)
            code = fault.code
    return code


def _cut_ssh() -> None:
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and (entry / "comm").read_text().startswith("sshd"):
                os.kill(int(entry.name), signal.SIGKILL)
