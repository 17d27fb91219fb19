"""Counters for a virtual host of this node."""

import secrets
import time

from carpool.carp.counters import Counters
from carpool.carp.virtualhost import Settings


def new_counters(settings: Settings, now: int) -> Counters:
    """Return counters that begin at the date of today; `now` is the loop's, in nanoseconds.

    This is the one look at the wall clock: a step of it while the daemon runs changes nothing.
    """
    wall = time.time_ns() - now
    return Counters(settings.replay, wall=wall, seed=secrets.randbits(64))
