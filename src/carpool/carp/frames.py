"""Ethernet frames that tell the network where an address lives now.

IPv4: a gratuitous ARP request (RFC 5227 section 3; ucarp and Linux send requests too).
IPv6: an unsolicited neighbour advertisement to all nodes (RFC 4861 section 7.2.6).
"""

import struct

from carpool.carp.wire import internet_checksum

BROADCAST = b"\xff" * 6

_ETHERTYPE_IPV4 = 0x0800
_ETHERTYPE_ARP = 0x0806
_ETHERTYPE_IPV6 = 0x86DD
_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ALL_NODES = bytes.fromhex("ff02 0000 0000 0000 0000 0000 0000 0001")
_ICMPV6 = 58
_NEIGHBOUR_ADVERTISEMENT = 136
_OVERRIDE = 0x20000000
"""Flags of the advertisement: override set, so that a cached MAC is replaced; not solicited."""


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


def gratuitous_arp(mac: bytes, address: bytes) -> bytes:
    """Return a gratuitous ARP request frame, 42 bytes: sender and target address are the same."""
    arp = _ARP.pack(1, _ETHERTYPE_IPV4, 6, 4, 1, mac, address, mac, address)
    return _ETHERNET.pack(BROADCAST, mac, _ETHERTYPE_ARP) + arp


def neighbour_advertisement(mac: bytes, address: bytes) -> bytes:
    """Return an unsolicited neighbour advertisement frame, 86 bytes, with the override flag."""
    body = struct.pack("!I16sBB6s", _OVERRIDE, address, 2, 1, mac)
    length = 4 + len(body)
    pseudo_header = struct.pack("!16s16sII", address, _ALL_NODES, length, _ICMPV6)
    head = struct.pack("!BBH", _NEIGHBOUR_ADVERTISEMENT, 0, 0)
    checksum = internet_checksum(pseudo_header + head + body)
    icmp = struct.pack("!BBH", _NEIGHBOUR_ADVERTISEMENT, 0, checksum) + body
    ip = struct.pack("!IHBB16s16s", 6 << 28, length, _ICMPV6, 255, address, _ALL_NODES)
    return ethernet(mac, multicast_mac(_ALL_NODES), ip + icmp)
