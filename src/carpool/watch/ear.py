"""Hearing every advertisement on one interface, as an onlooker.

On Linux through a packet socket, which sees what this host says, too; elsewhere through the raw
sockets of `carpool.node.listening`, which do not.
"""

import select
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv6Address

from carpool.carp.packet import GROUP_V6, TTL, Datagram, parse_ipv4, parse_ipv6
from carpool.carp.wire import PROTOCOL, Rejection
from carpool.node.links.filters import JEQ, LDB, RET, UNTAGGED, Step
from carpool.node.links.packet import listen
from carpool.node.listening import CannotListenError, open_sockets

_ALL_PROTOCOLS = 0x0003  # ETH_P_ALL: the only one that sees what leaves
_BYTES = 2048
_BUDGET = 512  # packets at a time
_VERSION_SHIFT = (0x74, 0, 0, 4)

PROTOCOL_112: list[Step] = [
    *UNTAGGED,
    (LDB, 0, 0, 0),
    _VERSION_SHIFT,
    (JEQ, 0, 3, 4),
    (LDB, 0, 0, 9),
    (JEQ, 3, 0, PROTOCOL),
    (RET, 0, 0, 0),
    (JEQ, 0, 3, 6),
    (LDB, 0, 0, 6),
    (JEQ, 0, 1, PROTOCOL),
    (RET, 0, 0, _BYTES),
    (RET, 0, 0, 0),
]
"""BPF over an IP packet, IPv4 or IPv6 without extension headers, that accepts protocol 112."""


class Ear:
    """The sockets. A context manager."""

    def __init__(self, interface: str) -> None:
        """Listen. Raises CannotListenError, whose text says what to do."""
        self._stack = ExitStack()
        self.hears_itself = sys.platform == "linux"
        # They are what makes switches and the interface let the groups through.
        joined = [self._stack.enter_context(one) for one in open_sockets(interface)]
        self.sockets = joined
        if self.hears_itself:
            try:
                tap = listen(interface, _ALL_PROTOCOLS, PROTOCOL_112, socket.SOCK_DGRAM)
                self.sockets = [self._stack.enter_context(tap)]
            except OSError as error:
                self.close()
                raise CannotListenError(f"cannot listen on {interface!r}: {error}") from None
            for one in joined:  # They need not collect what nobody reads.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        for one in self.sockets:
            one.setblocking(False)

    def __enter__(self) -> "Ear":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, seconds: float) -> None:
        """Wait until something arrives, or the time has passed."""
        select.select(self.sockets, [], [], max(seconds, 0))

    def receive(self) -> Iterator[Datagram | Rejection]:
        """Yield what has arrived, within a budget."""
        for one in self.sockets:
            for _ in range(_BUDGET):
                try:
                    packet, sender = one.recvfrom(_BYTES)
                except OSError:
                    break
                if one.family == socket.AF_INET6:
                    # Without its header; it came to a link-local group, so through no router.
                    source = IPv6Address(sender[0].partition("%")[0]).packed
                    yield Datagram(source, GROUP_V6, TTL, packet)
                elif packet[:1] and packet[0] >> 4 == 6:
                    yield parse_ipv6(packet)
                else:
                    yield parse_ipv4(packet)

    def close(self) -> None:
        """Close the sockets."""
        self._stack.close()
