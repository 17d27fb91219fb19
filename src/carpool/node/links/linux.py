"""Frames in and out on Linux: raw IP sockets, and a packet socket for what needs a frame."""

import socket
from collections.abc import Iterable, Iterator

from carpool.carp import frames
from carpool.carp.packet import GROUP_V6, Datagram, ipv4_packet, ipv6_packet
from carpool.carp.wire import Rejection
from carpool.node.links.rawip import RawIPv4, RawIPv6
from carpool.node.settings import Advertise

RECEIVE_BUDGET = 64
"""Datagrams taken from a socket per wake-up: a flood must not starve the timers."""


class LinuxLink:
    """The sockets of one interface. Made anew when the interface is deleted and comes back.

    Raises OSError where the host refuses; the caller knows what it was doing.
    """

    def __init__(
        self, interface: str, index: int, mac: bytes, group: bytes, families: Iterable[int]
    ) -> None:
        """Open what `families` (of 4 and 6) need on interface number `index`."""
        self.interface = interface
        self.index = index
        self.mac = mac
        self._group = group
        self._raw: dict[int, RawIPv4 | RawIPv6] = {}
        # Protocol 0: it sends, and nothing ever arrives at it.
        self._packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            for family in families:
                self._raw[family] = (
                    RawIPv4(interface, index, group) if family == 4 else RawIPv6(interface, index)
                )
        except OSError:
            self.close()
            raise

    def sockets(self) -> list[socket.socket]:
        """Return the sockets to watch for reading."""
        return [raw.socket for raw in self._raw.values()]

    def receive(self) -> Iterator[Datagram | Rejection]:
        """Yield what has arrived, within a budget."""
        for raw in self._raw.values():
            yield from raw.receive(RECEIVE_BUDGET)

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
            self._send_frame(frames.ethernet(self.mac, frames.BROADCAST, packet))
        else:
            virtual = frames.virtual_mac(vhid)
            self._send_frame(frames.ethernet(virtual, frames.multicast_mac(group), packet))

    def announce(self, address: bytes) -> None:
        """Tell the network that `address` (4 or 16 bytes) lives at this interface now."""
        self._send_frame(frames.announcement(self.mac, address))

    def close(self) -> None:
        """Close the sockets."""
        self._packet.close()
        for raw in self._raw.values():
            raw.socket.close()

    def _send_frame(self, frame: bytes) -> None:
        self._packet.sendto(frame, (self.interface, 0))
