"""The CARP advertisement: 36 bytes behind an IP header, protocol 112.

======  =====================================================================
bytes   field
======  =====================================================================
0       version 2 (high nibble), type 1 (low nibble)
1       vhid, 1-255
2       advskew, 1/256 s
3       authlen, 7: the 32-bit words of counter and digest
4       demotion counter (OpenBSD), else 0
5       advbase, seconds
6-7     Internet checksum over these 36 bytes alone, without a pseudo-header
8-15    counter, big-endian
16-35   HMAC-SHA1, see `carpool.carp.auth`
======  =====================================================================

Source: OpenBSD ``netinet/ip_carp.h`` and captures of ucarp 1.5.2 and NetBSD.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum

from carpool.carp.timing import BOW_OUT_TICKS, interval

PROTOCOL = 112
"""The IP protocol number, which CARP shares with VRRP."""

SIZE = 36
VERSION_AND_TYPE = 0x21
AUTHLEN = 7

_LAYOUT = struct.Struct("!BBBBBBHQ20s")
_VRRP_3 = 0x31


class Rejection(StrEnum):
    """Why a received packet is not a valid advertisement of ours. The value is its public name."""

    TRUNCATED = "truncated"
    """Shorter than its headers say, or than an IP header and 36 bytes."""
    PROTOCOL = "protocol"
    """Not IP protocol 112, or not the IP version that was expected."""
    FRAGMENT = "fragment"
    """A piece of a datagram; an advertisement is never fragmented."""
    IP_CHECKSUM = "ip-checksum"
    """The IPv4 header is damaged."""
    TTL = "ttl"
    """TTL or hop limit below 255: it came through a router."""
    DESTINATION = "destination"
    """Sent to another group than the one we listen to."""
    VRRP = "vrrp"
    """A VRRP router speaks on this network: same protocol number, another protocol."""
    VERSION = "version"
    """Not version 2, type 1 and authlen 7: the only advertisement that CARP ever had."""
    CHECKSUM = "checksum"
    """The advertisement is damaged."""
    VHID = "vhid"
    """An advertisement for a virtual host that is not ours."""
    OWN = "own"
    """Sent from our own address: a loop in the network, or a second machine with our address."""
    AUTHENTICATION = "authentication"
    """The digest does not fit: another password, or another set of virtual addresses."""
    REPLAY = "replay"
    """A counter that was heard before, or that is older than one that was."""
    CONSTANT = "constant"
    """The same counter again and again: OpenBSD sends that, or somebody replays it."""
    UNSEQUENCED = "unsequenced"
    """Not a sequenced counter, where only those are accepted: see `carpool.carp.counters`."""
    INACTIVE = "inactive"
    """A valid advertisement while our own link is down or the group is stopped."""

    __hash__ = str.__hash__
    """Not that of `Enum`, which is a function of Python's: each rejected packet is counted."""


@dataclass(frozen=True, slots=True)
class Advertisement:
    """One advertisement: advbase in seconds, advskew in 1/256 s, a 20-byte digest."""

    vhid: int
    advbase: int
    advskew: int
    counter: int
    digest: bytes
    demotion: int = 0

    @property
    def interval(self) -> int:
        """The sender's advertisement interval, in nanoseconds."""
        return interval(self.advbase, self.advskew)

    @property
    def is_bow_out(self) -> bool:
        """Whether the sender gives up its mastership with this advertisement (255/255)."""
        return self.advbase * 256 + self.advskew == BOW_OUT_TICKS

    def encode(self) -> bytes:
        """Return the 36 bytes, checksum filled in."""
        return encode(
            *(self.vhid, self.advbase, self.advskew, self.counter, self.digest, self.demotion)
        )


def encode(
    vhid: int, advbase: int, advskew: int, counter: int, digest: bytes, demotion: int
) -> bytes:
    """Return the 36 bytes of an Advertisement that need not be made, checksum filled in."""
    blank = _LAYOUT.pack(
        VERSION_AND_TYPE, vhid, advskew, AUTHLEN, demotion, advbase, 0, counter, digest
    )
    return blank[:6] + internet_checksum(blank).to_bytes(2) + blank[8:]


def decode(payload: bytes) -> Advertisement | Rejection:
    """Read an advertisement from an IP payload. Never raises.

    Bytes behind the 36th are ignored, as every kernel does. The digest is not checked here.
    """
    if len(payload) < SIZE:
        # VRRPv2 for one address is 20 bytes: say what it is rather than what it lacks.
        return Rejection.VRRP if _is_vrrp(payload) else Rejection.TRUNCATED
    (first, vhid, advskew, authlen, demotion, advbase, _, counter, digest) = _LAYOUT.unpack_from(
        payload
    )
    if first != VERSION_AND_TYPE or authlen != AUTHLEN:
        return Rejection.VRRP if _is_vrrp(payload) else Rejection.VERSION
    if not checksum_holds(payload[:SIZE]):
        return Rejection.CHECKSUM
    return Advertisement(vhid, advbase, advskew, counter, digest, demotion)


def _is_vrrp(payload: bytes) -> bool:
    """Tell VRRP from damaged CARP by its own length rules (RFC 3768, RFC 9568).

    Byte 3 counts addresses there; VRRPv2 has 8 bytes before and 8 bytes behind them.
    """
    if len(payload) < 8:
        return False
    if payload[0] == VERSION_AND_TYPE:
        return payload[3] != AUTHLEN and len(payload) >= 8 + 4 * payload[3] + 8
    return payload[0] == _VRRP_3 and len(payload) >= 8 + 4 * payload[3]


def internet_checksum(data: bytes) -> int:
    """Return the 16-bit Internet checksum of `data` (RFC 1071), for its checksum field.

    One's complement addition of 16-bit words is addition modulo 65535.
    """
    if len(data) % 2:
        data += b"\0"
    total = int.from_bytes(data)
    return 0xFFFF - (total % 0xFFFF or (0xFFFF if total else 0))


def checksum_holds(data: bytes) -> bool:
    """Tell whether `data`, checksum field included and of even length, sums up as it should."""
    total = int.from_bytes(data)
    return total % 0xFFFF == 0 and total != 0
