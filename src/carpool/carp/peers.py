"""Who was heard: the last advertisement of each sender, for those who want to look."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

MOST_PEERS = 16
"""Remembered for one vhid; of more, those heard last."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The last valid advertisement of a sender, its own address packed (4 or 16 bytes).

    advbase in seconds, advskew in 1/256 s, `heard_at` in nanoseconds. A bow-out is 255/255.
    """

    source: bytes
    advbase: int
    advskew: int
    demotion: int
    heard_at: int


class Peers:
    """The peers of one virtual host, a bounded number."""

    def __init__(self) -> None:
        self._by_source: dict[bytes, Peer] = {}
        self._again_at: dict[bytes, int] = {}
        """When (ns) a peer said the same again, which makes no new `Peer` each time."""

    def note(self, peer: Peer) -> None:
        """Remember the newest advertisement of a peer."""
        self._by_source.pop(peer.source, None)
        self._again_at.pop(peer.source, None)
        self._by_source[peer.source] = peer
        if len(self._by_source) > MOST_PEERS:
            oldest = next(iter(self._by_source))
            del self._by_source[oldest]
            self._again_at.pop(oldest, None)

    def heard_again(self, source: bytes, now: int) -> None:
        """Take note that a peer that is remembered has said at `now` (ns) what it said before."""
        self._again_at[source] = now
        if len(self._by_source) > 1:  # Else it is the last already.
            self._by_source[source] = self._by_source.pop(source)

    @property
    def last_heard_at(self) -> int | None:
        """When anybody was heard last (ns)."""
        source = next(reversed(self._by_source), None)
        return None if source is None else self._heard_at(self._by_source[source])

    def __iter__(self) -> Iterator[Peer]:
        """Go through them, the one heard last at the end."""
        return map(self._newest, self._by_source.values())

    def __contains__(self, source: bytes) -> bool:
        """Tell whether the peer at an address is remembered."""
        return source in self._by_source

    def of(self, source: bytes) -> Peer | None:
        """Return the peer at an address."""
        peer = self._by_source.get(source)
        return None if peer is None else self._newest(peer)

    def _heard_at(self, peer: Peer) -> int:
        return self._again_at.get(peer.source, peer.heard_at)

    def _newest(self, peer: Peer) -> Peer:
        return replace(peer, heard_at=self._heard_at(peer))
