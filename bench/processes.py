"""What processes cost: time on the processor, and memory."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


def cpu_seconds(processes: Sequence[int]) -> float:
    """Return user and system time of all threads of these processes together.

    From the scheduler, to the nanosecond: the fields of /proc/PID/stat count in 10 ms.
    """
    total = 0
    for pid in processes:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def pss_mib(processes: Sequence[int]) -> float:
    """Return the proportional set sizes (PSS) of these processes together, in MiB."""
    total = 0
    for pid in processes:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(rollup.partition("Pss:")[2].split()[0])
    return total / 1024


def rss_mib(processes: Sequence[int]) -> float:
    """Return the resident memory of these processes together, in MiB: shared pages many times."""
    total = 0
    for pid in processes:
        status = Path(f"/proc/{pid}/status").read_text()
        total += int(status.partition("VmRSS:")[2].split()[0])
    return total / 1024


@dataclass(frozen=True, slots=True)
class Use:
    """What processes use over a while: percent of one core."""

    processes: Sequence[int]
    before: float
    began: float

    @classmethod
    def begin(cls, processes: Sequence[int]) -> "Use":
        """From now on."""
        return cls(processes, cpu_seconds(processes), time.monotonic())

    def percent(self) -> float:
        """Return the share of one core until now, in percent."""
        took = time.monotonic() - self.began
        return (cpu_seconds(self.processes) - self.before) / took * 100
