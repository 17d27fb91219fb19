"""Against the kernel, each test in a network namespace of its own."""

import select
import struct
import time
from errno import EADDRNOTAVAIL, EEXIST, ENODEV, EPERM
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

import pytest
from tests.support.waiting import PATIENCE, until

from carpool.lab.libc import call
from carpool.lab.zone import write_settings
from carpool.netlink import (
    AddressChange,
    AddressGone,
    AddressInfo,
    LinkGone,
    LinkInfo,
    NetlinkError,
    Overrun,
    Renewer,
    Route,
    RouteEvent,
    RouteMonitor,
    renewal_request,
)
from carpool.netlink import monitor as monitoring
from carpool.netlink.messages import (
    IFA_F_NODAD,
    IFA_F_PERMANENT,
    IFA_F_TENTATIVE,
    OPER_UP,
)

pytestmark = pytest.mark.namespaces

VIP = IPv4Interface("192.0.2.1/24")
VIP6 = IPv6Interface("2001:db8::1/64")


def cable(route: Route) -> tuple[LinkInfo, LinkInfo]:
    """Both ends of a pair, up, with carrier: kernel workers have nothing more to tell of them."""
    whole = ("ipv6/conf/all/accept_dad", "ipv6/conf/default/accept_dad")
    write_settings(dict.fromkeys(whole, "0"))
    one = route.add_veth("one", "two")
    two = route.link("two")
    assert two is not None
    for end in (one, two):
        route.set_link(end.index, up=True)

    def settled() -> bool:
        links = [link for link in route.links() if link.index in (one.index, two.index)]
        tentative = any(have.flags & IFA_F_TENTATIVE for have in route.addresses())
        return all(link.operstate == OPER_UP for link in links) and not tentative

    until(settled, "a cable with carrier")
    return one, two


def next_events(monitor: RouteMonitor) -> list[RouteEvent]:
    assert select.select([monitor], [], [], PATIENCE)[0], f"no event within {PATIENCE} s"
    return monitor.read()


def wait_for(monitor: RouteMonitor, wanted: RouteEvent) -> None:
    deadline = time.monotonic() + PATIENCE
    while wanted not in next_events(monitor):
        assert time.monotonic() < deadline, f"no {wanted}"


def test_a_new_namespace_has_a_loopback_that_is_down() -> None:
    with Route() as route:
        (loopback,) = route.links()
        assert loopback == route.link("lo")
        assert (loopback.name, loopback.mac, loopback.up) == ("lo", bytes(6), False)
        assert route.addresses() == []


@pytest.mark.parametrize("name", ["", "nothere", "name-beyond-fifteen", "a/b", "é"])
def test_no_such_link(name: str) -> None:
    with Route() as route:
        assert route.link(name) is None


LOWER_LAYER_DOWN = 3
"""IF_OPER_LOWERLAYERDOWN (linux/if.h)."""


def test_up_and_carrier_are_two_things() -> None:
    with Route() as route, RouteMonitor() as monitor:
        one, two = cable(route)
        wait_for(monitor, LinkInfo(two.index, "two", two.mac, True, True, 1500, OPER_UP))
        route.set_link(one.index, up=False)
        wait_for(monitor, LinkInfo(two.index, "two", two.mac, True, False, 1500, LOWER_LAYER_DOWN))
        now = route.link("two")
        assert now is not None
        assert (now.up, now.carrier) == (True, False)


def test_a_mac_is_set() -> None:
    with Route() as route:
        link = route.add_bridge("lan")
        route.set_link(link.index, mac=bytes.fromhex("020000000001"))
        now = route.link("lan")
        assert now is not None
        assert now.mac == bytes.fromhex("020000000001")


@pytest.mark.parametrize("interface", [VIP, VIP6, IPv4Interface("192.0.2.7/32")])
def test_an_address_goes_on_and_off(interface: IPv4Interface | IPv6Interface) -> None:
    with Route() as route, RouteMonitor() as monitor:
        one, _ = cable(route)
        route.add_address(one.index, interface)
        (found,) = (have for have in route.addresses(one.index) if have.interface == interface)
        assert found.index == one.index
        assert not found.flags & IFA_F_TENTATIVE
        assert found.flags & (IFA_F_NODAD if interface.version == 6 else IFA_F_PERMANENT)
        wait_for(monitor, found)
        assert route.delete_address(one.index, interface)
        assert not route.delete_address(one.index, interface)
        wait_for(monitor, AddressGone(found))
        assert interface not in [have.interface for have in route.addresses(one.index)]


@pytest.mark.parametrize("interface", [VIP, VIP6])
def test_adding_again_renews_the_lifetime(interface: IPv4Interface | IPv6Interface) -> None:
    with Route() as route:
        one, _ = cable(route)
        route.add_address(one.index, interface, valid_seconds=1000)
        assert not flags_of(route, one, interface) & IFA_F_PERMANENT
        route.add_address(one.index, interface, valid_seconds=2000)
        assert not flags_of(route, one, interface) & IFA_F_PERMANENT
        route.add_address(one.index, interface)
        assert flags_of(route, one, interface) & IFA_F_PERMANENT


def flags_of(route: Route, link: LinkInfo, interface: IPv4Interface | IPv6Interface) -> int:
    (flags,) = (have.flags for have in route.addresses(link.index) if have.interface == interface)
    return flags


def test_the_kernel_takes_off_what_is_not_renewed() -> None:
    with Route() as route, RouteMonitor() as monitor:
        one, _ = cable(route)
        route.add_address(one.index, VIP, valid_seconds=1)
        (found,) = (have for have in route.addresses(one.index) if have.interface == VIP)
        wait_for(monitor, AddressGone(found))


def test_255_addresses_of_each_family_take_milliseconds() -> None:
    with Route() as route, RouteMonitor() as monitor:
        one, _ = cable(route)
        vips = [ip_interface(f"10.0.{n}.1/24") for n in range(255)]
        vips += [ip_interface(f"2001:db8:{n}::1/64") for n in range(255)]
        start = time.process_time()  # of this process, and of the kernel for it
        errnos = route.change_addresses([AddressChange(one.index, vip) for vip in vips])
        assert time.process_time() - start < 0.5
        assert errnos == [0] * 510
        assert set(vips) <= {have.interface for have in route.addresses(one.index)}
        off = [AddressChange(one.index, vip, delete=True) for vip in vips]
        assert route.change_addresses(off) == [0] * 510
        assert route.change_addresses(off) == [EADDRNOTAVAIL] * 510
        gone: set[object] = set()
        while not set(vips) <= gone:
            events = next_events(monitor)
            assert Overrun() not in events
            gone |= {it.address.interface for it in events if isinstance(it, AddressGone)}


def test_one_refusal_does_not_stop_the_rest() -> None:
    with Route() as route:
        one, _ = cable(route)
        changes = [
            AddressChange(one.index, VIP),
            AddressChange(9999, VIP),
            AddressChange(one.index, VIP6, delete=True),
            AddressChange(one.index, VIP6),
        ]
        assert route.change_addresses(changes) == [0, ENODEV, EADDRNOTAVAIL, 0]
        assert route.change_addresses([]) == []


def test_a_refusal_says_what_was_asked() -> None:
    with Route() as route:
        with pytest.raises(NetlinkError, match=r"add address 192\.0\.2\.1/24 to interface 9999"):
            route.add_address(9999, VIP)
        with pytest.raises(NetlinkError, match=r"delete address .* from interface 9999"):
            route.delete_address(9999, VIP)
        route.add_bridge("lan")
        with pytest.raises(NetlinkError, match="add bridge lan: File exists") as refused:
            route.add_bridge("lan")
        assert refused.value.errno == EEXIST


def test_a_link_that_is_removed() -> None:
    with Route() as route, RouteMonitor() as monitor:
        one, two = cable(route)
        assert route.delete_link(one.index)
        assert not route.delete_link(one.index)
        wait_for(monitor, LinkGone(two.index))
        assert route.link("two") is None


def test_leaving_a_bridge_is_not_going_away() -> None:
    with Route() as route, RouteMonitor() as monitor:
        one, _ = cable(route)
        bridge = route.add_bridge("lan")
        route.set_link(one.index, master=bridge.index)
        route.set_link(one.index, master=0)
        route.delete_link(bridge.index)
        seen: list[RouteEvent] = []
        while LinkGone(bridge.index) not in seen:
            seen += next_events(monitor)
        assert LinkGone(one.index) not in seen


def test_nothing_to_read_is_no_event() -> None:
    with RouteMonitor() as monitor:
        assert monitor.read() == []


def test_events_that_were_dropped_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "_BUFFER_BYTES", 4096)  # else it takes ten thousand changes
    with Route() as route, RouteMonitor() as monitor:
        one, _ = cable(route)
        on = [AddressChange(one.index, ip_interface(f"10.0.{n}.1/24")) for n in range(50)]
        route.change_addresses(on)
        seen: list[RouteEvent] = []
        while events := monitor.read():
            seen += events
        assert Overrun() in seen
        route.add_address(one.index, VIP)
        (found,) = (have for have in route.addresses(one.index) if have.interface == VIP)
        wait_for(monitor, found)


def test_without_privilege_one_may_look_but_not_touch() -> None:
    with Route() as route:
        one, _ = cable(route)
        drop_capabilities()
        # A socket keeps what its opener could do; a new one has what its opener can.
        with Route() as unprivileged, RouteMonitor():
            # By name: whether they have a carrier yet may change between the two.
            names = {link.name for link in unprivileged.links()}
            assert names == {link.name for link in route.links()} >= {"one", "two"}
            with pytest.raises(NetlinkError, match="Operation not permitted") as refused:
                unprivileged.add_address(one.index, VIP)
            assert refused.value.errno == EPERM


def drop_capabilities() -> None:
    """Give up all capabilities of this process: capset(2), version 3, two sets of 32."""
    call("capset", struct.pack("=Ii", 0x20080522, 0), bytes(24))


@pytest.mark.parametrize("interface", [VIP, VIP6])
def test_a_renewal_needs_no_answer_and_is_not_told_to_who_does_not_want_it(
    interface: IPv4Interface | IPv6Interface,
) -> None:
    other = ip_interface("198.51.100.1/24")
    with (
        Route() as route,
        RouteMonitor() as all_of_it,
        Renewer() as renewer,
        RouteMonitor(
            only_losses_of={interface.packed}, added_by=(0x7FFFFFFF, renewer.port, 0x7FFFFFFE)
        ) as losses,
    ):
        one, _ = cable(route)
        route.add_address(one.index, interface, valid_seconds=1000)
        (found,) = (have for have in route.addresses(one.index) if have.interface == interface)
        wait_for(all_of_it, found)
        while losses.read():
            pass
        renewer.renew([renewal_request(one.index, [interface, interface], 1000)])
        wait_for(all_of_it, found)
        woken = bool(select.select([losses], [], [], 0)[0])
        assert woken is (interface.version == 6)
        route.add_address(one.index, other)
        route.delete_address(one.index, interface)
        seen: list[RouteEvent] = []
        while AddressGone(found) not in seen:
            seen += next_events(losses)
        addresses = [event.interface for event in seen if isinstance(event, AddressInfo)]
        assert interface not in addresses
        assert other in addresses


def test_a_renewal_that_is_refused_harms_nobody() -> None:
    with Route() as route, Renewer() as renewer:
        renewer.renew([renewal_request(9999, [VIP, VIP6], 2)])
        assert select.select([renewer], [], [], 5)[0]
        renewer.discard_refusals()
        assert not select.select([renewer], [], [], 0)[0]
        assert VIP not in [have.interface for have in route.addresses()]


def test_the_kernel_takes_off_what_is_no_longer_renewed() -> None:
    with Route() as route, RouteMonitor() as monitor, Renewer() as renewer:
        one, _ = cable(route)
        route.add_address(one.index, VIP)
        renewer.renew([renewal_request(one.index, [VIP], 1)])
        (found,) = (have for have in route.addresses(one.index) if have.interface == VIP)
        wait_for(monitor, AddressGone(found))


def test_addresses_of_many_groups_are_renewed_together() -> None:
    with Route() as route, Renewer() as renewer:
        one, _ = cable(route)
        vips = [
            IPv4Interface(f"198.51.{number // 256}.{number % 256}/32") for number in range(2000)
        ]
        renewer.renew([renewal_request(one.index, [vip], 1000) for vip in vips])
        assert {have.interface for have in route.addresses(one.index)} >= set(vips)
