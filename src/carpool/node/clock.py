"""The daemon's clock: it never steps, and it goes on while the machine sleeps.

CLOCK_MONOTONIC of Linux and OpenBSD stands still in a suspended machine, and a master that was
suspended would believe itself on time while another has long taken over. CLOCK_BOOTTIME counts the
sleep (clock_gettime(2)). Where there is none, the monotonic clock serves. A virtual machine that is
stopped from outside may have no clock that tells.
"""

import time

_AWAKE = time.CLOCK_MONOTONIC
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", _AWAKE)
_TOGETHER = 1_000_000  # ns between two readings that count as one
_TRIES = 100  # at two readings that do; a machine that cannot at all must not hang here


def now() -> int:
    """Return the clock's reading, in nanoseconds. The wall clock has no part in it."""
    return time.clock_gettime_ns(_CLOCK)


def awake() -> int:
    """Return the reading of a clock that stands still while the machine sleeps, in nanoseconds."""
    return time.clock_gettime_ns(_AWAKE)


def asleep() -> int:
    """Return for how long the machine has slept since it booted, in nanoseconds."""
    for _ in range(_TRIES):
        before = awake()
        difference = now() - before
        # Whoever is paused between two clocks takes the pause for sleep.
        if awake() - before < _TOGETHER:
            break
    return difference
