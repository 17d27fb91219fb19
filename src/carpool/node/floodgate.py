"""Against a flood of what is no advertisement: let the kernel turn most of it away for a while."""

from collections.abc import Callable

from carpool.carp.timing import SECOND
from carpool.carp.wire import Rejection
from carpool.node.loop import Loop

MISFITS = frozenset({Rejection.VRRP, Rejection.VERSION, Rejection.TTL, Rejection.TRUNCATED})
"""Rejections that a socket filter can foresee: the form is not CARP's."""
FLOOD = 500
"""Misfits within a second that are a flood: 255 VRRP groups of our numbers are none."""
CLOSED_FOR = 60 * SECOND


class FloodGate:
    """Counts misfits, and is closed for a minute when they are a flood."""

    def __init__(self, loop: Loop, *, on_change: Callable[[], None]) -> None:
        """Make an open gate; `on_change` is called when it has closed or opened."""
        self.is_closed = False
        self._loop = loop
        self._on_change = on_change
        self._since = 0
        self._count = 0
        self._timer = loop.call_at(loop.now(), self._reopen)
        self._timer.cancel()

    def count(self, rejection: Rejection, now: int) -> None:
        """Take note of what was rejected at the instant `now` (ns)."""
        if rejection not in MISFITS or self.is_closed:
            return
        if now - self._since >= SECOND:
            self._since, self._count = now, 0
        self._count += 1
        if self._count >= FLOOD:
            self.is_closed = True
            self._timer.reschedule(now + CLOSED_FOR)
            self._on_change()

    def _reopen(self) -> None:
        self.is_closed = False
        self._count = 0
        self._on_change()
