"""From a cluster file to what one node runs."""

from carpool.carp.auth import Address
from carpool.carp.timing import lapse_time
from carpool.cluster.model import Cluster, Group, Member, Node
from carpool.cluster.password import read_password
from carpool.node.settings import Advertise, GroupSettings, OnConflict


def plan(cluster: Cluster, node: Node) -> tuple[GroupSettings, ...]:
    """Return the groups that `node` runs. Reads their password files: raises PasswordError."""
    return tuple(
        _group(group, member, node, cluster)
        for group in cluster.groups
        if (member := group.member(node.name)) is not None
    )


def _group(group: Group, member: Member, node: Node, cluster: Cluster) -> GroupSettings:
    on_own_interface = member.interface == node.interface
    return GroupSettings(
        name=group.name,
        carp=group.carp_settings(
            member,
            read_password(group.password_file),
            tuple(map(read_password, group.accept_password_files)),
        ),
        interface=member.interface,
        addresses=group.addresses,
        sources=tuple(real.ip for real in node.addresses) if on_own_interface else (),
        neighbours=_neighbours(group, node, cluster),
        up=group.up or (),
        down=group.down or (),
        script_timeout=group.script_timeout,
        services=group.services,
        service_timeout=group.service_timeout,
        service_demote=group.service_demote,
        advertise=Advertise(group.source_mac),
        multicast=group.multicast,
        ignore_link=group.ignore_link,
        on_conflict=OnConflict(group.on_conflict),
        together=group.together,
        nodes=tuple(sorted(one.node for one in group.members)),
        patience=_patience(group, member),
        refuse_if_late=group.on_late == "refuse",
    )


def _neighbours(group: Group, node: Node, cluster: Cluster) -> tuple[Address, ...]:
    """Return from where the other nodes speak; nothing where the file does not say that of all."""
    found: list[Address] = []
    for other in cluster.nodes:
        member = group.member(other.name)
        if other is node or member is None:
            continue
        if member.interface != other.interface:
            return ()  # It speaks from an address of that interface, which is not in the file.
        found += [real.ip for real in other.addresses]
    return tuple(found)


def _patience(group: Group, own: Member) -> int | None:
    """Return the shortest patience of the other nodes, None if there are none."""
    others = [member.advskew for member in group.members if member is not own]
    return min((lapse_time(group.advbase, skew, group.dead_ratio) for skew in others), default=None)
