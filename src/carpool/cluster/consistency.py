"""What must hold between the keys of a cluster file, so that it describes one working cluster."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from carpool.carp.timing import interval, master_down_time
from carpool.cluster.findings import Rule
from carpool.cluster.readers import network_edges
from carpool.cluster.wording import choose_from, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carpool.cluster.draft import Draft, Seat, Values
    from carpool.cluster.model import Interface
    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key

_IPV6_GROUP = "ff02::12"
_LEAVING = 255


def check(draft: Draft, source: Source) -> None:
    """Report to ``source`` everything in the draft that does not fit together."""
    _check_addresses(draft, source)
    _check_vhids(draft, source)
    _check_kernels(draft, source)
    for name, group in draft.groups.items():
        key = ("groups", name)
        _check_nodes(draft, group, key, source)
        _check_interval(group, draft.seats[name], key, source)
        _check_patience(group, draft.seats[name], key, source)
        _check_ranks(group, draft.seats[name], key, source)
        if group.get("preempt_delay") and group.get("preempt") is False:
            message, mend = "does nothing without preempt", "add preempt = true, or take it out"
            source.report(Rule.IDLE_DELAY, (*key, "preempt_delay"), message, mend)
        if group.get("replay") == "off":
            message = "whoever has heard this group can hold its backups back, or unseat its master"
            mend = 'use replay = "window", unless a node of the group runs OpenBSD'
            source.report(Rule.REPLAY_OFF, (*key, "replay"), message, mend)
    _check_together(draft, source)


def _check_addresses(draft: Draft, source: Source) -> None:
    """Report addresses that have more than one place, or no host's place."""
    real: dict[object, str] = {}
    edges: dict[object, str] = {}
    for key, node, interface in _listed(draft.nodes, "nodes", "address"):
        address = interface.ip
        if (holder := real.setdefault(address, node)) != node:
            message = f"{address} is the real address of node {holder} too"
            source.report(Rule.SHARED_REAL, key, message, "give each node its own")
        edges.update(dict.fromkeys(network_edges(interface), str(interface.network)))

    virtual: dict[object, str] = {}
    for key, group, interface in _listed(draft.groups, "groups", "addresses"):
        address = interface.ip
        if (holder := virtual.setdefault(address, group)) != group:
            message = f"{address} is in group {holder} too"
            mend = "leave it in one of them: a group moves on its own"
            source.report(Rule.SHARED_VIP, key, message, mend)
        if address in real:
            message = f"{address} is the real address of node {real[address]}"
            mend = "choose a free address, which no node has for itself"
            source.report(Rule.VIP_IS_REAL, key, message, mend)
        if address in edges:
            message = f"{address} is the network or broadcast address of {edges[address]}"
            mend = "choose a free address inside that network"
            source.report(Rule.UNUSABLE_ADDRESS, key, message, mend)

    for tables, section, name in (
        (draft.nodes, "nodes", "address"),
        (draft.groups, "groups", "addresses"),
    ):
        seen = set()
        for key, table, interface in _listed(tables, section, name):
            if (table, interface.ip) in seen:
                message = f"{interface.ip} is in this list already"
                source.report(Rule.REPEATED, key, message, "take one of the two out")
            seen.add((table, interface.ip))


def _listed(
    tables: dict[str, Values], section: str, name: str
) -> Iterator[tuple[Key, str, Interface]]:
    """Yield each address under key ``name`` of each table, with its own key and its table."""
    for table, values in tables.items():
        for index, interface in enumerate(values.get(name, ())):
            if interface is not None:
                yield (section, table, name, index), table, interface


def _check_kernels(draft: Draft, source: Source) -> None:
    """Report zones of brand lx without a Linux version, and others with one."""
    for node, zone in draft.zones.items():
        if not {"brand", "kernel_version"} <= zone.keys():
            continue  # reported already
        brand, version = zone["brand"], zone["kernel_version"]
        key = draft.zone_key(node, "kernel_version")
        if brand == "lx" and version is None:
            mend = 'add for example: kernel_version = "4.10"'
            source.report(Rule.MISSING_KEY, key, "is missing, and brand lx needs it", mend)
        elif brand != "lx" and version is not None:
            message = f"brand {brand} has no Linux version"
            source.report(Rule.UNKNOWN_PROPERTY, key, message, "take it out")


def _check_vhids(draft: Draft, source: Source) -> None:
    """Report groups whose advertisements would meet: same vhid, interface and multicast group."""
    taken: dict[object, str] = {}
    for name, group in draft.groups.items():
        vhid = group.get("vhid")
        met: dict[str, Seat] = {}
        for seat in draft.seats[name]:
            if seat.interface is None or vhid is None:
                continue
            for channel in _channels(group):
                place = (vhid, seat.node, seat.interface, channel)
                if (other := taken.setdefault(place, name)) != name:
                    met.setdefault(other, seat)
        for other, seat in met.items():
            source.report(
                Rule.SHARED_VHID,
                ("groups", name, "vhid"),
                f"{vhid} is the vhid of group {other} too, on {seat.interface} of {seat.node}",
                f"give each group its own vhid{_free_vhid(draft)}",
            )


def _channels(group: Values) -> set[object]:
    """Return the multicast groups in which the group's advertisements go out."""
    addresses = group.get("addresses", ())
    versions = {interface.version for interface in addresses if interface is not None}
    channels: set[object] = {_IPV6_GROUP} if 6 in versions else set()
    if 4 in versions or not versions:
        channels.add(group.get("multicast"))
    return channels


def _free_vhid(draft: Draft) -> str:
    taken = {group.get("vhid") for group in draft.groups.values()}
    free = next((vhid for vhid in range(1, 256) if vhid not in taken), None)
    return "" if free is None else f"; {free} is free"


def _check_nodes(draft: Draft, group: Values, key: Key, source: Source) -> None:
    """Report names of nodes that the file or the group does not have."""
    nodes = group.get("nodes")
    if nodes is not None and not nodes:
        mend = "name a node, or leave the key out for all of them"
        source.report(Rule.EMPTY, (*key, "nodes"), "the group has no node", mend)
    listed: set[str] = set()
    for index, node in enumerate(nodes or ()):
        if node is None:
            continue
        at = (*key, "nodes", index)
        check_known_node(draft, node, at, source)
        if node in listed:
            message = f"{node[:80]!r} is in this list already"
            source.report(Rule.REPEATED, at, message, "take one of the two out")
        listed.add(node)
    for name in ("advskew", "interface"):
        per_node = group.get(name)
        if not isinstance(per_node, dict):
            continue
        for node in per_node:
            at = (*key, name, node)
            if check_known_node(draft, node, at, source) and listed and node not in listed:
                mend = "add it to nodes of this group, or take it out here"
                source.report(Rule.NOT_MEMBER, at, f"{node} is no node of this group", mend)


def check_known_node(draft: Draft, node: str, key: Key, source: Source) -> bool:
    """Return whether the file has the node; report it if not."""
    if node in draft.nodes:
        return True
    if draft.nodes:  # without any, that was reported once and for all
        mend = choose_from(node, draft.nodes)
        source.report(Rule.UNKNOWN_NODE, key, f"there is no node {node[:80]!r}", mend)
    return False


def _check_interval(group: Values, seats: tuple[Seat, ...], key: Key, source: Source) -> None:
    """Report the two intervals with a meaning of their own, 255/255 and 0/0."""
    advbase = group.get("advbase")
    if advbase == _LEAVING and (names := _with_skew(seats, _LEAVING)):
        message = f"advbase 255 with advskew 255, on {listing(names)}, says that a node leaves"
        mend = "use an advskew of at most 254"
        source.report(Rule.BOW_OUT, (*key, "advskew"), message, mend)
    if advbase == 0 and (names := _with_skew(seats, 0)):
        meant = "means 256 advertisements a second"
        if group.get("profile") == "fast":  # advbase is none of its keys
            message = f"0 on {listing(names)} {meant} in the fast profile, as 1 does"
            mend = 'use an advskew of at least 1, or interval = "4ms" in its place'
            source.report(Rule.NO_INTERVAL, (*key, "advskew"), message, mend)
        else:
            message = f"0, with advskew 0 on {listing(names)}, {meant}"
            mend = "use advbase 1, or an advskew of at least 1"
            source.report(Rule.NO_INTERVAL, (*key, "advbase"), message, mend)


def _check_patience(group: Values, seats: tuple[Seat, ...], key: Key, source: Source) -> None:
    """Report a backup whose patience ends before a master of the group advertises again."""
    advbase, dead_ratio = group.get("advbase"), group.get("dead_ratio")
    ranked = sorted((seat.advskew, seat.node) for seat in seats if seat.advskew is not None)
    if advbase is None or dead_ratio is None or len(ranked) < 2:
        return
    # Patience and interval both grow with advskew: if any two do not fit, these two do not.
    (least, backup), (most, master) = ranked[0], ranked[-1]
    patience = master_down_time(advbase, least, dead_ratio)
    pause = interval(advbase, most)
    fast = group.get("profile") == "fast"
    if fast:
        patience = dead_ratio * pause
    if patience > pause:
        return
    message = (
        f"{backup} takes over after {_milliseconds(patience)} without an advertisement, and "
        f"{master} sends one every {_milliseconds(pause)}"
    )
    if fast:
        mend = "use a dead_ratio of at least 2; 3 is what other implementations have"
    elif advbase == 0:
        mend = "use advbase 1, a higher dead_ratio, or advskews that are closer together"
    else:
        mend = "use a dead_ratio of at least 2; 3 is what other implementations have"
    name = "advbase" if advbase == 0 and not fast else "dead_ratio"
    source.report(Rule.IMPATIENT, (*key, name), message, mend)


def _milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1_000_000:.0f} ms"


def _with_skew(seats: tuple[Seat, ...], advskew: int) -> list[str]:
    return [seat.node for seat in seats if seat.advskew == advskew]


def _check_ranks(group: Values, seats: tuple[Seat, ...], key: Key, source: Source) -> None:
    """Warn of preempt between nodes neither of which outranks the other."""
    if not group.get("preempt"):
        return
    counts = Counter(seat.advskew for seat in seats if seat.advskew is not None)
    equal = [skew for skew, count in counts.items() if count > 1]
    if equal:
        names = listing(_with_skew(seats, equal[0]))
        at = (*key, "preempt" if group.get("advskew") is None else "advskew")
        message = f"{names} have the same advskew {equal[0]}, so preempt does nothing among them"
        mend = "give each node its own advskew, the preferred one the lowest"
        source.report(Rule.EQUAL_ADVSKEW, at, message, mend)


def _check_together(draft: Draft, source: Source) -> None:
    """Warn of groups that are to move together, but prefer different nodes, or are alone."""
    teams: defaultdict[str, list[str]] = defaultdict(list)
    for name, group in draft.groups.items():
        if group.get("together") is not None:
            teams[group["together"]].append(name)
    for together, (first, *others) in teams.items():
        if not others:
            message = f"no other group is together with this one in {together!r}"
            mend = "give the others the same name here, or take it out"
            source.report(Rule.NOT_TOGETHER, ("groups", first, "together"), message, mend)
        for other in others:
            if _order(draft.seats[first]) != _order(draft.seats[other]):
                message = f"prefers its nodes in another order than group {first}, or has others"
                mend = "give all groups in it the same nodes, with the same order of advskew"
                source.report(Rule.NOT_TOGETHER, ("groups", other, "together"), message, mend)


def _order(seats: tuple[Seat, ...]) -> list[list[str]]:
    """Return the nodes from the most preferred on, those of equal advskew in one place."""
    places: defaultdict[int, list[str]] = defaultdict(list)
    for seat in seats:
        places[-1 if seat.advskew is None else seat.advskew].append(seat.node)
    return [sorted(places[advskew]) for advskew in sorted(places)]
