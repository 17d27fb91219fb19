"""How long a master without carrier goes on: a link that only blinks costs no takeover.

No backup takes over in that time, for it is less than an interval, and they wait for several. The
master keeps its addresses for a part of it, and puts them on again if the link comes back.
"""

from collections.abc import Callable

from carpool.carp.timing import SECOND
from carpool.node.loop import Loop

LONGEST_BLINK = SECOND // 2
"""How long (ns) at most a master without carrier goes on: half an interval if that is less."""
SHORTEST_BLINK = SECOND // 20
"""How long (ns) at most it keeps its addresses meanwhile: nobody can use them but this host."""


class Blink:
    """The two timers of a link that may come back in a moment."""

    def __init__(self, loop: Loop, *, let_go: Callable[[], None], lost: Callable[[], None]) -> None:
        """`let_go` is called when the addresses are to come off, `lost` when the link has gone."""
        self._loop = loop
        self._let_go = loop.call_at(loop.now(), let_go)
        self._lost = loop.call_at(loop.now(), lost)
        self.end()

    def begin(self, interval: int) -> None:
        """Wait for the link, of a master that advertises every `interval` ns, if not already."""
        if self._lost.when is None:
            now, wait = self._loop.now(), min(interval // 2, LONGEST_BLINK)
            self._lost.reschedule(now + wait)
            self._let_go.reschedule(now + min(wait, SHORTEST_BLINK))

    def end(self) -> None:
        """Wait no longer: the link is back, or known to be gone."""
        self._let_go.cancel()
        self._lost.cancel()
