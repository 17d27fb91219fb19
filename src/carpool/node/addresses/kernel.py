"""Virtual addresses on the interfaces of this Linux host, through netlink. Needs CAP_NET_ADMIN."""

from collections.abc import Iterable, Sequence
from errno import EADDRNOTAVAIL, ENODEV
from ipaddress import IPv4Interface, IPv6Interface

from carpool.carp.auth import Address
from carpool.netlink.route import AddressChange, NetlinkError, Route

_ALREADY_GONE = (0, EADDRNOTAVAIL, ENODEV)


class KernelAddresses:
    """Puts addresses on and takes them off; both may be done twice."""

    def __init__(self, route: Route) -> None:
        self._route = route

    def add(self, index: int, addresses: Sequence[IPv4Interface | IPv6Interface]) -> None:
        """Put `addresses` on interface number `index`. Raises NetlinkError."""
        changes = [AddressChange(index, address) for address in addresses]
        self._change("add", changes, accepted=(0,))

    def remove(self, index: int, addresses: Sequence[IPv4Interface | IPv6Interface]) -> None:
        """Take `addresses` off. Raises NetlinkError for the first that stays there."""
        changes = [AddressChange(index, address, delete=True) for address in addresses]
        self._change("remove", changes, accepted=_ALREADY_GONE)

    def sweep(self, addresses: Iterable[Address]) -> list[IPv4Interface | IPv6Interface]:
        """Take `addresses` off whatever interface has them, with whatever prefix.

        What a killed daemon left behind. Return what was there. Raises NetlinkError.
        """
        unwanted = set(addresses)
        found = [info for info in self._route.addresses() if info.interface.ip in unwanted]
        changes = [AddressChange(info.index, info.interface, delete=True) for info in found]
        self._change("remove", changes, accepted=_ALREADY_GONE)
        return [info.interface for info in found]

    def _change(
        self, verb: str, changes: Sequence[AddressChange], accepted: tuple[int, ...]
    ) -> None:
        for change, errno in zip(changes, self._route.change_addresses(changes), strict=True):
            if errno not in accepted:
                raise NetlinkError(f"{verb} address {change.interface}", errno)
