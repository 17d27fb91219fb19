"""When a master announces its addresses again: twice for each reason, and now and then for none."""

from dataclasses import dataclass, field

from carpool.carp.timing import SECOND

AGAIN_AFTER = 2
"""Advertisements until the second announcement, for switches that missed the first (ucarp)."""

_EARLY = SECOND // 20
"""Nanoseconds: it goes with the advertisement that is due then, though that may be the earlier."""


@dataclass(slots=True)
class Announcements:
    """The announcements of one virtual host. They go out with its advertisements.

    `every`: nanoseconds from one to the next where there is no reason, 0 for never. Of many virtual
    hosts that announced at one instant, each comes again at its own, by its `vhid`.
    """

    every: int
    vhid: int
    _after: int | None = field(default=None, init=False)
    _again_at: int | None = field(default=None, init=False)

    def announced(self, now: int) -> None:
        """Note that the addresses have been announced for a reason."""
        self._after = AGAIN_AFTER
        self._again_at = now + self.every * (256 + self.vhid) // 512 if self.every else None

    def announce_next_time(self) -> None:
        """Announce with the next advertisement."""
        self._after = 1

    def forget(self) -> None:
        """Announce no more: the addresses are gone."""
        self._after = self._again_at = None

    def are_due(self, now: int) -> bool:
        """Tell whether `due` would have to be asked, or need not."""
        again_at = self._again_at
        return self._after is not None or (again_at is not None and now >= again_at - _EARLY)

    def due(self, now: int) -> bool:
        """Tell whether to announce with the advertisement that leaves now. Ask once for each."""
        due = False
        if self._after is not None:
            self._after -= 1
            due = not self._after
            self._after = self._after or None
        if self._again_at is not None and now >= self._again_at - _EARLY:
            self._again_at = now + self.every
            due = True
        return due
