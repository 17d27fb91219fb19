"""What must hold among the nodes of one group, so that each of them can take its addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from carpool.cluster.facts import Nic
from carpool.cluster.findings import Rule
from carpool.cluster.wording import listing
from carpool.cluster.zone_rules import networks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network

    from carpool.cluster.facts import Address, At, Host
    from carpool.cluster.model import Interface

_MOST_VIPS = 13


class Place(NamedTuple):
    """A node in a team, with the nic that gets the virtual addresses."""

    host: Host
    nic: Nic


@dataclass(frozen=True, slots=True)
class Team:
    """The nodes that share addresses. ``vips`` is empty where nobody says which those are."""

    vips: tuple[Interface, ...]
    places: tuple[Place, ...]


def team(vips: Iterable[Interface], hosts: Iterable[Host]) -> Team:
    """Put the nodes together that are to share ``vips``."""
    shared = tuple(dict.fromkeys(vips))
    return Team(shared, tuple(Place(host, _nic(host, shared)) for host in hosts))


def _nic(host: Host, vips: tuple[Interface, ...]) -> Nic:
    """Return the nic of ``host`` that is on the network of a virtual address, else its first."""
    for nic in host.nics:
        if _holds(networks(nic), vips):
            return nic
    return host.nics[0] if host.nics else Nic(host.key)


def _holds(here: list[IPv4Network], vips: Iterable[Interface]) -> bool:
    return any(vip.ip in network for vip in vips for network in here if vip.version == 4)


def check_team(members: Team) -> None:
    """Report what keeps a node from taking the addresses from another."""
    if not members.places:
        return
    # The one to hold the others against: where the virtual address belongs, if that is anywhere.
    model = next(
        (place for place in members.places if _holds(networks(place.nic), members.vips)),
        members.places[0],
    )
    peers = {at.value.ip: place.host for place in members.places for at in place.host.addresses}
    for place in members.places:
        _check_network(place, members, model)
        _check_segment(place, model)
        _check_gateway(place, members, peers)
        if place.nic.allowed is not None:
            _check_allowed(place, members)
    _check_hypervisors(members)
    _check_secrets(members)


def _check_network(place: Place, members: Team, model: Place) -> None:
    """Report a node on another IPv4 network than its peers, or than a virtual address."""
    host, nic = place
    here, there = networks(nic), networks(model.nic)
    key = nic.addresses[0].key if nic.addresses else host.key
    if here and there and not any(one.overlaps(other) for one in here for other in there):
        message = f"{listing(here)} is not the network of {model.host.name}, {listing(there)}"
        mend = f"put both on one network, as the virtual address must fit both{_vip(members)}"
        host.source.report(Rule.SPLIT_SUBNET, key, message, mend)
    outside = [str(vip.ip) for vip in members.vips if here and not _is_near(vip, here, nic)]
    if outside:
        message = f"{listing(outside)}, which this node is to take over, is outside {listing(here)}"
        mend = "give the node an address of that network too, or choose another virtual address"
        host.source.report(Rule.VIP_OFF_SUBNET, key, message, mend)


def _is_near(vip: Interface, here: list[IPv4Network], nic: Nic) -> bool:
    if vip.version == 6:  # one link has many IPv6 networks, and a node need not be in each
        return True
    own = any(at.value.ip in vip.network for at in nic.addresses if at.value.version == 4)
    return own or any(vip.ip in network for network in here)


def _vip(members: Team) -> str:
    return f": {listing([str(vip.ip) for vip in members.vips])}" if members.vips else ""


def _check_segment(place: Place, model: Place) -> None:
    """Report a nic on another tag or VLAN: the nodes would not hear each other."""
    for name, mine, theirs in (
        ("nic tag", place.nic.nic_tag, model.nic.nic_tag),
        ("VLAN", place.nic.vlan, model.nic.vlan),
    ):
        if mine is not None and theirs is not None and mine.value != theirs.value:
            message = (
                f"{name} {mine.value}, while {model.host.name} is on {theirs.value}: "
                "they would not hear each other, and both be master"
            )
            mend = f"put both on one {name}"
            place.host.source.report(Rule.SPLIT_SEGMENT, mine.key, message, mend)


def _check_gateway(place: Place, members: Team, peers: dict[Address, Host]) -> None:
    vips = {vip.ip for vip in members.vips}
    for gateway in place.nic.gateways:
        peer = peers.get(gateway.value)
        if peer is place.host:
            continue
        if gateway.value in vips:
            message = f"{gateway.value} is the virtual address that the zone itself may hold"
        elif peer is not None:
            message = f"{gateway.value} is {peer.name}, which shares the virtual address"
        else:
            continue
        mend = "name the router of the network"
        place.host.source.report(Rule.GATEWAY_IN_CLUSTER, gateway.key, message, mend)


def _check_allowed(place: Place, members: Team) -> None:
    """Report virtual addresses that a payload gives the zone for good, or does not let it use."""
    host, nic = place
    own: dict[Address, At[Interface]] = {at.value.ip: at for at in host.addresses}
    allowed = {at.value for at in nic.allowed or ()}
    for vip in members.vips:
        if (found := own.get(vip.ip)) is not None:
            message = f"{vip.ip} is the virtual address: every zone that has it in ips holds it"
            mend = "move it into allowed_ips"
            host.source.report(Rule.VIP_IN_IPS, found.key, message, mend)
        elif vip.ip not in allowed and not nic.spoofs_ip:
            message = f"{vip.ip} is not in it, so link protection drops what the zone sends with it"
            mend = f'add "{vip.ip}"'
            host.source.report(Rule.VIP_NOT_ALLOWED, (*nic.key, "allowed_ips"), message, mend)


def _check_hypervisors(members: Team) -> None:
    first: dict[str, Host] = {}
    for host, _ in members.places:
        if host.hypervisor is None:
            continue
        other = first.setdefault(host.hypervisor.value, host)
        if other is not host:
            message = f"{other.name} is on it too: when it fails, so do both"
            mend = "put them on two hypervisors"
            host.source.report(Rule.SAME_HYPERVISOR, host.hypervisor.key, message, mend)


def _check_secrets(members: Team) -> None:
    """Report zones whose payloads have one name for two CARP passwords."""
    first: dict[str, tuple[Host, str]] = {}
    for host, _ in members.places:
        for name, secret in host.secrets.items():
            other, theirs = first.setdefault(name, (host, secret.value))
            if "carp" in name and theirs != secret.value:
                message = f"not the password of {other.name}, so the nodes reject each other"
                mend = "give all nodes of the group the same"
                host.source.report(Rule.UNEQUAL_PASSWORD, secret.key, message, mend)


def check_room(hosts: Iterable[Host], vips_of: dict[str, int]) -> None:
    """Report nics that get more virtual addresses than vmadm allows; ``vips_of`` counts them."""
    for host in hosts:
        if host.zone and vips_of.get(host.name, 0) > _MOST_VIPS:
            message = f"{vips_of[host.name]} virtual addresses, and a nic allows {_MOST_VIPS}"
            mend = "spread the groups over more nodes"
            host.source.report(Rule.TOO_MANY_ADDRESSES, host.key, message, mend)
