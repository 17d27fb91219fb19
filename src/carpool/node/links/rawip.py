"""Advertisements in and out through raw IP sockets, on Linux: from the real MAC, as the host.

This is the form that link protection of hypervisors, containers and MAC filters let through. The
sockets see protocol 112 and nothing else. Needs CAP_NET_RAW.
"""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

from carpool.carp.packet import GROUP_V6, TTL, Datagram, ipv4_packet, parse_ipv4
from carpool.carp.wire import PROTOCOL, Rejection

RECEIVE_BYTES = 2048
"""More than any advertisement; what is longer is cut, and then judged by its length field."""
_BUFFER_BYTES = 1 << 20
"""Some thousand datagrams: in a flood the kernel drops what finds no room, the master's among it.

The default holds 277, about as many as 255 virtual hosts say at once.
"""
_SO_RCVBUFFORCE = 33
"""asm-generic/socket.h; the socket module does not have it."""
GROUP_V6_TEXT = socket.inet_ntop(socket.AF_INET6, GROUP_V6)
_IPV6_PKTINFO = struct.Struct("@16sI")
_HOP_LIMIT = struct.Struct("@i")

Sieve = Callable[[bytes], bool]
"""Tells of an IPv4 packet whether it is to be dropped unseen."""


class RawIPv4:
    """A raw IPv4 socket on one interface, member of one multicast group."""

    family = 4

    def __init__(self, interface: str, index: int, group: bytes) -> None:
        """Open it on interface number `index`; `group` has 4 bytes. Raises OSError."""
        self._group = group
        self._destination = (socket.inet_ntoa(group), 0)
        self._source, self._payload_size = b"", 0
        self._header = b""
        """What is before a payload of that size from that source: the same each time."""
        self.socket = open_raw(socket.AF_INET, interface)
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
        if source != self._source or len(payload) != self._payload_size:
            packet = ipv4_packet(source, payload, self._group)
            self._source, self._payload_size = source, len(payload)
            self._header = packet[: -len(payload)]
        self.socket.sendto(self._header + payload, self._destination)

    def receive(self, limit: int, sieve: Sieve | None = None) -> Iterator[Datagram | Rejection]:
        """Yield of at most `limit` datagrams that wait those that `sieve` does not drop."""
        receive = self.socket.recv
        for _ in range(limit):
            try:
                packet = receive(RECEIVE_BYTES)
            except OSError:  # Nothing more, or the interface has gone: its link event tells.
                return
            if sieve is None or not sieve(packet):
                yield parse_ipv4(packet)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


class RawIPv6:
    """A raw IPv6 socket on one interface, member of ff02::12."""

    family = 6

    def __init__(self, index: int, device: str | None = None) -> None:
        """Open it on interface number `index`, on Linux that of `device`. Raises OSError."""
        self._index = index
        self._device = device
        self._destination = (GROUP_V6_TEXT, 0, 0, index)
        # Not among the constants: Python on illumos may lack it.
        self._ancillary_bytes = sum(map(socket.CMSG_SPACE, (_IPV6_PKTINFO.size, _HOP_LIMIT.size)))
        self.socket = open_raw(socket.AF_INET6, device)
        try:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            send_to_interface(self.socket, index)
            join(self.socket, index)
        except OSError:
            self.socket.close()
            raise

    def send(self, source: bytes, payload: bytes) -> None:
        """Send an advertisement from our address `source`. Raises OSError."""
        packet_info = _IPV6_PKTINFO.pack(source, self._index)
        ancillary = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packet_info)]
        self.socket.sendmsg([payload], ancillary, 0, self._destination)

    def receive(self, limit: int, _sieve: Sieve | None = None) -> Iterator[Datagram | Rejection]:
        """Yield at most `limit` of the datagrams that wait."""
        for _ in range(limit):
            try:
                payload, ancillary, _, sender = self.socket.recvmsg(
                    RECEIVE_BYTES, self._ancillary_bytes
                )
            except OSError:
                return
            source = socket.inet_pton(socket.AF_INET6, sender[0].partition("%")[0])
            # The kernel keeps the IPv6 header to itself and tells these two beside the payload.
            told = {kind: data for level, kind, data in ancillary if level == socket.IPPROTO_IPV6}
            try:
                (hop_limit,) = _HOP_LIMIT.unpack(told[socket.IPV6_HOPLIMIT])
                destination, index = _IPV6_PKTINFO.unpack(told[socket.IPV6_PKTINFO])
            except (KeyError, struct.error):
                yield Rejection.TRUNCATED
                continue
            if self._device is None and index != self._index:
                continue  # What only a device keeps out: another interface's.
            yield Datagram(source, destination, hop_limit, payload)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def open_raw(family: int, device: str | None = None) -> socket.socket:
    """Open a raw socket for protocol 112, on Linux for one `device`. Raises OSError."""
    raw = socket.socket(family, socket.SOCK_RAW, PROTOCOL)
    raw.setblocking(False)
    if device is None:
        with suppress(OSError):  # more than the system's limit
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        return raw
    try:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
        with suppress(PermissionError):  # CAP_NET_ADMIN; without it the system's limit holds
            raw.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    except OSError:
        raw.close()
        raise
    return raw


def send_to_interface(raw: socket.socket, index: int) -> None:
    """Let an IPv6 socket send multicast through interface number `index`. Raises OSError."""
    for option, value in (
        (socket.IPV6_MULTICAST_HOPS, TTL),
        (socket.IPV6_MULTICAST_LOOP, 0),
        (socket.IPV6_MULTICAST_IF, index),
    ):
        raw.setsockopt(socket.IPPROTO_IPV6, option, value)


def join(raw: socket.socket, index: int) -> None:
    """Let an IPv6 socket hear ff02::12 on interface number `index`. Raises OSError."""
    membership = struct.pack("@16sI", GROUP_V6, index)
    raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
