"""Raw IP sockets that need nothing but what every system and every Python has.

No socket option here is of one system alone, and no ancillary data is read: before 3.16, Python on
illumos is built without ``recvmsg``. What a device or ancillary data tells is found otherwise:

- IPv4: the header comes with each datagram. All sockets of the host hear what any interface hears,
  so each takes only what comes from a network of its own interface, as CARP's neighbours do.
- IPv6: the socket is bound to ff02::12 on its interface, so it hears nothing else. (FreeBSD binds
  raw sockets to no multicast address; there `RawIPv6` serves.) Such a datagram
  cannot have come through a router (RFC 4291, 2.7), so its hop limit, which remains unknown, is
  taken for 255.
"""

import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface

from carpool.carp.packet import GROUP_V6, TTL, Datagram, ipv4_packet
from carpool.carp.wire import Rejection
from carpool.node.links.rawip import (
    GROUP_V6_TEXT,
    RECEIVE_BYTES,
    Sieve,
    join,
    open_raw,
    send_to_interface,
)

_HOST_ORDER = sys.platform.startswith(("netbsd", "darwin"))
"""Whether length and fragment field of a header that we send must be in the host's byte order."""
_LENGTH_AND_FRAGMENT = struct.Struct("!H2xH")
_SHORTEST_HEADER = 20
_LINK_LOCAL = b"\xfe\x80"


class PlainIPv4:
    """A raw IPv4 socket on one interface, member of one multicast group.

    It belongs to the interface by addresses: as long as there is none it is deaf and dumb.
    """

    def __init__(self, group: bytes) -> None:
        """Open it; `group` has 4 bytes. Raises OSError."""
        self._group = group
        self._destination = (socket.inet_ntoa(group), 0)
        self._networks: tuple[tuple[int, int], ...] = ()
        self._joined = False
        self._source = b""
        self.socket = open_raw(socket.AF_INET)
        try:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
            # One byte each: OpenBSD takes no more. FreeBSD sets the TTL even with IP_HDRINCL.
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, bytes([TTL]))
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, bytes([0]))
        except OSError:
            self.close()
            raise

    def use_addresses(self, addresses: Sequence[IPv4Interface]) -> None:
        """Take note of the interface's addresses. Raises OSError.

        The membership, once there, is the interface's, and outlives the address that it was
        asked for with.
        """
        networks = [one.network for one in addresses]
        self._networks = tuple((int(one.netmask), int(one.network_address)) for one in networks)
        for address in addresses:
            if not self._joined:
                membership = self._group + address.ip.packed
                self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
                self._joined = True

    def send(self, source: bytes, payload: bytes) -> None:
        """Send an advertisement from our address `source`. Raises OSError."""
        if source != self._source:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, source)
            self._source = source
        packet = ipv4_packet(source, payload, self._group)
        self.socket.sendto(in_host_order(packet) if _HOST_ORDER else packet, self._destination)

    def receive(self, limit: int, _sieve: Sieve | None = None) -> Iterator[Datagram | Rejection]:
        """Yield at most `limit` of the datagrams that wait."""
        for _ in range(limit):
            try:
                packet = self.socket.recv(RECEIVE_BYTES)
            except OSError:  # Nothing more, or the interface has gone: its link event tells.
                return
            datagram = delivered(packet)
            if isinstance(datagram, Rejection) or self._is_near(datagram.source):
                yield datagram

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def _is_near(self, source: bytes) -> bool:
        number = int.from_bytes(source)
        return any(number & mask == network for mask, network in self._networks)


class PlainIPv6:
    """Raw IPv6 sockets on one interface: one hears ff02::12, another sends from our address."""

    def __init__(self, index: int) -> None:
        """Open them on interface number `index`. Raises OSError."""
        self._index = index
        self._destination = (GROUP_V6_TEXT, 0, 0, index)
        self._source = b""
        self._sender: socket.socket | None = None
        self.socket = open_raw(socket.AF_INET6)
        try:
            self.socket.bind(self._destination)
            join(self.socket, index)
        except OSError:
            self.close()
            raise

    def send(self, source: bytes, payload: bytes) -> None:
        """Send an advertisement from our address `source`. Raises OSError."""
        if self._sender is None or source != self._source:
            self._open_sender(source)
        assert self._sender is not None
        self._sender.sendto(payload, self._destination)

    def receive(self, limit: int, _sieve: Sieve | None = None) -> Iterator[Datagram | Rejection]:
        """Yield at most `limit` of the datagrams that wait."""
        for _ in range(limit):
            try:
                payload, sender = self.socket.recvfrom(RECEIVE_BYTES)
            except OSError:
                return
            source = socket.inet_pton(socket.AF_INET6, sender[0].partition("%")[0])
            yield Datagram(source, GROUP_V6, TTL, payload)

    def close(self) -> None:
        """Close the sockets."""
        self.socket.close()
        if self._sender is not None:
            self._sender.close()

    def _open_sender(self, source: bytes) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None
        sender = open_raw(socket.AF_INET6)
        try:
            scope = self._index if source.startswith(_LINK_LOCAL) else 0
            sender.bind((socket.inet_ntop(socket.AF_INET6, source), 0, 0, scope))
            send_to_interface(sender, self._index)
        except OSError:
            sender.close()
            raise
        self._sender, self._source = sender, source


def delivered(packet: bytes) -> Datagram | Rejection:
    """Take apart an IPv4 packet that the kernel has checked, put together and delivered.

    Not `parse_ipv4`: some kernels hand over the length and fragment fields in another byte order,
    and without the header's length. Never raises.
    """
    header = (packet[0] & 0x0F) * 4 if packet else 0
    if not _SHORTEST_HEADER <= header <= len(packet):
        return Rejection.TRUNCATED
    return Datagram(packet[12:16], packet[16:20], packet[8], packet[header:])


def in_host_order(packet: bytes) -> bytes:
    """Return an IPv4 packet as NetBSD and macOS want it with IP_HDRINCL, ip(4)."""
    length, fragment = _LENGTH_AND_FRAGMENT.unpack_from(packet, 2)
    return packet[:2] + struct.pack("=H2sH", length, packet[4:6], fragment) + packet[8:]
