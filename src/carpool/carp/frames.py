"""Ethernet frames that tell the network where an address lives now, or ask it.

IPv4: a gratuitous ARP request (RFC 5227 section 3; ucarp and Linux send requests too).
IPv6: an unsolicited neighbour advertisement to all nodes (RFC 4861 section 7.2.6).
"""

import struct
from dataclasses import dataclass

from carpool.carp.wire import internet_checksum

BROADCAST = b"\xff" * 6

_ETHERTYPE_IPV4 = 0x0800
_ETHERTYPE_ARP = 0x0806
_ETHERTYPE_IPV6 = 0x86DD
_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ALL_NODES = bytes.fromhex("ff02 0000 0000 0000 0000 0000 0000 0001")
_ICMPV6 = 58
_NEIGHBOUR_SOLICITATION = 135
_NEIGHBOUR_ADVERTISEMENT = 136
_OVERRIDE = 0x20000000
"""Flags of the advertisement: override set, so that a cached MAC is replaced; not solicited."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says that `address` (4 or 16 bytes) lives at `mac` (6 bytes)."""

    address: bytes
    mac: bytes


def virtual_mac(vhid: int) -> bytes:
    """Return the MAC that CARP kernels give virtual host `vhid`: 00:00:5e:00:01:VHID."""
    return bytes((0x00, 0x00, 0x5E, 0x00, 0x01, vhid))


def multicast_mac(group: bytes) -> bytes:
    """Return the MAC of an IP multicast group, 4 or 16 bytes (RFC 1112, RFC 2464)."""
    if len(group) == 4:
        return bytes((0x01, 0x00, 0x5E, group[1] & 0x7F, group[2], group[3]))
    return b"\x33\x33" + group[12:]


def ethernet(source: bytes, destination: bytes, packet: bytes) -> bytes:
    """Return an IPv4 or IPv6 packet behind an Ethernet header of 14 bytes."""
    ethertype = _ETHERTYPE_IPV4 if packet[0] >> 4 == 4 else _ETHERTYPE_IPV6
    return _ETHERNET.pack(destination, source, ethertype) + packet


def announcement(mac: bytes, address: bytes) -> bytes:
    """Return the frame that moves `address` (4 or 16 bytes) to `mac` in everyone's cache."""
    if len(address) == 4:
        return gratuitous_arp(mac, address)
    return neighbour_advertisement(mac, address)


def question(mac: bytes, source: bytes | None, target: bytes) -> bytes:
    """Return the frame that asks who has `target` (4 or 16 bytes), from our `mac` and `source`.

    Without a source it is a probe (RFC 5227 section 2.1.1, RFC 4862 section 5.4.2), which a host
    that has the address answers too.
    """
    if len(target) == 4:
        return arp_request(mac, source or bytes(4), target)
    return neighbour_solicitation(mac, source or bytes(16), target)


def answerer(frame: bytes) -> bytes | None:
    """Return the address that a frame says it has, if it is an answer to a question."""
    if len(frame) >= 42 and frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02":
        return frame[28:32]
    if len(frame) < 78 or frame[12:14] != b"\x86\xdd":
        return None
    next_header, hop_limit, kind = frame[20], frame[21], frame[54]
    # A hop limit of 255 cannot come through a router (RFC 4861 section 7.1.2).
    if (next_header, hop_limit, kind) != (_ICMPV6, 255, _NEIGHBOUR_ADVERTISEMENT):
        return None
    return frame[62:78]


def claim(frame: bytes) -> Claim | None:
    """Return which address its sender says it has; None for a frame that says nothing such.

    ARP of every kind is a claim of its sender's address, but for a probe, which has none (RFC 5227
    section 2.4); a neighbour advertisement is one of its target (RFC 4862 section 5.4.4).
    """
    if len(frame) >= 42 and frame[12:18] == b"\x08\x06\x00\x01\x08\x00" and any(frame[28:32]):
        return Claim(frame[28:32], frame[22:28])
    address = answerer(frame)
    return Claim(address, frame[6:12]) if address is not None and len(address) == 16 else None


def gratuitous_arp(mac: bytes, address: bytes) -> bytes:
    """Return a gratuitous ARP request frame, 42 bytes: sender and target address are the same."""
    return _arp_request(mac, address, mac, address)


def arp_request(mac: bytes, source: bytes, target: bytes) -> bytes:
    """Return an ARP request frame, 42 bytes, that asks for `target` (RFC 826)."""
    return _arp_request(mac, source, bytes(6), target)


def _arp_request(mac: bytes, source: bytes, target_mac: bytes, target: bytes) -> bytes:
    arp = _ARP.pack(1, _ETHERTYPE_IPV4, 6, 4, 1, mac, source, target_mac, target)
    return _ETHERNET.pack(BROADCAST, mac, _ETHERTYPE_ARP) + arp


def neighbour_solicitation(mac: bytes, source: bytes, target: bytes) -> bytes:
    """Return a neighbour solicitation frame for `target` (RFC 4861 section 4.3).

    86 bytes with our MAC in it, 78 without: a probe from the unspecified address must not say it.
    """
    group = bytes.fromhex("ff02 0000 0000 0000 0000 0001 ff") + target[13:]
    option = struct.pack("!BB6s", 1, 1, mac) if any(source) else b""
    return _neighbour_message(
        mac, source, group, _NEIGHBOUR_SOLICITATION, bytes(4) + target + option
    )


def neighbour_advertisement(mac: bytes, address: bytes) -> bytes:
    """Return an unsolicited neighbour advertisement frame, 86 bytes, with the override flag."""
    body = struct.pack("!I16sBB6s", _OVERRIDE, address, 2, 1, mac)
    return _neighbour_message(mac, address, _ALL_NODES, _NEIGHBOUR_ADVERTISEMENT, body)


def _neighbour_message(mac: bytes, source: bytes, group: bytes, kind: int, body: bytes) -> bytes:
    length = 4 + len(body)
    pseudo_header = struct.pack("!16s16sII", source, group, length, _ICMPV6)
    checksum = internet_checksum(pseudo_header + struct.pack("!BBH", kind, 0, 0) + body)
    icmp = struct.pack("!BBH", kind, 0, checksum) + body
    ip = struct.pack("!IHBB16s16s", 6 << 28, length, _ICMPV6, 255, source, group)
    return ethernet(mac, multicast_mac(group), ip + icmp)
