"""CARP's intervals, in whole nanoseconds.

An advertisement carries its interval as two bytes: ``advbase`` in seconds and ``advskew`` in
1/256 s. One tick of 1/256 s is a whole number of nanoseconds, so every comparison is exact.
"""

SECOND = 1_000_000_000
TICK = SECOND // 256
"""1/256 s, the unit of advskew: 3,906,250 ns, without remainder."""

BOW_OUT_TICKS = 255 * 256 + 255
"""advbase 255 with advskew 255: not an interval but a farewell (OpenBSD carp(4))."""

DEMOTED_ADVSKEW = 240
"""The advskew that a demoted node advertises at least (ucarp, NetBSD: 240/256 s)."""

LONGEST_TURN = 3 * SECOND // 1000
"""What each backup gets, before the next takes over, after a master has left (ns)."""


def ticks(advbase: int, advskew: int) -> int:
    """Return the interval in 1/256 s. 0/0 counts as one tick, as OpenBSD has it."""
    return advbase * 256 + advskew or 1


def interval(advbase: int, advskew: int) -> int:
    """Return the time between two advertisements, in nanoseconds."""
    return ticks(advbase, advskew) * TICK


def nearest_advskew(duration: int) -> int:
    """Return the advskew, 1 to 255, that with advbase 0 comes nearest to an interval (ns)."""
    return max(1, min(255, (duration + TICK // 2) // TICK))


def lapse_time(advbase: int, advskew: int, dead_ratio: int) -> int:
    """Return how long a silent master is believed alive by the fastest backup, in nanoseconds.

    This is the master-down time of a backup with the same advbase and no skew of its own.
    """
    if advbase == 0:
        return dead_ratio * interval(0, advskew)
    return dead_ratio * advbase * SECOND


def master_down_time(advbase: int, advskew: int, dead_ratio: int) -> int:
    """Return how long a backup hears nothing before it takes over, in nanoseconds.

    `dead_ratio` x advbase + advskew/256 s; with advbase 0, `dead_ratio` x advskew/256 s
    (OpenBSD's rule: ucarp waits just one interval there, and flaps).
    """
    if advbase == 0:
        return lapse_time(0, advskew, dead_ratio)
    return lapse_time(advbase, advskew, dead_ratio) + advskew * TICK


def takeover_wait(advskew: int) -> int:
    """Return how long a backup holds its breath after a bow-out, in nanoseconds: 0 to 10 ms.

    Every backup hears the bow-out at the same moment. A hundredth of the skew is enough for the
    fastest one to be heard by the others before they act, so that only one takes over: nodes that
    are 20 apart are 0.8 ms apart here, and a frame takes 0.1 to 0.3 ms.
    """
    return advskew * TICK // 100


def takeover_turn(place: int, own_interval: int) -> int:
    """Return the same for a backup that knows how many come before it: 3 ms for each.

    That is for a frame, and for two hosts that do not act at once; with short intervals it is a
    quarter of one, so that the third in line is not late for its own patience.
    """
    return max(place, 0) * min(LONGEST_TURN, own_interval // 4)
