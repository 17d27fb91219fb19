"""The host changes under the daemon: names and numbers of interfaces, and events that are lost."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, ip_interface
from types import SimpleNamespace
from typing import Any, cast

from tests.support.virtual_loop import VirtualLoop

from carpool.carp.timing import SECOND
from carpool.node.events import Events
from carpool.node.group import Group
from carpool.node.host import (
    AddressChanged,
    EventsLost,
    Host,
    HostAddress,
    HostError,
    HostEvent,
    Interface,
    InterfaceGone,
)
from carpool.node.log import Log
from carpool.node.loop import Loop
from carpool.node.surroundings import Surroundings

NET0 = Interface("net0", 5, b"\2\0\0\0\0\5", carrier=True)
VIP = IPv4Interface("192.0.2.100/24")
OWN, NEW = ip_interface("192.0.2.1/24"), ip_interface("192.0.2.2/24")


@dataclass
class Place:
    """A daemon with one group on net0; `told` is what its group and its segment are told."""

    there: list[Interface] = field(default_factory=lambda: [NET0])
    addresses_there: list[Any] = field(default_factory=lambda: [OWN])
    told: list[str] = field(default_factory=list)
    sources: dict[int, bytes] = field(default_factory=dict)
    fails: bool = False
    full: bool = False
    link: Any = None
    interface: str = "net0"

    def __post_init__(self) -> None:
        self.groups = [cast("Group", self)]
        self.settings = SimpleNamespace(addresses=(VIP,), sources=())
        log = Log()
        self.events = Events(log)
        segments = {("net0", b""): cast("Any", self)}
        self.loop = VirtualLoop()
        self.surroundings = Surroundings(
            segments, host=cast("Host", self), loop=cast("Loop", self.loop), log=log
        )
        self.surroundings.look()
        self.surroundings.add(cast("Group", self))
        self.open(NET0)
        self.surroundings.refresh_sources()
        self.told.clear()

    def happens(self, *events: HostEvent) -> list[str]:
        """Return what the group and the segment are told because of these events."""
        self.told.clear()
        self.surroundings.on_events(list(events))
        return list(self.told)

    # The host.

    def interfaces(self) -> list[Interface]:
        if self.fails:
            raise HostError("the kernel does not answer")
        return self.there

    def addresses(self) -> list[HostAddress]:
        if self.fails:
            raise HostError("the kernel does not answer")
        return [HostAddress(5, one, usable=True) for one in self.addresses_there]

    # The segment.

    def open(self, interface: Interface) -> None:
        if self.full:
            raise OSError(24, "Too many open files")
        self.link = SimpleNamespace(index=interface.index, mac=interface.mac)
        self.told.append(f"opened on {interface.index}")

    def close(self) -> None:
        self.link = None
        self.told.append("closed")

    # The group.

    def link_gone(self) -> None:
        self.told.append("gone")

    def link_changed(self, *, carrier: bool) -> None:
        self.told.append("up" if carrier else "down")

    def hardware_address_changed(self) -> None:
        self.told.append("moved")

    def address_gone(self, address: IPv4Address) -> None:
        self.told.append(f"{address} gone")

    def use_sources(self, sources: dict[int, bytes]) -> None:
        self.sources = sources


def texts(place: Place) -> Iterable[str]:
    return [event.text for event in place.events.since(0)]


def test_an_interface_that_gets_another_name_is_left_before_its_sockets_are_closed() -> None:
    place = Place()
    # So that the group takes its addresses off: they are on the interface still.
    assert place.happens(replace(NET0, name="lan0")) == ["gone", "closed"]
    assert texts(place) == ["net0: it is called lan0 now"]
    assert place.happens(NET0) == ["opened on 5", "up"]


def test_another_interface_with_the_name_is_used_in_its_place() -> None:
    place = Place()
    other = replace(NET0, index=9, mac=b"\2\0\0\0\0\11")
    assert place.happens(replace(NET0, name="lan0"), other) == [
        *("gone", "closed"),
        *("opened on 9", "up"),
    ]
    assert place.surroundings.interfaces == {"lan0": replace(NET0, name="lan0"), "net0": other}


def test_an_interface_whose_end_was_not_told_is_replaced_by_the_next_of_its_name() -> None:
    place = Place()
    other = replace(NET0, index=9)
    assert place.happens(other) == ["gone", "closed", "opened on 9", "up"]


def test_what_happens_to_other_interfaces_concerns_nobody() -> None:
    place = Place()
    other = Interface("net1", 6, b"", carrier=True)
    assert place.happens(other, replace(other, name="net2"), InterfaceGone(6)) == []
    assert list(texts(place)) == []


def test_after_lost_events_everything_is_looked_at_anew() -> None:
    place = Place(addresses_there=[OWN, VIP])
    assert place.happens(EventsLost()) == []
    place.addresses_there = [NEW]
    assert place.happens(EventsLost()) == [f"{VIP.ip} gone"]
    assert place.sources == {4: NEW.packed}
    place.there = [replace(NET0, carrier=False)]
    assert place.happens(EventsLost()) == ["down", f"{VIP.ip} gone"]
    place.there = []
    assert place.happens(EventsLost())[:2] == ["gone", "closed"]


def test_a_host_that_cannot_be_listed_after_lost_events_is_no_reason_to_end() -> None:
    place = Place()
    place.fails = True
    assert place.happens(EventsLost()) == []
    place.fails = False
    assert place.happens(AddressChanged(VIP.ip, gone=True)) == [f"{VIP.ip} gone"]


def test_a_host_that_could_not_be_listed_is_listed_later() -> None:
    place = Place(addresses_there=[OWN, VIP])
    place.fails = True
    assert place.happens(EventsLost()) == []
    place.addresses_there = [OWN]
    place.loop.run(10 * SECOND)
    place.fails = False
    place.loop.run(SECOND)
    assert place.told == [f"{VIP.ip} gone"]
    place.loop.run(10 * SECOND)
    assert place.told == [f"{VIP.ip} gone"]


def test_an_interface_that_could_not_be_opened_is_tried_again_until_it_can() -> None:
    place = Place()
    place.full = True
    assert place.happens(InterfaceGone(5), replace(NET0, index=7)) == ["gone", "closed"]
    place.loop.run(10 * SECOND)
    assert place.told == ["gone", "closed"]
    place.full = False
    place.loop.run(SECOND)
    assert place.told == ["gone", "closed", "opened on 7", "up"]
    place.loop.run(10 * SECOND)
    assert len(place.told) == 4


def test_a_new_hardware_address_is_told_once() -> None:
    place = Place()
    assert place.happens(replace(NET0, mac=b"\2\0\0\0\0\7")) == ["moved"]
    assert place.link.mac == b"\2\0\0\0\0\7"
    assert texts(place) == ["net0: has MAC 02:00:00:00:00:07 now"]
