"""From whatever the network delivers to the virtual host that it is meant for.

A receiver belongs to one interface and multicast group, and knows the virtual hosts there by
vhid. What it is given either reaches its virtual host as a valid advertisement or is a named
rejection, counted: on the virtual host if it concerns one, else here. It never raises.
"""

from collections import Counter

from carpool.carp.packet import GROUP_V4, GROUP_V6, TTL, Datagram
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import AUTHLEN, SIZE, VERSION_AND_TYPE, Rejection, checksum_holds, decode

_PACKET_SIZE = 20 + SIZE
_FIRST_BYTE = 0x45  # IPv4, and a header of 20 bytes without options


class Receiver:
    """The virtual hosts of one interface, found by vhid."""

    def __init__(self, group_v4: bytes = GROUP_V4) -> None:
        """Make a receiver for an IPv4 multicast group (4 bytes) and IPv6's ff02::12."""
        self.hosts: dict[int, VirtualHost] = {}
        self.rejections: Counter[Rejection] = Counter()
        self._groups = {4: group_v4, 6: GROUP_V6}
        self._by_head: dict[bytes, VirtualHost] = {}
        """By what a packet has from its destination up to the vhid."""

    def add(self, host: VirtualHost) -> None:
        """Let `host` hear what is sent to its vhid. One vhid can be there once: `ValueError`."""
        vhid = host.settings.vhid
        if vhid in self.hosts:
            raise ValueError(f"vhid {vhid} is already in use on this network")
        self.hosts[vhid] = host
        self._by_head[self._groups[4] + bytes((VERSION_AND_TYPE, vhid))] = host

    def receive(self, datagram: Datagram | Rejection, now: int) -> VirtualHost | Rejection:
        """Deliver a datagram, or count why it never became one.

        Return the virtual host that took it, whose timer and effects may have changed.
        """
        if isinstance(datagram, Rejection):
            return self._reject(datagram)
        if datagram.ttl != TTL:
            return self._reject(Rejection.TTL)
        if datagram.destination != self._groups[datagram.family]:
            return self._reject(Rejection.DESTINATION)
        advertisement = decode(datagram.payload)
        if isinstance(advertisement, Rejection):
            return self._reject(advertisement)
        host = self.hosts.get(advertisement.vhid)
        if host is None:
            return self._reject(Rejection.VHID)
        return host.receive(datagram, advertisement, now) or host

    def hears_again(self, packet: bytes, now: int) -> VirtualHost | None:
        """Deliver an IPv4 packet if it is its virtual host's routine; return that, or None.

        The short way for what comes each second: it does what `receive` would. The kernel has
        checked the IP header, as before a raw socket.
        """
        if len(packet) != _PACKET_SIZE or packet[0] != _FIRST_BYTE or packet[8] != TTL:
            return None
        host = self._by_head.get(packet[16:22])
        if host is None:
            return None
        routine = host.routine
        if routine is None or packet[12:16] != routine.source or packet[20:26] != routine.head:
            return None
        if not checksum_holds(packet[20:]) or not host.hear_again(packet[28:36], packet[36:], now):
            return None
        return host

    def turns_away(self, packet: bytes) -> bool:
        """Tell whether an IPv4 packet can only be a forgery, and count it if so.

        The short way for a flood: what it turns away `receive` would have rejected for its digest
        alone, after three times the work. The kernel has checked the IP header, as before a raw
        socket.
        """
        if len(packet) != _PACKET_SIZE or packet[0] != _FIRST_BYTE or packet[8] != TTL:
            return False
        host = self._by_head.get(packet[16:22])
        if host is None or packet[23] != AUTHLEN or not checksum_holds(packet[20:]):
            return False
        return host.turns_away(packet[12:16], packet[28:36], packet[36:])

    def _reject(self, rejection: Rejection) -> Rejection:
        self.rejections[rejection] += 1
        return rejection
