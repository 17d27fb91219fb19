"""Who was heard: the last advertisement of each sender, for those who want to look."""

from collections.abc import Iterator
from dataclasses import dataclass

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

    def note(self, peer: Peer) -> None:
        """Remember the newest advertisement of a peer."""
        self._by_source.pop(peer.source, None)
        self._by_source[peer.source] = peer
        if len(self._by_source) > MOST_PEERS:
            del self._by_source[next(iter(self._by_source))]

    def __iter__(self) -> Iterator[Peer]:
        """Go through them, the one heard last at the end."""
        return iter(self._by_source.values())

    def of(self, source: bytes) -> Peer | None:
        """Return the peer at an address."""
        return self._by_source.get(source)
