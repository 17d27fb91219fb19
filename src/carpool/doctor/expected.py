"""The groups that should be there: from the cluster file, and from what the daemon says."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Any

from carpool.cluster import model
from carpool.cluster.password import PasswordError, read_password
from carpool.doctor.observation import Group, Peer, Told

Status = Mapping[str, Any]


def from_cluster(
    cluster: model.Cluster, node: model.Node | None, interface: str | None
) -> tuple[list[Group], list[str]]:
    """Return the groups of a node, or for an onlooker all, on `interface`; and what is amiss.

    An onlooker without an interface looks where the first node of a group has it.
    """
    groups, amiss = [], []
    for group in cluster.groups:
        member = group.members[0] if node is None else group.member(node.name)
        if member is None or (node is not None and interface not in (None, member.interface)):
            continue
        carp = None
        try:
            accepted = tuple(map(read_password, group.accept_password_files))
            carp = group.carp_settings(member, read_password(group.password_file), accepted)
        except PasswordError as error:
            amiss.append(f"group {group.name}: digests are not checked: {error}")
        groups.append(
            Group(
                name=group.name,
                vhid=group.vhid,
                interface=interface or member.interface,
                addresses=group.addresses,
                advbase=group.advbase,
                advskew=None if node is None else member.advskew,
                preempt=group.preempt,
                multicast=group.multicast.packed,
                virtual_mac=group.source_mac == "virtual",
                carp=carp,
                peers=_peers(cluster, group, node),
            )
        )
    return groups, amiss


def _peers(cluster: model.Cluster, group: model.Group, node: model.Node | None) -> tuple[Peer, ...]:
    return tuple(
        Peer(one.name, tuple(real.ip.packed for real in one.addresses), member.advskew)
        for one in cluster.nodes
        if one is not node and (member := group.member(one.name)) is not None
        # Else it speaks from an address of that interface, which is not in the file.
        if member.interface == one.interface
    )


def from_status(status: Status) -> list[Group]:
    """Return the groups that a daemon says it has."""
    return [
        Group(
            name=one["group"],
            vhid=one["vhid"],
            interface=one["interface"],
            addresses=tuple(map(ip_interface, one["addresses"])),
            advbase=one["advbase"],
            advskew=one["advskew"],
            preempt=one["preempt"],
            multicast=_packed(one.get("multicast")),  # a daemon that is older does not tell
        )
        for one in status["groups"]
    ]


def _packed(address: str | None) -> bytes:
    return ip_address(address).packed if address else b""


def with_told(group: Group, before: Status, after: Status) -> Group:
    """Return a group with what the daemon said of it before and after the listening."""
    first, last = (
        next((one for one in status["groups"] if one["group"] == group.name), None)
        for status in (before, after)
    )
    if first is None or last is None:
        return group
    same = first["state"] == last["state"] and first["transitions"] == last["transitions"]
    rejected = {
        reason: number - first["rejected"].get(reason, 0)
        for reason, number in last["rejected"].items()
    }
    mismatches = {
        ip_address(one["address"]).packed: one["reason"]
        for segment in after["interfaces"]
        if segment["interface"] == group.interface
        for one in segment.get("mismatches", ())
        if one["vhid"] == group.vhid
    }
    told = Told(
        state=last["state"],
        lasting=same,
        demotions=last["demotions"],
        rejected={reason: number for reason, number in rejected.items() if number > 0},
        heard=frozenset(ip_address(one["address"]).packed for one in last["peers"]),
        mismatches=mismatches,
    )
    return replace(group, told=told)
