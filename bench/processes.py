"""What processes cost: time on the processor, and memory."""

import time
from collections import defaultdict
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
    return sum(_rollup(pid, "Pss:") for pid in processes) / 1024


def alone_mib(processes: Sequence[int]) -> float:
    """Return what these processes would take if nobody else mapped their files, in MiB.

    Both nodes of a lab and the bench itself run Python from the same files, so that a node's share
    of those, its PSS, is less than on a machine of its own. Here each file counts once, as much of
    it as one process has of it, and the rest is PSS.
    """
    own = sum(_rollup(pid, "Pss_Anon:") + _rollup(pid, "Pss_Shmem:") for pid in processes)
    files: dict[str, int] = {}
    for pid in processes:
        for file, size in file_pages(Path(f"/proc/{pid}/smaps").read_text()).items():
            files[file] = max(files.get(file, 0), size)
    return (own + sum(files.values())) / 1024


def rss_mib(processes: Sequence[int]) -> float:
    """Return the resident memory of these processes together, in MiB: shared pages many times."""
    return sum(_rollup(pid, "Rss:") for pid in processes) / 1024


def _rollup(pid: int, name: str) -> int:
    """Return a sum over all mappings of a process, in KiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.partition(f"\n{name}")[2].split()[0])


def file_pages(smaps: str) -> dict[str, int]:
    """Return how much of each file is in memory and as it is in the file, in KiB."""
    found: defaultdict[str, int] = defaultdict(int)
    file = ""
    for line in smaps.splitlines():
        name, *rest = line.split(maxsplit=5)
        if not name.endswith(":"):  # a mapping: addresses, rights, offset, device, inode, path
            file = rest[4] if len(rest) == 5 and rest[3] != "0" else ""
        elif file and name in {"Rss:", "Anonymous:"}:
            found[file] += int(rest[0]) if name == "Rss:" else -int(rest[0])
    return found


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
