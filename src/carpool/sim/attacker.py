"""An attacker on the virtual LAN: hears every frame, knows no password, and sends frames again.

What is under the HMAC stays as it was; advbase, advskew and the demotion byte are not, and are
changed at will, with a fresh checksum. It is slower than the wire: what it sends again has arrived.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from carpool.carp.packet import ipv4_packet, ipv6_packet, parse_ipv4, parse_ipv6
from carpool.carp.wire import Advertisement, Rejection, decode

KEPT: Final = 32
"""Frames that it remembers."""

FORGERIES: Final = {
    "as is": {},
    "better": {"advbase": 0, "advskew": 1, "demotion": 0},
    "worse": {"advbase": 250, "advskew": 0, "demotion": 254},
    "bow-out": {"advbase": 255, "advskew": 255, "demotion": 255},
}
"""What it changes, by name."""


@dataclass(slots=True)
class Attacker:
    """What was overheard: when it had arrived (nanoseconds), who sent it, the IP packet."""

    overheard: deque[tuple[int, str, bytes]] = field(default_factory=lambda: deque(maxlen=KEPT))

    def overhear(self, arrived: int, sender: str, packet: bytes) -> None:
        """Remember a frame."""
        self.overheard.append((arrived, sender, packet))

    def forge(self, victim: str, name: str, now: int) -> Iterator[bytes]:
        """Yield every frame of a node that has arrived by now, oldest first, changed by name."""
        for arrived, sender, packet in self.overheard:
            if sender == victim and arrived <= now:
                yield _changed(packet, FORGERIES[name])


def _changed(packet: bytes, changes: dict[str, int]) -> bytes:
    is_ipv4 = packet[0] >> 4 == 4
    datagram = (parse_ipv4 if is_ipv4 else parse_ipv6)(packet)
    assert not isinstance(datagram, Rejection)
    advertisement = decode(datagram.payload)
    assert isinstance(advertisement, Advertisement)
    payload = replace(advertisement, **changes).encode()  # type: ignore[arg-type]
    return (ipv4_packet if is_ipv4 else ipv6_packet)(datagram.source, payload)
