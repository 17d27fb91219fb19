"""The host of Linux against the kernel, in a network namespace of its own."""

from ipaddress import IPv4Interface

import pytest

from carpool.netlink import Route
from carpool.node.host import Interface
from carpool.node.hosts.linux import LinuxHost
from carpool.node.loop import Loop

pytestmark = pytest.mark.namespaces

VIP, OTHER = IPv4Interface("192.0.2.1/32"), IPv4Interface("192.0.2.2/32")


def wire(route: Route) -> Interface:
    end = route.add_veth("one", "two")
    return Interface(end.name, end.index, end.mac, carrier=True)


def is_there(host: LinuxHost, vip: IPv4Interface) -> bool:
    return vip in [one.interface for one in host.addresses()]


def test_addresses_are_renewed_at_the_end_of_the_round(loop: Loop) -> None:
    with Route() as route:
        host = LinuxHost(loop)
        interface = wire(route)
        host.renewal(interface, [VIP], 100)()
        host.renewal(interface, [OTHER], 100)()
        assert not is_there(host, VIP)
        loop.end_round()
        assert is_there(host, VIP)
        assert is_there(host, OTHER)
        host.close()


def test_a_renewal_that_waits_brings_nothing_back_that_is_taken_off(loop: Loop) -> None:
    with Route() as route:
        host = LinuxHost(loop)
        interface = wire(route)
        problems: list[str | None] = []
        host.add_addresses(interface, [VIP], problems.append, lifetime=100)
        host.renewal(interface, [VIP], 100)()
        host.remove_addresses(interface, [VIP], problems.append)
        loop.end_round()
        assert problems == [None, None]
        assert not is_there(host, VIP)
        host.close()


def test_what_is_present_is_listed_once_in_a_round(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Route() as route:
        host = LinuxHost(loop)
        interface = wire(route)
        problems: list[str | None] = []
        host.add_addresses(interface, [VIP], problems.append)
        assert VIP.ip in host.present()
        monkeypatch.setattr(host, "addresses", list)
        assert VIP.ip in host.present()
        loop.end_round()
        assert VIP.ip not in host.present()
        monkeypatch.undo()
        host.remove_addresses(interface, [VIP], problems.append)
        assert VIP.ip not in host.present()
        assert problems == [None, None]
        host.close()
