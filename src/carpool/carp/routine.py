"""What a backup hears once in every interval, for months: the master that it obeys is still there.

Such an advertisement differs from the last one in counter and digest only, and does nothing but
start the master-down timer afresh. Who has seen the whole election walked for one of them can know
that for the next; a test holds the two ways together.
"""

from dataclasses import dataclass

from carpool.carp.election import Event
from carpool.carp.wire import AUTHLEN, VERSION_AND_TYPE, Advertisement

_EVENTS = frozenset({Event.FASTER, Event.LESS_DEMOTED, Event.TIE_LOST, Event.TIE_WON})


@dataclass(frozen=True, slots=True)
class Routine:
    """An advertisement over IPv4 that started the wait of a backup, and will again.

    `source` has 4 bytes; `head` are the 6 bytes of the advertisement before its checksum, and
    `strength` is what it says in them: advbase, advskew and demotion. The rest is in nanoseconds:
    how long the backup then waits, when it first looks whether it is late itself, and the interval
    that it obeys in the fast profile.
    """

    source: bytes
    head: bytes
    strength: tuple[int, int, int]
    patience: int
    look_after: int
    masters_interval: int


def is_routine(event: Event, *, preempt: bool) -> bool:
    """Tell whether an event changes but the wait of a backup, and will as long as neither changes.

    Whether to `preempt` a slower master hangs on the time as well.
    """
    return event in _EVENTS or (event is Event.SLOWER and not preempt)


def head(said: Advertisement) -> bytes:
    """Return what an advertisement begins with: all but its checksum, counter and digest."""
    return bytes((VERSION_AND_TYPE, said.vhid, said.advskew, AUTHLEN, said.demotion, said.advbase))
