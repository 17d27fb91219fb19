"""When in its interval a virtual host advertises, where one process has many of them.

Each by itself, they would wake the process as often as there are virtual hosts. So they are spread
over slots of the interval, and those of one slot advertise together.
"""

from dataclasses import dataclass

BUNCH = 256
"""Advertisements that leave together at most: 18 KiB, within some ten milliseconds.

To be woken costs a process in Python as much as 20 to 50 advertisements (its code and data are no
longer in the processor's caches): 255 in bunches of 32 took 1.5 % of a core, of 128 0.9 %, and all
together no less. But all vhids of a network that are advertised together are also missed together:
where bunches are apart, the last address moves so much later than the first.
"""


@dataclass(frozen=True, slots=True)
class Phase:
    """Slot number `slot` of `slots`, counted in each interval from `origin` (ns) on."""

    origin: int
    slot: int
    slots: int

    def last(self, instant: int, interval: int) -> int:
        """Return the last of its instants that is not after `instant`, one each `interval` (ns)."""
        first = self.origin + interval * self.slot // self.slots
        return instant - (instant - first) % interval


def phases(count: int, origin: int) -> list[Phase]:
    """Return the phases of `count` virtual hosts, in at most as many slots as it takes.

    Neighbours share a slot: they are likely to be heard by one socket. There each comes a
    nanosecond after the one before it, so that a bunch always has their order, and so has the
    other node's takeover when this one dies.
    """
    slots = -(-count // BUNCH)
    return [Phase(origin + number, number * slots // count, slots) for number in range(count)]
