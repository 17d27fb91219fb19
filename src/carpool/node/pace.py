"""Which interval a group of the fast profile keeps: the configured one, or what the machine can.

Three bad seconds of ten double it, or one wake-up so late that a backup has taken over by then; a
calm minute halves it again, and after each doubling the calm has to last twice as long. Pure.
"""

from collections import deque

from carpool.carp.timing import interval
from carpool.node.lateness import Window

_SLOWEST = 255
_BAD = 3
_OF = 10
_CALM = 60
_MOST_CALM = 3600


class Pace:
    """The advskew (1/256 s) that a group of the fast profile advertises with."""

    def __init__(self, advskew: int, dead_ratio: int) -> None:
        """Begin with what is configured."""
        self.configured = advskew
        self.advskew = advskew
        self._dead_ratio = dead_ratio
        self._bad: deque[bool] = deque(maxlen=_OF)
        self._calm = 0
        self._calm_wanted = _CALM

    def saved(self) -> tuple[int, int]:
        """Return what `resume` needs."""
        return self.advskew, self._calm_wanted

    def resume(self, advskew: int, calm_wanted: int) -> bool:
        """Go on as it was in the program before this one. Tell if that is a longer interval."""
        self.advskew = min(max(self.configured, advskew), _SLOWEST)
        self._calm_wanted = min(max(_CALM, calm_wanted), _MOST_CALM)
        return self.advskew != self.configured

    def begin(self, probe: Window) -> bool:
        """Take the shortest interval, not below the configured, that holds. Tell if it is longer.

        `probe`: what was measured before the start.
        """
        while self.advskew < _SLOWEST and not self._holds(probe, self.advskew):
            self.advskew = min(2 * self.advskew, _SLOWEST)
        return self.advskew != self.configured

    def after(self, window: Window) -> bool:
        """Draw conclusions from a second that has passed. Tell whether the advskew is another."""
        self._bad.append(not self._holds(window, self.advskew))
        lower = max(self.configured, self.advskew // 2)
        self._calm = self._calm + 1 if self._holds(window, lower) else 0
        # Its backups have counted since the advertisement before.
        lost = window.worst >= max(1, self._dead_ratio - 1) * interval(0, self.advskew)
        if (lost or sum(self._bad) >= _BAD) and self.advskew < _SLOWEST:
            self._change(min(2 * self.advskew, _SLOWEST))
            self._calm_wanted = min(2 * self._calm_wanted, _MOST_CALM)
            return True
        if lower < self.advskew and self._calm >= self._calm_wanted:
            self._change(lower)
            return True
        return False

    def _holds(self, window: Window, advskew: int) -> bool:
        return window.holds(interval(0, advskew), self._dead_ratio)

    def _change(self, advskew: int) -> None:
        self.advskew = advskew
        self._bad.clear()
        self._calm = 0
