"""Nodes and groups held against each other: within one file, and over several files."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_interface
from typing import TYPE_CHECKING

from carpool.cluster.findings import Rule
from carpool.cluster.team_rules import check_room, check_team, team
from carpool.cluster.wording import listing
from carpool.cluster.zone_rules import check_interface, check_zone, networks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from ipaddress import IPv4Network

    from carpool.cluster.facts import Address, At, Claim, Host
    from carpool.cluster.model import Interface


def check_alone(hosts: Sequence[Host], claims: Sequence[Claim]) -> None:
    """Report what is wrong within the one file that ``hosts`` and ``claims`` are from."""
    for host in hosts:
        check_zone(host)
    _check_names(hosts, lambda one, other: one.source is other.source)
    vips_of: Counter[str] = Counter()
    for claim in claims:
        members = [seat.host for seat in claim.seats if seat.host is not None]
        for seat in claim.seats:
            if seat.host is not None and seat.interface is not None:
                check_interface(seat.host, seat.interface)
        if members:
            check_team(team((at.value for at in claim.vips), members))
        vips_of.update({host.name: len(claim.vips) for host in members})
    check_room(hosts, vips_of)


def check_together(hosts: Sequence[Host], claims: Sequence[Claim]) -> None:
    """Report what is wrong between files; what is within one, ``check_alone`` has reported."""
    _check_names(hosts, lambda one, other: not _are_one(one, other))
    _check_real(hosts)
    _check_twins(claims)
    groups = _merge(claims)
    for group in groups:
        _check_equal(group)
    _check_vhids(groups, _by_address(hosts))
    _check_vips(claims, hosts)
    _check_teams(hosts, claims)


def _are_one(one: Host, other: Host) -> bool:
    """Return whether both are one machine, told of by files of different kinds."""
    if one.source is other.source:
        return True  # and reported already, if they are two
    payloads = _has_payload(one) and _has_payload(other)
    mine = {at.value.ip for at in one.addresses}
    return not payloads and any(at.value.ip in mine for at in other.addresses)


def _has_payload(host: Host) -> bool:
    return any(nic.allowed is not None for nic in host.nics)


def _check_names(hosts: Sequence[Host], are_two: Callable[[Host, Host], bool]) -> None:
    """Report host names and UUIDs that two zones have."""
    names: dict[str, Host] = {}
    uuids: dict[str, Host] = {}
    for host in hosts:
        if host.hostname is not None:
            other = names.setdefault(host.hostname.value.lower(), host)
            if other is not host and are_two(other, host):
                message = f"{host.hostname.value!r} is the host name of {_called(other, host)} too"
                mend = "give each node its own"
                host.source.report(Rule.SAME_HOST_NAME, host.hostname.key, message, mend)
        if host.uuid is not None:
            other = uuids.setdefault(host.uuid.value, host)
            if other is not host and are_two(other, host):
                message = f"{_called(other, host)} has this UUID too"
                mend = "leave it out: then the zone gets one of its own"
                host.source.report(Rule.SAME_UUID, host.uuid.key, message, mend)


def _called(host: Host, by: Host) -> str:
    """Return what to call ``host`` where ``by`` stands."""
    return host.name if host.source is by.source else f"{host.name} ({_where(host, host.key)})"


def _where(thing: Host | Claim, key: tuple[str | int, ...]) -> str:
    place = thing.source.place(key)
    return f"{thing.source.file}:{place.line}" if place else str(thing.source.file)


def _check_real(hosts: Sequence[Host]) -> None:
    """Report real addresses that nodes in different files have."""
    real: dict[Address, tuple[Host, At[Interface]]] = {}
    for host in hosts:
        for at in host.addresses:
            other, there = real.setdefault(at.value.ip, (host, at))
            if other is host or (_are_one(other, host) and other.name == host.name):
                continue
            if other.source is host.source:
                continue
            where = f"{other.name} ({_where(other, there.key)})"
            message = f"{at.value.ip} is the real address of {where} too"
            host.source.report(Rule.SHARED_REAL, at.key, message, "give each node its own")
            if at.value.network.prefixlen != there.value.network.prefixlen:
                message = f"{at.value} is {there.value} in {where}, so vmadm sees no duplicate"
                mend = "write the prefix length of the network in both"
                host.source.report(Rule.TWO_PREFIXES, at.key, message, mend)


def _check_twins(claims: Sequence[Claim]) -> None:
    """Report one node's set-up in two files: most often a copy that was not adapted."""
    seen: dict[object, Claim] = {}
    for claim in claims:
        address = claim.seats[0].address if claim.cluster is None else None
        if address is None or claim.vhid is None:
            continue
        other = seen.setdefault((address.value, claim.vhid.value), claim)
        if other is not claim:
            message = f"{address.value} is the node of {_where(other, other.key)} too"
            mend = "write this node's own address"
            claim.source.report(Rule.SHARED_REAL, address.key, message, mend)


def _merge(claims: Sequence[Claim]) -> list[list[Claim]]:
    """Put together what files say of the same group: what has a virtual address in common."""
    group_of: dict[Address, list[Claim]] = {}
    groups: list[list[Claim]] = []
    for claim in claims:
        mine: list[Claim] = [claim]
        for at in claim.vips:
            theirs = group_of.get(at.value.ip)
            if theirs is not None and theirs is not mine and _may_be_one(theirs, claim):
                groups.remove(theirs)
                theirs.extend(mine)
                mine = theirs
        groups.append(mine)
        for member in mine:
            group_of.update((at.value.ip, mine) for at in member.vips)
    return groups


def _may_be_one(group: list[Claim], claim: Claim) -> bool:
    clusters = {member.cluster for member in group if member.cluster is not None}
    within = any(member.source is claim.source for member in group)
    return not within and (claim.cluster is None or clusters <= {claim.cluster})


def _check_equal(group: list[Claim]) -> None:
    """Report what nodes of one group must have in common and do not."""
    model = group[0]
    for claim in group[1:]:
        where = _where(model, model.key)
        report = claim.source.report
        for rule, name, mine, theirs in (
            (Rule.UNEQUAL_VHID, "vhid", claim.vhid, model.vhid),
            (Rule.UNEQUAL_ADVBASE, "advbase", claim.advbase, model.advbase),
        ):
            if mine is not None and theirs is not None and mine.value != theirs.value:
                message = f"{name} {mine.value}, and {theirs.value} in {where}"
                report(rule, mine.key, message, "give all nodes of the group the same")
        if _vips(claim) != _vips(model):
            message = f"{listing(_vips(claim))}, and {listing(_vips(model))} in {where}"
            mend = "give all nodes of the group the same, or they reject each other"
            report(Rule.UNEQUAL_VIPS, claim.vips[0].key, message, mend)
        if claim.password and model.password and claim.password.value != model.password.value:
            message = f"not the password of {where}, so the nodes reject each other"
            mend = "give all nodes of the group the same"
            report(Rule.UNEQUAL_PASSWORD, claim.password.key, message, mend)
    _check_ranks(group)


def _vips(claim: Claim) -> list[str]:
    return [str(address) for address in sorted((at.value.ip for at in claim.vips), key=_order)]


def _order(address: Address) -> tuple[int, bytes]:
    return address.version, address.packed


def _check_ranks(group: list[Claim]) -> None:
    """Warn of preempt between nodes of different files neither of which outranks the other."""
    if not any(claim.preempt and claim.preempt.value for claim in group):
        return
    ranks: dict[int, Claim] = {}
    for claim in group:
        advskew = claim.seats[0].advskew if claim.cluster is None else None
        if advskew is None:
            continue
        other = ranks.setdefault(advskew.value, claim)
        if other is not claim:
            where = _where(other, other.key)
            message = f"{advskew.value} is the advskew in {where} too, so preempt does nothing"
            mend = "give each node its own advskew, the preferred one the lowest"
            claim.source.report(Rule.EQUAL_ADVSKEW, advskew.key, message, mend)


def _check_vhids(groups: list[list[Claim]], by_address: dict[Address, list[Host]]) -> None:
    """Report groups of different files with one vhid on one network."""
    seen: dict[int, list[tuple[list[Claim], set[IPv4Network]]]] = {}
    for group in groups:
        claim = group[0]
        if claim.vhid is None:
            continue
        here = {network for member in group for network in _networks(member, by_address)}
        same = seen.setdefault(claim.vhid.value, [])
        for others, there in same:
            other = others[0]
            if claim.source is other.source or not _overlap(here, there):
                continue
            where = f"{other.name} ({_where(other, other.key)})"
            message = f"{claim.vhid.value} is the vhid of {where} too, on the same network"
            mend = "give each group its own vhid; if they are one group, the same addresses"
            claim.source.report(Rule.SHARED_VHID, claim.vhid.key, message, mend)
            break
        same.append((group, here))


def _overlap(here: set[IPv4Network], there: set[IPv4Network]) -> bool:
    return not here.isdisjoint(there) or any(one.overlaps(other) for one in here for other in there)


def _networks(claim: Claim, by_address: dict[Address, list[Host]]) -> Iterable[IPv4Network]:
    """Yield the IPv4 networks of a group; where no file tells, the /24 around its addresses."""
    found = [network for host in _hosts(claim, by_address) for network in _all_networks(host)]
    vips = [at.value.network for at in claim.vips if at.value.version == 4]
    found += [network for network in vips if network.prefixlen < 32]
    return found or [network.supernet(new_prefix=24) for network in vips]


def _all_networks(host: Host) -> list[IPv4Network]:
    return [network for nic in host.nics for network in networks(nic)]


def _hosts(claim: Claim, by_address: dict[Address, list[Host]]) -> list[Host]:
    """Return the nodes of a group, also as other files tell of them."""
    found = []
    for seat in claim.seats:
        addresses = [] if seat.address is None else [seat.address.value]
        if seat.host is not None:
            found.append(seat.host)
            addresses += [at.value.ip for at in seat.host.addresses]
        found += [host for address in addresses for host in by_address.get(address, ())]
    return list(dict.fromkeys(found))


def _check_vips(claims: Sequence[Claim], hosts: Sequence[Host]) -> None:
    """Report virtual addresses that another file has for itself."""
    owners: dict[Address, Claim] = {}
    real = {
        at.value.ip: (host, at)
        for host in hosts
        if not _has_payload(host)  # of a payload the team's rules tell it, at its own place
        for at in host.addresses
    }
    for claim in claims:
        for at in claim.vips:
            address = at.value.ip
            other = owners.setdefault(address, claim)
            if None not in (claim.cluster, other.cluster) and claim.cluster != other.cluster:
                message = f"{address} is in {other.name} of {_where(other, other.key)} too"
                mend = "leave it in one of the two clusters"
                claim.source.report(Rule.SHARED_VIP, at.key, message, mend)
            host, there = real.get(address, (None, None))
            if host is not None and there is not None and host.source is not claim.source:
                where = f"{host.name} ({_where(host, there.key)})"
                message = f"{address} is the real address of {where}"
                mend = "choose a free address, which no node has for itself"
                claim.source.report(Rule.VIP_IS_REAL, at.key, message, mend)


def teams(hosts: Sequence[Host], claims: Sequence[Claim]) -> list[tuple[list[Claim], list[Host]]]:
    """Return the groups, each with what files say of it, and its nodes as far as one knows them.

    Where there is one group only, a zone that no file names in it is taken to be in it.
    """
    groups = _merge(claims)
    by_address = _by_address(hosts)
    members = [
        list(dict.fromkeys(host for claim in group for host in _hosts(claim, by_address)))
        for group in groups
    ]
    bound = {host for each in members for host in each}
    for host in hosts:
        if host in bound or not _has_payload(host):
            continue
        for group, each in zip(groups, members, strict=True):
            if len(groups) == 1 or _is_meant(host, _vips_of(group)):
                each.append(host)
    return [(group, _distinct(each)) for group, each in zip(groups, members, strict=True)]


def _by_address(hosts: Iterable[Host]) -> dict[Address, list[Host]]:
    found: dict[Address, list[Host]] = {}
    for host in hosts:
        for at in host.addresses:
            found.setdefault(at.value.ip, []).append(host)
    return found


def _vips_of(group: list[Claim]) -> list[Interface]:
    return [at.value for claim in group for at in claim.vips]


def _check_teams(hosts: Sequence[Host], claims: Sequence[Claim]) -> None:
    """Report what is wrong between zones and the groups that other files have them in."""
    found = teams(hosts, claims)
    for group, members in found:
        # A group that one file tells of whole was held against itself there.
        sources = {host.source for host in members}
        if len(group) > 1 or group[0].cluster is None or sources != {group[0].source}:
            check_team(team(_vips_of(group), members))
    if not found:
        free = [host for host in hosts if _may_float(host)]
        check_team(team(_common(free), free))


def _distinct(members: list[Host]) -> list[Host]:
    """Return each node once, as its payload tells of it if there is one."""
    found: set[Host] = set()
    taken: set[Address] = set()
    for host in sorted(members, key=_has_payload, reverse=True):
        addresses = {at.value.ip for at in host.addresses}
        if _has_payload(host) or taken.isdisjoint(addresses):
            found.add(host)
            taken |= addresses
    return [host for host in members if host in found]


def _is_meant(host: Host, vips: Iterable[Interface]) -> bool:
    """Return whether a payload has to do with the virtual addresses, by its own addresses."""
    shared = {vip.ip for vip in vips}
    own = {at.value.ip for at in host.addresses}
    allowed = {at.value for nic in host.nics for at in nic.allowed or ()}
    return not shared.isdisjoint(own | allowed)


def _may_float(host: Host) -> bool:
    return any(nic.allowed or nic.spoofs_ip for nic in host.nics)


def _common(hosts: Sequence[Host]) -> list[Interface]:
    """Return the addresses that several payloads allow: what else can they be but virtual."""
    counts = Counter(at.value for host in hosts for nic in host.nics for at in nic.allowed or ())
    return [ip_interface(address) for address, count in counts.items() if count > 1]
