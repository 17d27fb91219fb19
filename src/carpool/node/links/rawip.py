"""Advertisements in and out through raw IP sockets, on Linux: from the real MAC, as the host.

This is the form that link protection of hypervisors, containers and MAC filters let through. The
sockets see protocol 112 and nothing else. Needs CAP_NET_RAW.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

from carpool.carp.packet import GROUP_V6, TTL, Datagram, ipv4_packet, parse_ipv4
from carpool.carp.wire import PROTOCOL, Rejection

_RECEIVE_BYTES = 2048
"""More than any advertisement; what is longer is cut, and then judged by its length field."""
_BUFFER_BYTES = 1 << 20
"""Some thousand datagrams: in a flood the kernel drops what finds no room, the master's among it.

The default holds 277, about as many as 255 virtual hosts say at once.
"""
_SO_RCVBUFFORCE = 33
"""asm-generic/socket.h; the socket module does not have it."""
_IPV6_PKTINFO = struct.Struct("@16sI")
_HOP_LIMIT = struct.Struct("@i")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_IPV6_PKTINFO.size) + socket.CMSG_SPACE(_HOP_LIMIT.size)


class RawIPv4:
    """A raw IPv4 socket on one interface, member of one multicast group."""

    family = 4

    def __init__(self, interface: str, index: int, group: bytes) -> None:
        """Open it on interface number `index`; `group` has 4 bytes. Raises OSError."""
        self._group = group
        self._destination = (socket.inet_ntoa(group), 0)
        self.socket = _open(socket.AF_INET, interface)
        try:
            request = struct.pack("@4s4si", group, b"\0" * 4, index)
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        except OSError:
            self.socket.close()
            raise

    def send(self, source: bytes, payload: bytes) -> None:
        """Send an advertisement from our address `source`. Raises OSError."""
        self.socket.sendto(ipv4_packet(source, payload, self._group), self._destination)

    def receive(self, limit: int) -> Iterator[Datagram | Rejection]:
        """Yield at most `limit` of the datagrams that wait."""
        for _ in range(limit):
            try:
                packet = self.socket.recv(_RECEIVE_BYTES)
            except OSError:  # Nothing more, or the interface has gone: its link event tells.
                return
            yield parse_ipv4(packet)


class RawIPv6:
    """A raw IPv6 socket on one interface, member of ff02::12."""

    family = 6

    def __init__(self, interface: str, index: int) -> None:
        """Open it on interface number `index`. Raises OSError."""
        self._index = index
        self._destination = (socket.inet_ntop(socket.AF_INET6, GROUP_V6), 0, 0, index)
        self.socket = _open(socket.AF_INET6, interface)
        try:
            for option, value in (
                (socket.IPV6_MULTICAST_HOPS, TTL),
                (socket.IPV6_MULTICAST_LOOP, 0),
                (socket.IPV6_MULTICAST_IF, index),
                (socket.IPV6_RECVPKTINFO, 1),
                (socket.IPV6_RECVHOPLIMIT, 1),
            ):
                self.socket.setsockopt(socket.IPPROTO_IPV6, option, value)
            membership = struct.pack("@16si", GROUP_V6, index)
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
        except OSError:
            self.socket.close()
            raise

    def send(self, source: bytes, payload: bytes) -> None:
        """Send an advertisement from our address `source`. Raises OSError."""
        packet_info = _IPV6_PKTINFO.pack(source, self._index)
        ancillary = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packet_info)]
        self.socket.sendmsg([payload], ancillary, 0, self._destination)

    def receive(self, limit: int) -> Iterator[Datagram | Rejection]:
        """Yield at most `limit` of the datagrams that wait."""
        for _ in range(limit):
            try:
                payload, ancillary, _, sender = self.socket.recvmsg(
                    _RECEIVE_BYTES, _ANCILLARY_BYTES
                )
            except OSError:
                return
            source = socket.inet_pton(socket.AF_INET6, sender[0].partition("%")[0])
            # The kernel keeps the IPv6 header to itself and tells these two beside the payload.
            told = {kind: data for level, kind, data in ancillary if level == socket.IPPROTO_IPV6}
            try:
                (hop_limit,) = _HOP_LIMIT.unpack(told[socket.IPV6_HOPLIMIT])
                destination, _ = _IPV6_PKTINFO.unpack(told[socket.IPV6_PKTINFO])
            except (KeyError, struct.error):
                yield Rejection.TRUNCATED
                continue
            yield Datagram(source, destination, hop_limit, payload)


def _open(family: int, interface: str) -> socket.socket:
    raw = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, PROTOCOL)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    with suppress(PermissionError):  # CAP_NET_ADMIN; without it the system's limit holds
        raw.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    return raw
