"""Hearing which vhids are in use on a network."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import ExitStack, closing
from ipaddress import AddressValueError, IPv4Address
from select import select

_PROTOCOL = 112  # CARP's and VRRP's
_GROUP = IPv4Address("224.0.0.18")
_GROUP6 = "ff02::12"


class CannotListenError(Exception):
    """There is no listening here; the text says why, and what to do instead."""


def hear_vhids(where: str, seconds: float) -> set[int]:
    """Return the vhids of CARP, and of VRRP, that are advertised within ``seconds``.

    ``where`` is the name of an interface, or the IPv4 address of one where the system cannot join
    a multicast group by name. Both families are heard by name, else IPv4. Needs the right to open
    raw sockets. Raises CannotListenError.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(opened)) for opened in open_sockets(where)]
        return _hear(sockets, time.monotonic() + seconds)


def open_sockets(where: str) -> list[socket.socket]:
    """Return raw sockets that hear the groups of CARP and VRRP, of each IP family there is.

    See `hear_vhids` for ``where``, and what it raises.
    """
    try:
        return _open(where)
    except PermissionError:
        raise CannotListenError(
            "listening needs the right to open raw sockets; run this as root, or do without"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CannotListenError(
            f"cannot listen on {where!r}: {reason}; name an interface of this host that is up"
        ) from None


def _open(where: str) -> list[socket.socket]:
    by_address = _address(where)
    if by_address is not None:
        ipv4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, _PROTOCOL)
        return [_join(ipv4, socket.IPPROTO_IP, _GROUP.packed + by_address.packed)]
    index = socket.if_nametoindex(where)
    ipv4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, _PROTOCOL)
    # struct ip_mreqn of Linux and the BSDs: group, address, interface.
    opened = [_join(ipv4, socket.IPPROTO_IP, struct.pack("=4s4si", _GROUP.packed, b"", index))]
    if hasattr(socket, "SO_BINDTODEVICE"):
        ipv4.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, where.encode() + b"\0")
    if socket.has_ipv6:
        request = struct.pack("=16si", socket.inet_pton(socket.AF_INET6, _GROUP6), index)
        try:
            ipv6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, _PROTOCOL)
            opened.append(_join(ipv6, socket.IPPROTO_IPV6, request))
        except OSError:
            pass  # a host or an interface without IPv6
    return opened


def _address(where: str) -> IPv4Address | None:
    try:
        return IPv4Address(where)
    except AddressValueError:
        return None


def _join(opened: socket.socket, level: int, request: bytes) -> socket.socket:
    option = socket.IP_ADD_MEMBERSHIP if level == socket.IPPROTO_IP else socket.IPV6_JOIN_GROUP
    try:
        opened.setsockopt(level, option, request)
    except OSError:
        opened.close()
        raise
    return opened


def _hear(sockets: list[socket.socket], deadline: float) -> set[int]:
    heard = set()
    while (left := deadline - time.monotonic()) > 0:
        for ready in select(sockets, [], [], left)[0]:
            packet = ready.recv(2048)
            if ready.family == socket.AF_INET and packet:
                packet = packet[(packet[0] & 0xF) * 4 :]  # IPv4 comes with its header
            vhid = vhid_of(packet)
            if vhid:
                heard.add(vhid)
    return heard


def vhid_of(advertisement: bytes) -> int:
    """Return the vhid of an advertisement without its IP header, 0 if it is none.

    CARP and VRRP 2 begin with 0x21, VRRP 3 with 0x31; the number is the second byte in all.
    """
    if len(advertisement) < 8 or advertisement[0] not in (0x21, 0x31):
        return 0
    return advertisement[1]
