"""What ``ifconfig`` listed at one instant, in the daemon's terms."""

import socket
from collections.abc import Set

from carpool.carp.auth import Address
from carpool.node.host import AddressChanged, HostAddress, HostEvent, Interface, InterfaceGone
from carpool.node.hosts.ifconfig import Listed, Listing


class Snapshot:
    """What was listed last, with the indexes that the kernel has for the names."""

    def __init__(self, listing: Listing) -> None:
        indexes = {name: index for index, name in socket.if_nameindex()}
        self.interfaces = {
            indexes[name]: Interface(name, indexes[name], port.mac, port.carrier)
            for name, port in listing.ports.items()
            if name in indexes
        }
        self._listed = [one for one in listing.addresses if one.interface in indexes]
        self._by_address = {(one.interface, one.address.ip): one for one in self._listed}
        self.addresses = {
            key: HostAddress(indexes[one.interface], one.address, one.usable)
            for key, one in self._by_address.items()
        }

    def on(self, interface: str) -> list[Listed]:
        """Return the addresses of an interface."""
        return [one for one in self._listed if one.interface == interface]

    def find(self, interface: str, address: Address) -> Listed | None:
        """Return an address if it is on that interface."""
        return self._by_address.get((interface, address))

    def find_all(self, addresses: Set[Address]) -> list[Listed]:
        """Return which of these addresses are on any interface."""
        return [one for one in self._listed if one.address.ip in addresses]

    def changes_since(self, before: "Snapshot") -> list[HostEvent]:
        """Return what is different now."""
        gone = [
            InterfaceGone(index)
            for index, old in before.interfaces.items()
            if index not in self.interfaces or self.interfaces[index].name != old.name
        ]
        changed = [
            interface
            for index, interface in self.interfaces.items()
            if before.interfaces.get(index) != interface
        ]
        addresses = [
            AddressChanged(key[1], gone=key not in self.addresses)
            for key in before.addresses.keys() | self.addresses.keys()
            if before.addresses.get(key) != self.addresses.get(key)
        ]
        return [*gone, *changed, *addresses]
