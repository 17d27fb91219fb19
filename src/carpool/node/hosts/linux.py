"""Linux: addresses and events over netlink, frames through raw IP and packet sockets."""

from collections.abc import Callable, Collection, Container, Iterable, Sequence
from contextlib import suppress
from errno import EADDRNOTAVAIL, ENODEV
from functools import partial
from pathlib import Path

from carpool.carp.auth import Address
from carpool.netlink.messages import AddressGone, AddressInfo, LinkGone, LinkInfo
from carpool.netlink.monitor import Overrun, RouteMonitor
from carpool.netlink.renewal import Renewer, renewal_request
from carpool.netlink.route import AddressChange, NetlinkError, Route
from carpool.node.host import (
    AddressChanged,
    AnyInterface,
    Done,
    EventsLost,
    HostAddress,
    HostError,
    HostEvent,
    Interface,
    InterfaceGone,
)
from carpool.node.links.linux import LinuxLink
from carpool.node.loop import Loop

_TENTATIVE = 0x40
"""IFA_F_TENTATIVE (linux/if_addr.h): an IPv6 address that may not be used yet."""
_CAP_NET_ADMIN = 12
_CAP_NET_RAW = 13
"""Bits of CapEff (linux/capability.h)."""
_ALREADY_GONE = (0, EADDRNOTAVAIL, ENODEV)


class LinuxHost:
    """The network namespace in which it is made. Needs CAP_NET_RAW, and CAP_NET_ADMIN to change."""

    def __init__(self, loop: Loop) -> None:
        """Open netlink. Raises HostError."""
        self._loop = loop
        try:
            self._route = Route()
            self._renewer = Renewer()
        except NetlinkError as error:
            raise HostError(str(error)) from error
        self._renewals: list[bytes] = []
        self._present: set[Address] | None = None
        loop.watch(self._renewer, self._renewer.discard_refusals)

    def close(self) -> None:
        """Close the sockets that it was made with."""
        self._loop.unwatch(self._renewer)
        self._renewer.close()
        self._route.close()

    def interfaces(self) -> list[Interface]:
        """Return every interface. Raises HostError."""
        try:
            return [_interface(link) for link in self._route.links()]
        except NetlinkError as error:
            raise HostError(str(error)) from error

    def addresses(self) -> list[HostAddress]:
        """Return every address of every interface. Raises HostError."""
        try:
            found = self._route.addresses()
        except NetlinkError as error:
            raise HostError(str(error)) from error
        return [
            HostAddress(info.index, info.interface, not info.flags & _TENTATIVE) for info in found
        ]

    def present(self) -> Container[Address]:
        """Return every address there is, as of this round of the loop. Raises HostError."""
        if self._present is None:
            self._present = {one.interface.ip for one in self.addresses()}
            self._loop.at_end_of_round(self._forget_present)
        return self._present

    def _forget_present(self) -> None:
        self._present = None

    def missing_privileges(self, *, change_addresses: bool) -> str | None:
        """Return what this process may not do and how to mend it, or None."""
        effective = _effective_capabilities()
        wanted = {"CAP_NET_RAW (to advertise)": _CAP_NET_RAW}
        if change_addresses:
            wanted["CAP_NET_ADMIN (to hold addresses)"] = _CAP_NET_ADMIN
        missing = [name for name, bit in wanted.items() if not effective >> bit & 1]
        if not missing:
            return None
        return f"this process lacks {' and '.join(missing)}; start it as root, or give it these"

    def watch(
        self, callback: Callable[[list[HostEvent]], None], own: Collection[Address] = ()
    ) -> None:
        """Tell `callback` of every change, of the addresses `own` only that they go.

        Raises HostError.
        """
        try:
            monitor = RouteMonitor(
                only_losses_of={address.packed for address in own},
                added_by=(self._renewer.port, self._route.port),
            )
        except OSError as error:
            raise HostError(str(error)) from error
        self._loop.watch(monitor, lambda: callback(self._events(monitor)))

    def open_link(self, interface: Interface, group: bytes, families: Sequence[int]) -> LinuxLink:
        """Open the sockets for an IPv4 multicast group and `families`. Raises OSError."""
        return LinuxLink(interface.name, interface.index, interface.mac, group, families)

    def add_addresses(
        self,
        interface: Interface,
        addresses: Sequence[AnyInterface],
        done: Done,
        *,
        lifetime: int | None = None,
    ) -> None:
        """Put `addresses` on for `lifetime` seconds, also what is there. Call `done`, at once."""
        changes = [AddressChange(interface.index, address, lifetime) for address in addresses]
        done(self._change("add", changes, accepted=(0,)))

    def renewal(
        self, interface: Interface, addresses: Sequence[AnyInterface], lifetime: int
    ) -> Callable[[], None]:
        """Return what lets the kernel keep `addresses` for `lifetime` seconds from each call."""
        return partial(self._renew_soon, renewal_request(interface.index, addresses, lifetime))

    def _renew_soon(self, request: bytes) -> None:
        """Renew at the end of the loop's round, together with others."""
        if not self._renewals:
            self._loop.at_end_of_round(self._renew)
        self._renewals.append(request)

    def _renew(self) -> None:
        """Renew what waits for it. It must come before any removal, else it would undo that."""
        requests, self._renewals = self._renewals, []
        if requests:
            with suppress(NetlinkError):
                self._renewer.renew(requests)

    def remove_addresses(
        self, interface: Interface, addresses: Sequence[AnyInterface], done: Done
    ) -> None:
        """Take `addresses` off; also what is not there. Then call `done`, at once."""
        changes = [AddressChange(interface.index, address, delete=True) for address in addresses]
        self._forget_present()
        done(self._change("remove", changes, accepted=_ALREADY_GONE))

    def sweep(self, addresses: Iterable[Address]) -> list[AnyInterface]:
        """Take `addresses` off every interface, whatever their prefix. Raises HostError."""
        unwanted = set(addresses)
        try:
            found = [info for info in self._route.addresses() if info.interface.ip in unwanted]
        except NetlinkError as error:
            raise HostError(str(error)) from error
        changes = [AddressChange(info.index, info.interface, delete=True) for info in found]
        problem = self._change("remove", changes, accepted=_ALREADY_GONE)
        if problem:
            raise HostError(problem)
        return [info.interface for info in found]

    def for_child(self, loop: Loop) -> "LinuxHost":
        """Return a host with sockets of its own. Raises HostError."""
        return LinuxHost(loop)

    def _change(
        self, verb: str, changes: Sequence[AddressChange], accepted: tuple[int, ...]
    ) -> str | None:
        """Make all changes; return what went wrong with the first that did, or None."""
        self._renew()
        try:
            errnos = self._route.change_addresses(changes)
        except NetlinkError as error:
            return str(error)
        for change, errno in zip(changes, errnos, strict=True):
            if errno not in accepted:
                return str(NetlinkError(f"{verb} address {change.interface}", errno))
        return None

    def _events(self, monitor: RouteMonitor) -> list[HostEvent]:
        events: list[HostEvent] = []
        for event in monitor.read():
            match event:
                case LinkInfo():
                    events.append(_interface(event))
                case LinkGone():
                    events.append(InterfaceGone(event.index))
                case AddressInfo():
                    events.append(AddressChanged(event.interface.ip))
                case AddressGone():
                    events.append(AddressChanged(event.address.interface.ip, gone=True))
                case Overrun():
                    events.append(EventsLost())
        return events


def _interface(link: LinkInfo) -> Interface:
    return Interface(link.name, link.index, link.mac, link.carrier)


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return int(value, 16)
    return 0
