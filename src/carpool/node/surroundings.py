"""The host changes under the daemon: its segments and groups are told what that means for them."""

from collections.abc import Mapping

from carpool.carp.auth import Address
from carpool.carp.timing import SECOND
from carpool.node.group import Group
from carpool.node.host import (
    AddressChanged,
    EventsLost,
    Host,
    HostError,
    HostEvent,
    Interface,
    InterfaceGone,
)
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.segment import Segment, own_sources

_RETRY_AFTER = SECOND
"""Until the next try to open an interface that has come back, or to list what there is (ns)."""


class Surroundings:
    """The interfaces and addresses of the host, as far as they concern a daemon."""

    def __init__(
        self, segments: Mapping[tuple[str, bytes], Segment], *, host: Host, loop: Loop, log: Log
    ) -> None:
        """Know nothing yet. `segments`: all that the daemon has, by interface and group."""
        self.interfaces: dict[str, Interface] = {}
        """Those that are there, by name."""
        self._names: dict[int, str] = {}
        """Of those, by index."""
        self._segments = segments
        self._holders: dict[Address, Group] = {}
        self._host = host
        self._log = log
        self._again = loop.call_at(loop.now(), self._try_again)
        self._again.cancel()
        self._missed = False
        """Whether events were missed, and what has happened could not be found out yet."""
        self._loop = loop

    def look(self) -> None:
        """List the interfaces. Raises HostError."""
        for one in self._host.interfaces():
            self._note(one)

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
                    self._on_interface_gone(event.index)
                case AddressChanged():
                    stale_sources |= event.address not in self._holders
                    if event.gone and event.address in self._holders:
                        self._holders[event.address].address_gone(event.address)
                case EventsLost():
                    stale_sources = True
                    self._look_again()
        if stale_sources:
            self.refresh_sources()

    def _look_again(self) -> None:
        """Find out what has happened while events were missed."""
        try:
            interfaces = self._host.interfaces()
            here = {one.interface.ip for one in self._host.addresses()}
        except HostError as error:
            self._log.error(str(error), key="addresses")
            self._missed = True
            self._again.reschedule(self._loop.now() + _RETRY_AFTER)
            return
        self._missed = False
        indexes = {one.index for one in interfaces}
        for known in list(self.interfaces.values()):
            if known.index not in indexes:
                self._on_interface_gone(known.index)
        for interface in interfaces:
            self._on_interface(interface)
        for address, group in self._holders.items():
            if address not in here:
                group.address_gone(address)

    def _note(self, interface: Interface) -> None:
        self.interfaces[interface.name] = interface
        self._names[interface.index] = interface.name

    def _on_interface(self, interface: Interface) -> None:
        self._lose_those_that_it_replaces(interface)
        before = self.interfaces.get(interface.name)
        moved = before is not None and before.mac != interface.mac
        self._note(interface)
        changed = before is None or before.carrier != interface.carrier
        told = False
        for segment in self._segments.values():
            if segment.interface != interface.name:
                continue
            reopened = segment.link is None and self._reopen(segment, interface)
            if segment.link is None:
                continue
            segment.link.mac = interface.mac
            if changed or reopened:
                if not told:
                    self._tell_link(interface, f"link {'up' if interface.carrier else 'down'}")
                for group in segment.groups:
                    group.link_changed(carrier=interface.carrier)
            elif moved:
                if not told:
                    self._tell_link(interface, f"has MAC {interface.mac.hex(':')} now")
                for group in segment.groups:
                    group.hardware_address_changed()
            told = True

    def _lose_those_that_it_replaces(self, interface: Interface) -> None:
        name = self._names.get(interface.index)
        if name is not None and name != interface.name:
            self._lose(self.interfaces[name], f"it is called {interface.name} now")
        known = self.interfaces.get(interface.name)
        if known is not None and known.index != interface.index:
            self._lose(known, "another interface has that name now")

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

    def _on_interface_gone(self, index: int) -> None:
        name = self._names.get(index)
        if name is not None:
            self._lose(self.interfaces[name], "the interface has gone")

    def _lose(self, interface: Interface, why: str) -> None:
        """Do without an interface: it has gone, or has not that name any more."""
        del self.interfaces[interface.name], self._names[interface.index]
        lost = [
            segment
            for segment in self._segments.values()
            if segment.link is not None and segment.interface == interface.name
        ]
        if lost:
            self._log.happened(
                "link",
                Level.ERROR,
                f"{interface.name}: {why}",
                details={"interface": interface.name, "there": False, "carrier": False},
            )
        for segment in lost:
            for group in segment.groups:
                group.link_gone()  # First: what only has another name has our addresses still.
            segment.close()

    def _reopen(self, segment: Segment, interface: Interface) -> bool:
        """Open a segment on an interface that has come back. Tell whether that worked."""
        try:
            segment.open(interface)
        except OSError as error:
            # An interface that is still being set up says so again when it is. Nobody says when
            # there are descriptors or memory again.
            self._log.error(f"{interface.name}: {error}", key=f"reopen {interface.name}")
            self._again.reschedule(self._loop.now() + _RETRY_AFTER)
            return False
        self.refresh_sources()
        return True

    def _try_again(self) -> None:
        """Find out what was missed; open what could not be opened, where there is the interface."""
        if self._missed:
            self._look_again()
            self.refresh_sources()
        for segment in self._segments.values():
            interface = self.interfaces.get(segment.interface)
            if segment.link is None and interface is not None:
                self._on_interface(interface)

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
