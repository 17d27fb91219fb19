"""For how long an address may stay after an advertisement: it must not outlive its daemon.

A backup that hears nothing takes over when its patience ends. By then the address must be gone
from a node whose daemon has been frozen or killed, or is stuck: two machines see to that which go
on without the daemon, the kernel of Linux with the lifetime of an address, in whole seconds, and
on every system the guard (`carpool.node.guard`), to the millisecond. Each advertisement gives them
a new term. Pure functions; durations in nanoseconds.
"""

from carpool.carp.timing import SECOND

_KERNEL_LATENESS = SECOND * 7 // 10
"""What a backup's patience must exceed a kernel lifetime by. Linux takes an address off up to 0.3 s
after its lifetime (measured), and the backup needs a moment of its own."""
_KERNEL_SLACK = SECOND // 2
"""What a kernel lifetime must exceed the interval by, for an advertisement that is late."""
RENEW_EVERY = SECOND * 6 // 25
"""The kernel is not told more often than that. A little less than a quarter of a second: at an
interval of just that, chance would decide which advertisement renews, and after one that does not
the addresses of a late daemon stay for a quarter of a second less."""
FAST_LIFETIME = 3
"""Seconds, in the fast profile. The shortest would be far too long for its backups: there the guard
does the work, and the lifetime is for what stops it as well."""
FAST_RENEW_EVERY = SECOND
"""By the guard, because changes of addresses in all network namespaces wait for one lock of the
kernel, sometimes for tens of milliseconds."""
_GUARD_LATENESS = SECOND // 4
"""The most that the guard begins before a backup's patience ends: ifconfig takes some of it."""


def kernel_lifetime(patience: int, interval: int) -> int:
    """Return the lifetime, in whole seconds, that the kernel gets with each advertisement.

    It ends before the shortest `patience` of a backup; or, where whole seconds are too coarse for
    that, as soon after it as the `interval` allows, for then the guard has been quicker.
    """
    before_takeover = (patience - _KERNEL_LATENESS - 1) // SECOND
    beyond_interval = -(-(interval + _KERNEL_SLACK) // SECOND)
    return max(before_takeover, beyond_interval)


def guarded_time(patience: int, interval: int) -> int:
    """Return how long after an advertisement the guard takes the addresses off.

    A quarter of a second before the shortest `patience` of a backup, or a quarter of that patience
    where that is less; but an advertisement half an `interval` late must find its address, even
    where a dead ratio of 1 leaves no room for both.
    """
    return max(patience - min(_GUARD_LATENESS, patience // 4), interval * 3 // 2)
