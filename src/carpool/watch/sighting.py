"""What an onlooker without a password learns from one advertisement, of CARP or of VRRP."""

import struct
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from carpool.carp.packet import Datagram
from carpool.carp.timing import SECOND
from carpool.carp.wire import Rejection, decode

_VRRP_2, _VRRP_3 = 0x21, 0x31
_HEAD = struct.Struct("!BBBBH")
_VRRP_HEAD_BYTES = 8
_VRRP_2_OF_SEVEN_BYTES = 8 + 7 * 4 + 8  # head, addresses, authentication (RFC 3768, 5.1)
_CENTISECOND = SECOND // 100


class Protocol(StrEnum):
    """Who advertises. The value is its public name."""

    CARP = "CARP"
    VRRP_2 = "VRRPv2"
    VRRP_3 = "VRRPv3"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One advertisement. `interval` in nanoseconds, as it says; addresses as packed bytes."""

    protocol: Protocol
    family: int
    vhid: int
    """The vhid, or VRRP's virtual router id."""
    source: bytes
    interval: int
    patience: int
    """Nanoseconds that its backups of the same strength wait before they take over."""
    strength: int
    """CARP: advskew, the lowest is to be master. VRRP: priority, the highest is."""
    demotion: int = 0
    leaving: bool = False
    """It gives up its mastership with this (advbase and advskew 255, or priority 0)."""
    counter: int | None = None
    addresses: tuple[str, ...] = ()
    """The virtual addresses: VRRP tells them."""


def sight(datagram: Datagram) -> Sighting | Rejection:
    """Read an advertisement of either protocol. Never raises; no digest is checked."""
    advertisement = decode(datagram.payload)
    if advertisement is Rejection.VRRP or _is_vrrp_of_seven(datagram):
        return _vrrp(datagram)
    if isinstance(advertisement, Rejection):
        return advertisement
    advbase, advskew = advertisement.advbase, advertisement.advskew
    interval = advertisement.interval
    return Sighting(
        Protocol.CARP,
        datagram.family,
        advertisement.vhid,
        datagram.source,
        interval,
        3 * advbase * SECOND + advskew * SECOND // 256 if advbase else 3 * interval,
        advskew,
        advertisement.demotion,
        advertisement.is_bow_out,
        advertisement.counter,
    )


def _is_vrrp_of_seven(datagram: Datagram) -> bool:
    """Tell VRRPv2 with seven addresses from CARP, whose authlen is 7: by its length alone.

    A receiver goes by the digest, and takes CARP with bytes behind it; nobody is known to send it.
    """
    payload = datagram.payload
    return (
        datagram.family == 4
        and len(payload) == _VRRP_2_OF_SEVEN_BYTES
        and (payload[0], payload[3]) == (_VRRP_2, 7)
    )


def _vrrp(datagram: Datagram) -> Sighting | Rejection:
    """Read VRRP version 2 (RFC 3768) or 3 (RFC 9568), whose form the caller has recognised."""
    payload = datagram.payload
    first, vrid, priority, count, timing = _HEAD.unpack_from(payload)
    # Version 2 says seconds in the sixth byte, version 3 centiseconds in the last 12 bits.
    centiseconds = timing & 0x0FFF
    interval = centiseconds * _CENTISECOND if first == _VRRP_3 else (timing & 0xFF) * SECOND
    size = len(datagram.source)
    end = _VRRP_HEAD_BYTES + count * size
    if len(payload) < end:
        return Rejection.TRUNCATED
    packed = (payload[at : at + size] for at in range(_VRRP_HEAD_BYTES, end, size))
    skew = interval * (256 - priority) // 256 if first == _VRRP_3 else SECOND * (256 - priority)
    return Sighting(
        Protocol.VRRP_3 if first == _VRRP_3 else Protocol.VRRP_2,
        datagram.family,
        vrid,
        datagram.source,
        max(interval, _CENTISECOND),
        3 * max(interval, _CENTISECOND) + (skew if first == _VRRP_3 else skew // 256),
        priority,
        leaving=priority == 0,
        addresses=tuple(str(ip_address(address)) for address in packed),
    )
