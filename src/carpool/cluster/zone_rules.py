"""What must hold for one SmartOS zone by itself, whichever file describes it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from carpool.cluster.findings import Rule
from carpool.cluster.wording import listing
from carpool.cluster.zone_readers import is_dns_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv6Network

    from carpool.cluster.facts import At, Host, Nic

_MUCH_MEMORY = 2048
_PRIVATE = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
)


def check_zone(host: Host) -> None:
    """Report what is wrong with the zone, whoever its peers are. Not of a node that is none."""
    if not host.zone:
        return
    report = host.source.report
    for nic in host.nics:
        _check_gateways(host, nic)
    _check_resolvers(host)
    if host.memory and host.memory.value >= _MUCH_MEMORY:
        message = f"{host.memory.value} MiB: carpool or ucarp with its scripts needs about 100"
        mend = "give it what its own service needs, 256 if it has none"
        report(Rule.MUCH_MEMORY, host.memory.key, message, mend)
    if host.hostname and not is_dns_name(host.hostname.value):
        message = f"{host.hostname.value[:80]!r}: vmadm accepts it, and DNS does not"
        mend = "use letters, digits and '-', not first or last, with dots between the parts"
        report(Rule.HOST_NAME_NOT_DNS, host.hostname.key, message, mend)
    if host.interface:
        check_interface(host, host.interface)


def check_interface(host: Host, interface: At[str]) -> None:
    """Report an interface that the zone will not have. Not of a node that is none."""
    kind = "eth" if host.brand == "lx" else "net"
    if host.zone and interface.value not in {f"{kind}{number}" for number in range(len(host.nics))}:
        message = f"this zone of brand {host.brand} has no interface {interface.value!r}"
        mend = f"use {kind}0, the zone's first nic"
        host.source.report(Rule.ZONE_INTERFACE, interface.key, message, mend)


def networks(nic: Nic) -> list[IPv4Network]:
    """Return the IPv4 networks that the nic is on; an address without a prefix tells of none."""
    return list(
        dict.fromkeys(
            at.value.network
            for at in nic.addresses
            if at.value.version == 4 and at.value.network.prefixlen < 32
        )
    )


def _check_gateways(host: Host, nic: Nic) -> None:
    report = host.source.report
    own = {at.value.ip for at in host.addresses}
    here = networks(nic)
    for gateway in nic.gateways:
        if gateway.value in own:
            message = f"{gateway.value} is the zone's own address: it would send to itself"
            mend = f"name the router{_of(here)}"
            report(Rule.GATEWAY_IS_SELF, gateway.key, message, mend)
        elif here and not any(gateway.value in network for network in here):
            message = f"{gateway.value} is outside {listing(here)}, so the zone cannot reach it"
            mend = f"name the router{_of(here)}"
            report(Rule.GATEWAY_OFF_SUBNET, gateway.key, message, mend)


def _of(here: Iterable[IPv4Network | IPv6Network]) -> str:
    names = listing([str(network) for network in here])
    return f" of {names}" if names else " of the zone's network"


def _check_resolvers(host: Host) -> None:
    for resolver in host.resolvers:
        address = resolver.value
        if isinstance(address, IPv4Address) and address.is_global:
            meant = _meant(address, host)
            if meant:
                message = f"{address} is on the public Internet, one number off {meant}"
                mend = f"write {meant}, or another resolver"
                report = host.source.report
                report(Rule.RESOLVER_SLIP, resolver.key, message, mend)


def _meant(address: IPv4Address, host: Host) -> IPv4Address | None:
    """Return the private address that ``address`` may be a slip for.

    That is one on a network of the zone with one other number among the first three, or one
    beginning with 192.168 with one other digit in that.
    """
    given = str(address).split(".")
    for network in (network for nic in host.nics for network in networks(nic)):
        if not any(network.subnet_of(private) for private in _PRIVATE):
            continue
        wanted = str(network.network_address).split(".")
        for index in range(3):
            meant = IPv4Address(".".join([*given[:index], wanted[index], *given[index + 1 :]]))
            if meant in network:
                return meant
    digits, usual = f"{given[0]}.{given[1]}", "192.168"
    if len(digits) == len(usual) and _differences(digits, usual) == 1:
        return IPv4Address(".".join([usual, *given[2:]]))
    return None


def _differences(one: str, other: str) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))
