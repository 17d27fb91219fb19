"""How late this machine wakes a process that sleeps for a millisecond: what any timer here adds."""

import statistics
import time
from dataclasses import dataclass

_SLEEP = 0.001  # seconds


@dataclass(frozen=True, slots=True)
class Noise:
    """Delays of wake-ups, in ms."""

    median: float
    p99: float
    most: float


def listen(seconds: float = 0.3) -> Noise:
    """Sleep again and again for so long, and return how late it was each time."""
    delays: list[float] = []
    end = time.monotonic() + seconds
    while (before := time.monotonic()) < end:
        time.sleep(_SLEEP)
        delays.append((time.monotonic() - before - _SLEEP) * 1000)
    return of(delays)


def of(delays: list[float]) -> Noise:
    """Return the summary of delays (ms); at least one."""
    ranked = sorted(delays)
    p99 = ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)]
    return Noise(statistics.median(ranked), p99, ranked[-1])
