"""The host changes under the daemon: its segments and groups are told what that means for them."""

from collections.abc import Mapping

from carpool.carp.auth import Address
from carpool.node.group import Group
from carpool.node.host import AddressChanged, Host, HostError, HostEvent, Interface, InterfaceGone
from carpool.node.log import Level, Log
from carpool.node.segment import Segment, own_sources


class Surroundings:
    """The interfaces and addresses of the host, as far as they concern a daemon."""

    def __init__(
        self, segments: Mapping[tuple[str, bytes], Segment], *, host: Host, log: Log
    ) -> None:
        """Know nothing yet. `segments`: all that the daemon has, by interface and group."""
        self.interfaces: dict[str, Interface] = {}
        """Those that are there, by name."""
        self._segments = segments
        self._holders: dict[Address, Group] = {}
        self._host = host
        self._log = log

    def look(self) -> None:
        """List the interfaces. Raises HostError."""
        self.interfaces = {one.name: one for one in self._host.interfaces()}

    def add(self, group: Group) -> None:
        """Tell `group` what happens to its addresses."""
        self._holders |= {address.ip: group for address in group.settings.addresses}

    def own_macs(self) -> set[bytes]:
        """Return the hardware addresses of this host."""
        return {one.mac for one in self.interfaces.values()}

    def on_events(self, events: list[HostEvent]) -> None:
        """Take note of what has happened on the host, in its order."""
        stale_sources = False
        for event in events:
            match event:
                case Interface():
                    self._on_interface(event)
                case InterfaceGone():
                    self._on_interface_gone(event)
                case AddressChanged():
                    stale_sources |= event.address not in self._holders
                    self._on_address(event)
        if stale_sources:
            self.refresh_sources()

    def _on_address(self, event: AddressChanged) -> None:
        if event.address is None:
            self._find_losses()
        elif event.gone and event.address in self._holders:
            self._holders[event.address].address_gone(event.address)

    def _find_losses(self) -> None:
        """Look which addresses have gone while events were missed."""
        try:
            here = {one.interface.ip for one in self._host.addresses()}
        except HostError as error:
            self._log.error(str(error), key="addresses")
            return
        for address, group in self._holders.items():
            if address not in here:
                group.address_gone(address)

    def _on_interface(self, interface: Interface) -> None:
        before = self.interfaces.get(interface.name)
        moved = before is not None and before.mac != interface.mac
        self.interfaces[interface.name] = interface
        changed = before is None or before.carrier != interface.carrier
        for segment in self._segments.values():
            if segment.interface != interface.name:
                continue
            reopened = segment.link is None and self._reopen(segment, interface)
            if segment.link is None:
                continue
            segment.link.mac = interface.mac
            if changed or reopened:
                self._tell_link(interface, f"link {'up' if interface.carrier else 'down'}")
                for group in segment.groups:
                    group.link_changed(carrier=interface.carrier)
            elif moved:
                self._tell_link(interface, f"has MAC {interface.mac.hex(':')} now")
                for group in segment.groups:
                    group.hardware_address_changed()

    def _tell_link(self, interface: Interface, what: str) -> None:
        self._log.happened(
            "link",
            Level.NOTICE,
            f"{interface.name}: {what}",
            details={
                "interface": interface.name,
                "there": True,
                "carrier": interface.carrier,
                "mac": interface.mac.hex(":"),
            },
        )

    def _on_interface_gone(self, event: InterfaceGone) -> None:
        for name in [one.name for one in self.interfaces.values() if one.index == event.index]:
            del self.interfaces[name]
        for segment in self._segments.values():
            if segment.link is not None and segment.link.index == event.index:
                self._log.happened(
                    "link",
                    Level.ERROR,
                    f"{segment.interface}: the interface has gone",
                    details={"interface": segment.interface, "there": False, "carrier": False},
                )
                segment.close()
                for group in segment.groups:
                    group.link_gone()

    def _reopen(self, segment: Segment, interface: Interface) -> bool:
        """Open a segment on an interface that has come back. Tell whether that worked."""
        try:
            segment.open(interface)
        except OSError as error:
            # An interface that is still being set up says so again when it is.
            self._log.error(f"{interface.name}: {error}", key=f"reopen {interface.name}")
            return False
        self.refresh_sources()
        return True

    def refresh_sources(self) -> None:
        """Find the addresses to advertise from; they may come, go and change at any time."""
        try:
            found = self._host.addresses()
        except HostError as error:
            self._log.error(str(error), key="addresses")
            return
        for segment in self._segments.values():
            if segment.link is None:
                continue
            index = segment.link.index
            here = [
                one for one in found if one.index == index and one.interface.ip not in self._holders
            ]
            for group in segment.groups:
                group.use_sources(own_sources(here, group.settings.sources))
