"""How late this process gets the processor when a timer is due: what a machine can do.

An interval of milliseconds can be held only where a wait ends on time. Lateness is counted by
powers of two in windows of a second, which costs an addition for each wake-up. Pure: whoever
measures tells it. All durations are integer nanoseconds.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from carpool.carp.timing import SECOND

WINDOW = SECOND
_SHIFT = 16  # the first class ends at 2**16 ns
_CLASSES = 16
EDGES = tuple(1 << (_SHIFT + number) for number in range(_CLASSES - 1))
"""Where each class ends, from 65.5 us to 1.07 s; the last has no end."""


@dataclass(slots=True)
class Window:
    """The wake-ups of one window: how many of each class, and the latest."""

    counts: list[int] = field(default_factory=lambda: [0] * _CLASSES)
    worst: int = 0
    busiest: int = 0
    """The latest because of our own work, not because nobody woke us."""

    def note(self, late: int, busy: bool = False) -> None:
        """Count a wake-up that was so late, because of our own work if `busy`."""
        self.counts[min((late >> _SHIFT).bit_length(), _CLASSES - 1)] += 1
        if busy:
            self.busiest = max(self.busiest, late)
        else:
            self.worst = max(self.worst, late)

    @property
    def total(self) -> int:
        """How many wake-ups there were."""
        return sum(self.counts)

    def beyond(self, late: int) -> int:
        """Return how many were later than this, by their classes: those that are so as a whole."""
        return sum(self.counts[(max(late, 1) - 1 >> _SHIFT).bit_length() + 1 :])

    def holds(self, interval: int, dead_ratio: int) -> bool:
        """Tell whether an interval could be held in it.

        Hardly an advertisement was late by half of it, and none by so much that with another
        interval of delay a backup would have lost its patience.
        """
        few = max(1, self.total // 20)
        room = max(1, dead_ratio - 1) * interval
        return max(self.worst, self.busiest) <= room and self.beyond(interval // 2) <= few


class Lateness:
    """The windows of the last minute, and all wake-ups since the start."""

    def __init__(self) -> None:
        self.current = Window()
        self.last: deque[Window] = deque(maxlen=60)
        self.all = Window()

    def note(self, late: int, busy: bool = False) -> None:
        """Count a wake-up that was so late, because of our own work if `busy`."""
        self.current.note(late, busy)

    def roll(self) -> Window:
        """End the current window and return it."""
        ended, self.current = self.current, Window()
        self.last.append(ended)
        self.all = merged((self.all, ended))
        return ended


def merged(windows: Iterable[Window]) -> Window:
    """Return the wake-ups of several windows as one."""
    whole = Window()
    for one in windows:
        whole.counts = [a + b for a, b in zip(whole.counts, one.counts, strict=True)]
        whole.worst = max(whole.worst, one.worst)
        whole.busiest = max(whole.busiest, one.busiest)
    return whole
