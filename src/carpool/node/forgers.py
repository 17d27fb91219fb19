"""Against a flood of forgeries: of a stranger that sends them the kernel shows us only some.

A forgery has all that an advertisement has but the digest, which only we can check: it costs us
microseconds, and room in the socket's buffer, where another node's word may then find none. What
can be told apart in the kernel is who sends it. So a source that floods us is muted for a minute,
but never one that may be a node: one that is configured, or whose advertisement was ever valid.
Of a muted source one packet in `filters.FORGER_SAMPLE` is heard, and if that is valid, all of them
again.

Who forges a node's own address as well is heard in full, up to the budget of a round.
"""

from collections.abc import Callable, Collection

from carpool.carp.timing import SECOND
from carpool.node.loop import Loop

FLOOD = 1000
"""Forgeries of one source within a second that are a flood: 255 nodes with a wrong password are
none."""
MUTED_FOR = 60 * SECOND
MOST_MUTED = 16
_MOST_COUNTED = 1024


class Forgers:
    """The sources of forgeries on one segment, packed IPv4 addresses."""

    def __init__(
        self, loop: Loop, *, may_be_node: Callable[[bytes], bool], on_change: Callable[[], None]
    ) -> None:
        """Mute nobody; `on_change` is called when `muted` has changed."""
        self._loop = loop
        self._may_be_node = may_be_node
        self._on_change = on_change
        self._muted: dict[bytes, int] = {}
        self._counts: dict[bytes, int] = {}
        self._since = 0
        self._timer = loop.call_at(loop.now(), self._hear_again)
        self._timer.cancel()

    @property
    def muted(self) -> Collection[bytes]:
        """Of whom only some packets are to be heard."""
        return self._muted.keys()

    def count(self, source: bytes, now: int) -> None:
        """Take note of a forgery, at the instant `now` (ns)."""
        if now - self._since >= SECOND or len(self._counts) > _MOST_COUNTED:
            self._since = now
            self._counts.clear()
        counted = self._counts[source] = self._counts.get(source, 0) + 1
        if counted == FLOOD:
            self._mute(source, now)

    def hear(self, source: bytes) -> None:
        """Take note of a valid advertisement: whoever sends one is heard."""
        if source in self._muted:
            del self._muted[source]
            self._on_change()

    def _mute(self, source: bytes, now: int) -> None:
        if source in self._muted or len(self._muted) >= MOST_MUTED or self._may_be_node(source):
            return
        self._muted[source] = now + MUTED_FOR
        self._timer.reschedule(min(self._muted.values()))
        self._on_change()

    def _hear_again(self) -> None:
        now = self._loop.now()
        self._muted = {source: until for source, until in self._muted.items() if until > now}
        if self._muted:
            self._timer.reschedule(min(self._muted.values()))
        self._on_change()
