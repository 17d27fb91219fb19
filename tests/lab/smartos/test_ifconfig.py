"""The zone's ifconfig: logical interfaces over what the kernel has."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_interface

from tests.lab.smartos.support import (
    NEEDS,
    UUID,
    VIP,
    create,
    in_zone,
    login,
    nic,
    one_host,
    payload,
    smartos,
)
from tests.support.waiting import until

from carpool.lab.smartos.hypervisor import Hypervisor
from carpool.netlink import Route
from carpool.node.hosts.ifconfig import parse

pytestmark = NEEDS


@contextmanager
def zone() -> Iterator[Hypervisor]:
    with one_host() as host:
        create(host, payload(nics=[nic(allowed_ips=[VIP])]))
        yield host


def listed(host: Hypervisor) -> dict[str, str]:
    """Return address by logical interface of net0, as the daemon reads it."""
    found = parse(in_zone(host, UUID, "ifconfig -a")).addresses
    return {
        one.unit: f"{one.address} {'up' if one.usable else 'down'}"
        for one in found
        if one.interface == "net0" and one.address.version == 4
    }


def in_kernel(host: Hypervisor) -> list[str]:
    with host.in_network_of(UUID), Route() as route:
        found = [str(one.interface) for one in route.addresses()]
    return [text for text in found if text.startswith("192.168.")]


OWN = {"net0": "192.168.0.201/24 up"}


def test_addif_and_removeif() -> None:
    with zone() as host:
        assert listed(host) == OWN
        assert "net0:1" in in_zone(host, UUID, f"ifconfig net0 addif {VIP}/24 up")
        assert listed(host) == {**OWN, "net0:1": f"{VIP}/24 up"}
        assert in_kernel(host) == ["192.168.0.201/24", f"{VIP}/24"]
        assert login(host, UUID, f"ifconfig net0 addif {VIP}/24 up")[0] == 1
        in_zone(host, UUID, f"ifconfig net0 removeif {VIP}")
        assert in_kernel(host) == ["192.168.0.201/24"]
        assert login(host, UUID, f"ifconfig net0 removeif {VIP}")[0] == 1
        assert login(host, UUID, "ifconfig net0 removeif 192.168.0.201")[0] == 1


def test_the_form_of_the_article() -> None:
    with zone() as host:
        in_zone(
            host,
            UUID,
            f"ifconfig net0:1 plumb; ifconfig net0:1 {VIP} netmask 255.255.255.255;"
            " ifconfig net0:1 up",
        )
        assert listed(host) == {**OWN, "net0:1": f"{VIP}/32 up"}
        in_zone(host, UUID, "ifconfig net0:1 down")
        assert listed(host) == {**OWN, "net0:1": f"{VIP}/32 down"}
        assert in_kernel(host) == ["192.168.0.201/24"]
        in_zone(host, UUID, "ifconfig net0:1 unplumb")
        assert listed(host) == OWN
        assert login(host, UUID, "ifconfig net0:1 up")[0] == 1
        assert login(host, UUID, "ifconfig nosuch0")[0] == 1


def test_it_follows_the_kernel() -> None:
    with zone() as host:
        with host.in_network_of(UUID), Route() as route:
            link = route.link("net0")
            assert link is not None
            route.add_address(link.index, ip_interface(f"{VIP}/32"))
            assert listed(host) == {**OWN, "net0:1": f"{VIP}/32 up"}
            route.delete_address(link.index, ip_interface(f"{VIP}/32"))
        assert listed(host) == OWN


def test_ipv6() -> None:
    with zone() as host:
        in_zone(host, UUID, "ifconfig net0 inet6 addif 2001:db8::9/64 up")
        assert "inet6 2001:db8::9/64" in in_zone(host, UUID, "ifconfig -a6")
        in_zone(host, UUID, "ifconfig net0 inet6 removeif 2001:db8::9")
        assert "2001:db8" not in in_zone(host, UUID, "ifconfig -a6")


def test_an_address_that_another_has_is_a_duplicate() -> None:
    with smartos("gz1") as (datacenter, (host,)):
        create(host, payload(nics=[nic(allowed_ips=[VIP])]))
        rival = datacenter.lab.add_zone("rival", addresses=[ip_interface(f"{VIP}/24")])
        in_zone(host, UUID, f"ifconfig net0 addif {VIP}/24 up")
        assert "DUPLICATE" in in_zone(host, UUID, "ifconfig net0:1")
        assert listed(host)["net0:1"] == f"{VIP}/24 down"
        port = rival.ports["net0"]
        rival.route.delete_address(port.index, port.addresses[0])
        in_zone(host, UUID, "ifconfig net0:1 up")
        assert listed(host)["net0:1"] == f"{VIP}/24 up"


def test_an_address_is_announced() -> None:
    with smartos("gz1") as (datacenter, (host,)):
        create(host, payload(nics=[nic(allowed_ips=[VIP])]))
        client = datacenter.lab.add_zone("client", addresses=[ip_interface("192.168.0.9/24")])
        rival = datacenter.lab.add_zone("rival", addresses=[ip_interface("192.168.0.8/24")])
        port = rival.ports["net0"]
        rival.route.add_address(port.index, ip_interface(f"{VIP}/32"))
        ping = ["ping", "-c1", "-W2", VIP]
        assert client.start(ping).wait(10) == 0
        rival.route.delete_address(port.index, ip_interface(f"{VIP}/32"))
        in_zone(host, UUID, f"ifconfig net0 addif {VIP}/24 up")
        until(lambda: client.start(["ping", "-c1", "-W1", VIP]).wait(10) == 0, "it is there")


def test_only_the_privileged_may_change() -> None:
    with zone() as host:
        in_zone(host, UUID, "groupadd carpool; useradd -g carpool -s /bin/sh carpool")
        code, _, said = login(
            host, UUID, f"setpriv --reuid=100 --regid=100 --clear-groups ifconfig net0 addif {VIP}"
        )
        assert (code, "permission denied" in said) == (1, True)
