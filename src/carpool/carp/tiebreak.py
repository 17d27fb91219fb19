"""Who yields when two masters advertise equally fast: the one with the higher address.

Higher as ucarp compares: the raw address read as a little-endian number, so that 10.0.1.5 counts as
lower than 10.0.0.9. With two IP families the order may differ between them: then IPv4 decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class TieBreak:
    """Breaks the ties of one virtual host that speaks over `families` (4, 6).

    Instants and durations are in nanoseconds.
    """

    families: Sequence[int]
    _ipv4_heard_until: int = field(default=0, init=False)
    _tied_since: int | None = field(default=None, init=False)

    def heard_ipv4(self, until: int) -> None:
        """Note that IPv4 is heard, and decides until `until`."""
        self._ipv4_heard_until = until
        self._tied_since = None

    def state_changed(self) -> None:
        """Forget how long there has been a tie in IPv6."""
        self._tied_since = None

    def is_lost(self, sources: Mapping[int, bytes], rival: bytes, interval: int, now: int) -> bool:
        """Tell whether we, at `sources` by family, yield to the equally fast `rival` (packed)."""
        family = 4 if len(rival) == 4 else 6
        own = sources.get(family)
        if own is None:
            return True  # We hear more than we can say: let the one that speaks rule.
        if family == 6 and 4 in sources and self._ipv4_decides(interval, now):
            return False
        return own[::-1] > rival[::-1]

    def _ipv4_decides(self, interval: int, now: int) -> bool:
        """Tell whether to leave an IPv6 tie to IPv4: else each family may unseat another node.

        A virtual host that speaks both does so while IPv4 is heard, and for an interval beyond,
        because the IPv4 advertisement may be on its way.
        """
        if 4 not in self.families:
            return False
        if now < self._ipv4_heard_until:
            return True
        if self._tied_since is None:
            self._tied_since = now
        return now - self._tied_since < interval
