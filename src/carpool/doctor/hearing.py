"""Hearing on one interface what arrives, what leaves, and what this host's raw sockets get.

On Linux through a packet socket, which stands before the packet filter, and through raw IP sockets,
which stand behind it: what the first has and the second lack was dropped on this host. Elsewhere
through the raw sockets alone.
"""

import socket
import struct
import sys
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from ipaddress import IPv6Address

from carpool.carp.packet import GROUP_V4, GROUP_V6, TTL, Datagram, parse_ipv4
from carpool.carp.wire import PROTOCOL, Rejection
from carpool.doctor.observation import Word
from carpool.doctor.record import Record
from carpool.node.links.filters import JEQ, LDB, LDH, RET, UNTAGGED, Step
from carpool.node.links.packet import listen
from carpool.node.listening import CannotListenError, open_sockets

_ALL_PROTOCOLS = 0x0003  # ETH_P_ALL: the only one that sees what leaves
_IPV4, _IPV6, _ARP = 0x0800, 0x86DD, 0x0806
_ICMPV6, _NEIGHBOUR_ADVERTISEMENT = 58, 136
_BYTES = 2048
_BUDGET = 256  # packets at a time
_RECEIVE_BUFFER = 1 << 20

WANTED: list[Step] = [
    *UNTAGGED,
    (LDH, 0, 0, 12),
    (JEQ, 9, 0, _ARP),
    (JEQ, 0, 2, _IPV4),
    (LDB, 0, 0, 23),
    (JEQ, 6, 7, PROTOCOL),
    (JEQ, 0, 6, _IPV6),
    (LDB, 0, 0, 20),
    (JEQ, 3, 0, PROTOCOL),
    (JEQ, 0, 3, _ICMPV6),
    (LDB, 0, 0, 54),
    (JEQ, 0, 1, _NEIGHBOUR_ADVERTISEMENT),
    (RET, 0, 0, _BYTES),
    (RET, 0, 0, 0),
]
"""BPF over a frame: protocol 112 of both families, ARP, and neighbour advertisements."""


class Hearing:
    """The sockets of one interface, and what they heard. A context manager."""

    def __init__(self, interface: str, groups: Collection[bytes] = (), *, whole: bool) -> None:
        """Listen, also to further IPv4 multicast `groups`. Raises CannotListenError.

        `whole`: all that arrives is for this interface, so that raw sockets should get it.
        """
        self.interface = interface
        self.record = Record(interface)
        self._stack = ExitStack()
        self._raw = [self._stack.enter_context(one) for one in open_sockets(interface)]
        self._tap: socket.socket | None = None
        self._whole = whole
        try:
            self._join(groups)
            if sys.platform == "linux":
                tap = listen(interface, _ALL_PROTOCOLS, WANTED)
                self._tap = self._stack.enter_context(tap)
                tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        except OSError as error:
            self.close()
            raise CannotListenError(f"cannot listen on {interface!r}: {error}") from None
        self.sockets = [*self._raw, *([self._tap] if self._tap else [])]
        for one in self.sockets:
            one.setblocking(False)

    def __enter__(self) -> "Hearing":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _join(self, groups: Iterable[bytes]) -> None:
        index = socket.if_nametoindex(self.interface)
        for group in set(groups) - {GROUP_V4}:
            request = struct.pack("=4s4si", group, b"", index)
            self._raw[0].setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)

    def ask(self, frame: bytes) -> None:
        """Send a question, where the system lets us. Raises OSError."""
        if self._tap is not None:
            self._tap.send(frame)

    def receive(self, now: int) -> None:
        """Take note of what has arrived, within a budget. `now` is in ns."""
        for raw in self._raw:
            for _ in range(_BUDGET):
                try:
                    packet, sender = raw.recvfrom(_BYTES)
                except OSError:
                    break
                self._on_raw(raw.family, packet, sender, now)
        for _ in range(_BUDGET if self._tap else 0):
            assert self._tap is not None
            try:
                frame, sender = self._tap.recvfrom(_BYTES)
            except OSError:
                return
            self.record.on_frame(frame, now, outgoing=sender[2] == socket.PACKET_OUTGOING)

    def _on_raw(self, family: int, packet: bytes, sender: tuple[str, int], now: int) -> None:
        datagram: Datagram | Rejection
        if family == socket.AF_INET6:
            # Without its header; it came to a link-local group, so through no router.
            source = IPv6Address(sender[0].partition("%")[0]).packed
            datagram = Datagram(source, GROUP_V6, TTL, packet)
        else:
            datagram = parse_ipv4(packet)
        if isinstance(datagram, Rejection):
            return
        self.record.on_delivered(datagram)
        if self._tap is None:
            self.record.on_packet(packet, datagram, now)

    def words(self) -> list[Word]:
        """Return what was heard."""
        return self.record.words(delivery=self._tap is not None and self._whole)

    def close(self) -> None:
        """Close the sockets."""
        self._stack.close()
