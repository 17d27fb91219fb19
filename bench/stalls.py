"""How often this machine stands still: not even a process of real-time priority is woken on time.

A sleeper for each processor, which does nothing else. What it is late by no daemon here could have
done anything about: a hypervisor gave the processor to others, or the kernel kept it for itself.
"""

import os
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from typing import Self

_SLEEP = 1_000_000  # ns
_LEAST = 5_000_000  # ns late: what is less no interval minds
_PRIORITY = 20
"""Above the daemons' own (10)."""


class Stalls:
    """Watches each processor until it is closed. A context manager."""

    def __init__(self) -> None:
        """Start the sleepers; nobody is told if they get no real-time priority: `measured`."""
        self._stack = ExitStack()
        self._files = []
        with self._stack:
            for processor in sorted(os.sched_getaffinity(0)):
                file = os.memfd_create("stalls")
                self._stack.callback(os.close, file)
                self._files.append(file)
                program = [sys.executable, "-P", __file__, str(processor), str(file)]
                sleeper = subprocess.Popen(program, pass_fds=[file])
                self._stack.callback(sleeper.wait)
                self._stack.callback(sleeper.kill)
            self._stack = self._stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def longer_than(self, milliseconds: float) -> list[float]:
        """Return the stalls of any processor (ms) that took longer than that, 5 ms at least."""
        found: list[float] = []
        for file in self._files:
            lines = os.pread(file, os.fstat(file).st_size, 0).split()
            found.extend(late for line in lines if (late := float(line)) > milliseconds)
        return found


def _sleep_on(processor: int, file: int) -> None:
    os.sched_setaffinity(0, {processor})
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    while True:
        due = time.monotonic_ns() + _SLEEP
        time.sleep(_SLEEP / 1e9)
        late = time.monotonic_ns() - due
        if late >= _LEAST:
            os.write(file, b"%.3f\n" % (late / 1e6))


if __name__ == "__main__":
    _sleep_on(*map(int, sys.argv[1:]))
