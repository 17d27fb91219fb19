"""Advertisements inside IP: build the header, and take a received packet apart.

CARP over IPv4: TTL 255, TOS 0x10, don't fragment, to 224.0.0.18 (RFC 5798 gave VRRP the group).
CARP over IPv6: hop limit 255, to ff02::12. A receiver takes nothing below 255, because such a
packet was forwarded by a router and cannot come from this network.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from carpool.carp.wire import PROTOCOL, Rejection, checksum_holds, internet_checksum

TTL = 255
TOS = 0x10
GROUP_V4 = IPv4Address("224.0.0.18").packed
GROUP_V6 = IPv6Address("ff02::12").packed

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_DONT_FRAGMENT = 0x4000
_FRAGMENT_BITS = 0x3FFF
"""More-fragments and the offset: anything set here is a piece, not a datagram."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """What IP delivered: addresses as packed bytes (4 or 16), TTL or hop limit, and payload."""

    source: bytes
    destination: bytes
    ttl: int
    payload: bytes

    @property
    def family(self) -> int:
        """4 or 6."""
        return 4 if len(self.source) == 4 else 6


def ipv4_packet(source: bytes, payload: bytes, destination: bytes = GROUP_V4) -> bytes:
    """Return `payload` behind an IPv4 header of 20 bytes, checksum filled in.

    The identification is 0: a datagram that must not be fragmented needs none (RFC 6864).
    """
    header = _IPV4.pack(
        *(0x45, TOS, _IPV4.size + len(payload), 0, _DONT_FRAGMENT, TTL, PROTOCOL),
        *(0, source, destination),
    )
    checksum = internet_checksum(header).to_bytes(2)
    return header[:10] + checksum + header[12:] + payload


def ipv6_packet(source: bytes, payload: bytes, destination: bytes = GROUP_V6) -> bytes:
    """Return `payload` behind an IPv6 header of 40 bytes."""
    return _IPV6.pack(6 << 28, len(payload), PROTOCOL, TTL, source, destination) + payload


def parse_ipv4(packet: bytes) -> Datagram | Rejection:
    """Take a whole IPv4 packet apart. Never raises; bytes behind its total length are dropped."""
    if len(packet) < _IPV4.size:
        return Rejection.TRUNCATED
    first, _, length, _, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(packet)
    header = (first & 0x0F) * 4
    if first >> 4 != 4 or protocol != PROTOCOL:
        return Rejection.PROTOCOL
    if header < _IPV4.size or not header <= length <= len(packet):
        return Rejection.TRUNCATED
    if not checksum_holds(packet[:header]):
        return Rejection.IP_CHECKSUM
    if fragment & _FRAGMENT_BITS:
        return Rejection.FRAGMENT
    return Datagram(source, destination, ttl, packet[header:length])


def parse_ipv6(packet: bytes) -> Datagram | Rejection:
    """Take a whole IPv6 packet apart. Never raises. Extension headers are not followed."""
    if len(packet) < _IPV6.size:
        return Rejection.TRUNCATED
    first, length, next_header, hop_limit, source, destination = _IPV6.unpack_from(packet)
    if first >> 28 != 6 or next_header != PROTOCOL:
        return Rejection.PROTOCOL
    if _IPV6.size + length > len(packet):
        return Rejection.TRUNCATED
    payload = packet[_IPV6.size : _IPV6.size + length]
    return Datagram(source, destination, hop_limit, payload)
