"""How a master that took over from silence looks for a rival that it cannot hear.

Silence says that the former master is dead, or that the network is cut in two and it rules in the
other half. When the halves are joined there are two masters until one hears the other, which takes
up to an advertisement interval. So whoever took over from silence advertises more often for a
while; to other implementations these are advertisements like all others. A rival that is the
better master answers at once, any other yields at once. The price: if such a master dies, its last
advertisement was just now, and backups wait for as long as they ever do. So a node that has never
heard another, as the first that is started, does not look.
"""

from dataclasses import dataclass, field

from carpool.carp.timing import SECOND

PACE = 20 * SECOND // 1000
"""Nanoseconds between two advertisements of a master that looks for a rival: with the answer and
what two busy hosts need, the two are one within 50 ms."""


@dataclass(slots=True)
class Seeking:
    """The search of one virtual host: for `longest` ns after it took over, 0 for never."""

    longest: int
    represented: bool = False
    """Whether another virtual host looks for the rivals of both, which are on the same nodes."""
    until: int = field(default=0, init=False)
    """When it ends, or ended."""
    _due: int = field(default=0, init=False)

    def begin(self, now: int) -> None:
        """Look for a rival from now on."""
        self.until = now + self.longest

    def spoke(self, now: int) -> None:
        """Note an advertisement."""
        # From the instant it was due: lateness must not add up, and a tape packs what is regular.
        on_time = 0 <= now - self._due < PACE
        self._due = (self._due if on_time else now) + PACE

    def end(self) -> None:
        """Look no more."""
        self.until = 0

    def due_before(self, advertise_at: int | None) -> int | None:
        """Return when to advertise for the search, if that is before the next advertisement."""
        if self.represented or self._due >= self.until:
            return None
        return self._due if advertise_at is None or self._due < advertise_at else None
