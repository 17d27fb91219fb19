"""The lab: zones on LAN segments, which are bridges in the hub's network namespace."""

import signal
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Interface, IPv6Interface
from typing import Final, Self

from carpool.lab.namespaces import LabError
from carpool.lab.zone import Port, Zone, write_settings
from carpool.netlink import Route
from carpool.netlink.messages import IFA_F_TENTATIVE, OPER_UP, LinkInfo

_GRACE_SECONDS: Final = 5.0
_READY_SECONDS: Final = 10.0
_READY_POLL_SECONDS: Final = 0.001
# The hub only passes frames: no addresses, no chatter of its own in the zones' captures.
_HUB_SETTINGS: Final = {
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
}


class Lab:
    """Zones and the segments between them. A context manager; one for each `namespaces.inside`.

    The process must be in the hub, a network namespace of its own, when it makes one; what it
    makes there goes with the namespace.

    `zones` are by name, in the order they were added.
    """

    def __init__(self) -> None:
        write_settings(_HUB_SETTINGS)
        self.zones: dict[str, Zone] = {}
        self._route = Route()
        self._bridges: dict[str, int] = {}
        self._cables = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def route(self) -> Route:
        """Netlink in the hub, where the bridges and the hub's ends of the cables are."""
        return self._route

    def add_zone(
        self,
        name: str,
        interface: str = "net0",
        addresses: Iterable[IPv4Interface | IPv6Interface] = (),
        segment: str = "lan",
    ) -> Zone:
        """Make a zone with one interface on a segment, ready for traffic on return.

        Raises LabError if there is a zone of that name, NetlinkError if the kernel refuses.
        """
        if name in self.zones:
            raise LabError(f"zone {name}: there is one of that name already")
        zone = Zone(name, number=len(self.zones) + 1)
        self.zones[name] = zone
        self.connect(zone, interface, addresses, segment)
        return zone

    def connect(
        self,
        zone: Zone,
        interface: str,
        addresses: Iterable[IPv4Interface | IPv6Interface] = (),
        segment: str = "lan",
    ) -> Port:
        """Give the zone an interface on a segment, which is made if it is not there yet."""
        bridge = self._bridge(segment)
        self._cables += 1
        hub_end = self._route.add_veth(
            f"v{self._cables}", interface, peer_netns_fd=zone.namespace.fd
        )
        zone_end = zone.route.link(interface)
        if zone_end is None:
            raise LabError(f"zone {zone.name}: interface {interface} went away as it was made")
        port = Port(interface, zone_end.index, hub_end.index, bridge, tuple(addresses))
        self._route.set_link(hub_end.index, master=bridge, up=True)
        zone.route.set_link(zone_end.index, up=True)
        for address in port.addresses:
            zone.route.add_address(zone_end.index, address)
        until_up(self._route, f"v{self._cables}")
        until_up(zone.route, interface)
        _until_usable(zone.route, zone_end)
        zone.ports[interface] = port
        return port

    def close(self) -> None:
        """Kill all that runs in the zones and let go of them; twice is harmless."""
        for zone in self.zones.values():
            zone.signal(signal.SIGKILL)
        for zone in self.zones.values():
            zone.reap(_GRACE_SECONDS)
            # They would go with the zone's namespace, but that ends when the kernel comes to it.
            for port in zone.ports.values():
                self._route.delete_link(port.hub_index)
            zone.close()
        self.zones.clear()
        for bridge in self._bridges.values():
            self._route.delete_link(bridge)
        self._bridges.clear()
        self._route.close()

    def _bridge(self, segment: str) -> int:
        if segment not in self._bridges:
            link = self._route.add_bridge(f"br{len(self._bridges) + 1}")
            self._route.set_link(link.index, up=True)
            self._bridges[segment] = link.index
        return self._bridges[segment]


def until_up(route: Route, name: str) -> None:
    """Wait until a link that has just been switched on passes frames; LabError if it does not.

    A carrier takes effect in a kernel worker: what is sent before that is dropped without an error.
    """

    def up() -> bool:
        link = route.link(name)
        return link is not None and link.operstate == OPER_UP

    _until(up, f"interface {name}: has no carrier")


def _until_usable(route: Route, link: LinkInfo) -> None:
    """Wait until each IPv6 address of a link may be used, its link-local one too.

    Also an address that skips duplicate address detection is tentative until a kernel worker has
    looked at it.
    """

    def usable() -> bool:
        return not any(it.flags & IFA_F_TENTATIVE for it in route.addresses(link.index))

    _until(usable, f"interface {link.name}: has a tentative address")


def _until(condition: Callable[[], bool], complaint: str) -> None:
    """Return when the condition holds; LabError if it takes too long."""
    deadline = time.monotonic() + _READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{complaint} after {_READY_SECONDS:g} s")
        time.sleep(_READY_POLL_SECONDS)
