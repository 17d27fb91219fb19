"""What a backup hears once in every interval, for months: the master that it obeys is still there.

Such an advertisement differs from the last one in counter and digest only, and does nothing but
start the master-down timer afresh. Who has seen the whole election walked for one of them can know
that for the next; a test holds the two ways together.
"""

from dataclasses import dataclass

from carpool.carp.election import Event

EVENTS = frozenset({Event.FASTER, Event.LESS_DEMOTED, Event.TIE_LOST, Event.TIE_WON, Event.SLOWER})
"""Those that change nothing of a backup but its wait, and mean the same the next time as long as
neither side changes; SLOWER only where nobody preempts, which hangs on the time."""


@dataclass(frozen=True, slots=True)
class Routine:
    """An advertisement over IPv4 that started the wait of a backup, and will again.

    `source` has 4 bytes; `head` are the 6 bytes of the advertisement before its checksum. The rest
    is in nanoseconds: how long the backup then waits, when it first looks whether it is late
    itself, and the interval that it obeys in the fast profile.
    """

    source: bytes
    head: bytes
    patience: int
    look_after: int
    masters_interval: int
