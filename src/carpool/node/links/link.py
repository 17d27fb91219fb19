"""What the links of all systems share: raw sockets by family, and frames for what needs one."""

import socket
from collections.abc import Collection, Iterator
from typing import Protocol

from carpool.carp import frames
from carpool.carp.packet import GROUP_V6, Datagram, ipv4_packet, ipv6_packet
from carpool.carp.wire import Rejection
from carpool.node.links.rawip import Sieve
from carpool.node.settings import Advertise

RECEIVE_BUDGET = 2048
"""Datagrams taken from a socket per wake-up: a flood must not starve the timers.

Two wake-ups come before a timer that was late, and empty a buffer that was full: a backup that has
slept must not take over from a master whose word is still in it.
"""


class RawSocket(Protocol):
    """Advertisements over one IP family, as the host itself sends them."""

    socket: socket.socket

    def send(self, source: bytes, payload: bytes) -> None:
        """Send an advertisement from our address `source`. Raises OSError."""
        ...

    def receive(self, limit: int, sieve: Sieve | None = None, /) -> Iterator[Datagram | Rejection]:
        """Yield of at most `limit` datagrams that wait those that `sieve` does not drop."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class RawLink:
    """The sockets of one interface. Made anew when the interface is deleted and comes back."""

    def __init__(self, interface: str, index: int, mac: bytes, group: bytes) -> None:
        """Make a link without sockets on interface number `index`; `group` has 4 bytes."""
        self.interface = interface
        self.index = index
        self.mac = mac
        self._group = group
        self._raw: dict[int, RawSocket] = {}

    def sockets(self) -> list[socket.socket]:
        """Return the sockets to watch for reading."""
        return [raw.socket for raw in self._raw.values()]

    def only_hear(
        self,
        vhids: Collection[int],  # noqa: ARG002
        *,
        sample: bool = False,  # noqa: ARG002
        muted: Collection[bytes] = (),  # noqa: ARG002
    ) -> bool:
        """Let the kernel turn away what is for none of `vhids`, where it can. Raises OSError.

        To `sample` is to let only a few through of what does not have the form of CARP, and a few
        of what comes from the IPv4 addresses `muted`. Tell whether the system can.
        """
        return False

    def receive(self, sieve: Sieve | None = None) -> Iterator[Datagram | Rejection]:
        """Yield what has arrived, within a budget; a `sieve` may drop IPv4 packets unseen."""
        for raw in self._raw.values():
            yield from raw.receive(RECEIVE_BUDGET, sieve)

    def advertise(self, vhid: int, source: bytes, payload: bytes, how: Advertise) -> None:
        """Send an advertisement from our address `source`, over that address's family."""
        family = 4 if len(source) == 4 else 6
        if how is Advertise.REAL_MAC:
            self._raw[family].send(source, payload)
            return
        if family == 4:
            packet, group = ipv4_packet(source, payload, self._group), self._group
        else:
            packet, group = ipv6_packet(source, payload), GROUP_V6
        if how is Advertise.BROADCAST:
            self.send_frame(frames.ethernet(self.mac, frames.BROADCAST, packet))
        else:
            virtual = frames.virtual_mac(vhid)
            self.send_frame(frames.ethernet(virtual, frames.multicast_mac(group), packet))

    def announce(self, address: bytes) -> None:
        """Tell the network that `address` (4 or 16 bytes) lives at this interface now."""
        self.send_frame(frames.announcement(self.mac, address))

    def probe(self, address: bytes) -> None:
        """Ask who has `address`; whoever does claims it. Raises OSError."""
        self.send_frame(frames.question(self.mac, None, address))

    def watch_claims(self, families: Collection[int]) -> list[socket.socket]:  # noqa: ARG002
        """Be ready to hear who else claims addresses: no sockets where the system cannot."""
        return []

    def only_claims_of(self, addresses: Collection[bytes]) -> None:
        """Hear from now on who else claims `addresses`, where the system can. Raises OSError."""

    def claims(self) -> Iterator[frames.Claim]:
        """Yield what claims have arrived, within a budget."""
        return iter(())

    def send_frame(self, frame: bytes) -> None:
        """Send an Ethernet frame. Raises OSError."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the sockets."""
        for raw in self._raw.values():
            raw.close()
