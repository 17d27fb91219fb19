"""A copy of a cluster for the lab, which needs nothing that only the real machines have.

The user's own files are read and never changed; the copy is written where the lab keeps its own.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_interface
from pathlib import Path
from typing import TYPE_CHECKING, Final

from carpool.cluster.check_writing import check_keys
from carpool.cluster.model import Check, Cluster, Group, Node
from carpool.cluster.password import PasswordError, is_stream, read_password
from carpool.cluster.toml_writing import toml_key, toml_line, toml_seconds

if TYPE_CHECKING:
    from carpool.cluster.model import Interface

LAN_PREFIX: Final = {4: 24, 6: 64}
"""Prefix length of an address that is written without one."""

_FASTEST_SKEW: Final = 64  # 1/256 s: four advertisements a second
_SKEW_STEP: Final = 32
_SLOWEST_SKEW: Final = 254
_PASSWORD_BYTES: Final = 8  # 16 hexadecimal digits, which ucarp takes as well


@dataclass(frozen=True, slots=True)
class Prepared:
    """A cluster that the lab can run; `passwords` are by group.

    `notes` tell the user, a line each, what is not as it will be on the real machines.
    """

    cluster: Cluster
    passwords: Mapping[str, bytes] = field(repr=False)
    notes: tuple[str, ...] = ()


def prepare(cluster: Cluster, *, scripts: bool = True) -> Prepared:
    """Return the lab's copy of a cluster, without its scripts and checks if they are not wanted.

    Addresses without a prefix length get one, and passwords that cannot be read are made up.
    """
    passwords: dict[str, bytes] = {}
    notes: list[str] = []
    for group in cluster.groups:
        password, note = _password(group)
        passwords[group.name] = password
        notes += [note] if note else []
        if scripts:
            notes += _script_notes(group)
    if scripts:
        notes += [
            f"check {check.name} looks at this machine, in each zone's network; or use --no-scripts"
            for check in cluster.checks
        ]
    notes += [
        f"notify {one.name}: nobody is told of what happens here" for one in cluster.notifiers
    ]
    notes += [
        f"group {group.name}: its services are not started here"
        for group in cluster.groups
        if group.services
    ]
    nodes = tuple(replace(node, addresses=_with_prefix(node.addresses)) for node in cluster.nodes)
    cluster = replace(cluster, nodes=nodes)
    groups = tuple(
        replace(
            group,
            addresses=_reachable(group, cluster),
            up=group.up if scripts else None,
            down=group.down if scripts else None,
            checks=group.checks if scripts else (),
            services=(),
        )
        for group in cluster.groups
    )
    return Prepared(replace(cluster, groups=groups, notifiers=()), passwords, tuple(notes))


def faster(cluster: Cluster) -> Cluster:
    """Return the cluster at three to four advertisements a second; who outranks whom stays."""
    return replace(cluster, groups=tuple(map(_faster, cluster.groups)))


def preempting(cluster: Cluster, preempt: bool) -> Cluster:
    """Return the cluster with `preempt` set so in every group."""
    groups = tuple(replace(group, preempt=preempt) for group in cluster.groups)
    return replace(cluster, groups=groups)


def only(cluster: Cluster, group: Group) -> Cluster:
    """Return the cluster with one group, and the nodes that are in it."""
    nodes = tuple(node for node in cluster.nodes if group.member(node.name))
    return replace(cluster, nodes=nodes, groups=(group,))


def write(cluster: Cluster, passwords: Mapping[str, bytes], folder: Path, name: str) -> Path:
    """Write the cluster file and its password files (mode 0600) into a folder; return its path."""
    path = folder / name
    kept = []
    for group in cluster.groups:
        key = folder / f"{group.name}.key"
        key.touch(mode=0o600)
        key.write_bytes(passwords[group.name] + b"\n")
        kept.append(replace(group, password_file=key, accept_password_files=()))
    path.write_text("\n".join(_lines(replace(cluster, groups=tuple(kept)))) + "\n")
    return path


def _password(group: Group) -> tuple[bytes, str]:
    """Return the group's password, or one that is made up and a note why."""
    path = group.password_file
    try:
        if not is_stream(path):  # it may be read once, and not by us
            return read_password(path), ""
        why = f"{path}: it can be read only once"
    except PasswordError as error:
        why = f"{path}: {error.message}"
    made_up = secrets.token_hex(_PASSWORD_BYTES).encode()
    return made_up, f"group {group.name}: the lab uses a password of its own: {why}"


def _script_notes(group: Group) -> Iterator[str]:
    for kind, command in (("up", group.up), ("down", group.down)):
        if command and ("/" not in command[0] or shutil.which(command[0]) is None):
            yield f"group {group.name}: there is no {kind} script {command[0]} on this machine"
        elif command:
            yield f"group {group.name}: {command[0]} runs on this machine; or use --no-scripts"


def _reachable(group: Group, cluster: Cluster) -> tuple[Interface, ...]:
    """Return the virtual addresses, with a network where the nodes have none around them."""
    ports = {(member.node, member.interface) for member in group.members}
    networks = {
        address.network
        for node in cluster.nodes
        if (node.name, node.interface) in ports
        for address in node.addresses
    }
    return tuple(
        address if any(address.ip in network for network in networks) else wide
        for address, wide in zip(group.addresses, _with_prefix(group.addresses), strict=True)
    )


def _with_prefix(addresses: Sequence[Interface]) -> tuple[Interface, ...]:
    return tuple(
        ip_interface(f"{address.ip}/{LAN_PREFIX[address.version]}")
        if address.network.prefixlen == address.max_prefixlen
        else address
        for address in addresses
    )


def _faster(group: Group) -> Group:
    if group.profile == "fast":
        return group
    ranks = sorted({member.advskew for member in group.members})
    members = tuple(
        replace(
            member,
            advskew=min(_FASTEST_SKEW + _SKEW_STEP * ranks.index(member.advskew), _SLOWEST_SKEW),
        )
        for member in group.members
    )
    return replace(group, advbase=0, dead_ratio=3, members=members)


def _lines(cluster: Cluster) -> Iterator[str]:
    """Yield the lines of a cluster file: what the daemon needs of it, and no defaults."""
    yield "[cluster]"
    yield toml_line("name", cluster.name)
    for node in cluster.nodes:
        yield from _node_lines(node)
    for group in cluster.groups:
        yield from _group_lines(group)
    names = [node.name for node in cluster.nodes]
    used = {name for group in cluster.groups for name in group.checks}
    for check in cluster.checks:
        if check.name in used:
            yield from _check_lines(check, names)


def _node_lines(node: Node) -> Iterator[str]:
    yield f"\n[nodes.{toml_key(node.name)}]"
    yield toml_line("address", [str(address) for address in node.addresses])
    yield toml_line("interface", node.interface)
    yield toml_line("realtime", node.realtime)


def _group_lines(group: Group) -> Iterator[str]:
    yield f"\n[groups.{toml_key(group.name)}]"
    yield toml_line("vhid", group.vhid)
    yield toml_line("addresses", [str(address) for address in group.addresses])
    yield toml_line("password_file", str(group.password_file))
    if group.profile == "fast":
        yield toml_line("profile", group.profile)
        yield toml_line("on_late", group.on_late)
    yield toml_line("advbase", group.advbase)
    yield toml_line("dead_ratio", group.dead_ratio)
    yield toml_line("nodes", [member.node for member in group.members])
    yield toml_line("advskew", {member.node: member.advskew for member in group.members})
    yield toml_line("interface", {member.node: member.interface for member in group.members})
    yield toml_line("preempt", group.preempt)
    yield toml_line("source_mac", group.source_mac)
    yield toml_line("multicast", str(group.multicast))
    yield toml_line("ignore_link", group.ignore_link)
    yield toml_line("on_conflict", group.on_conflict)
    yield toml_line("replay", group.replay)
    yield toml_line("script_timeout", toml_seconds(group.script_timeout))
    yield toml_line("preempt_delay", toml_seconds(group.preempt_delay))
    yield toml_line("hold_down", toml_seconds(group.hold_down))
    yield toml_line("announce_every", toml_seconds(group.announce_every))
    yield toml_line("seek_rival", toml_seconds(group.seek_rival))
    for kind, command in (("up", group.up), ("down", group.down)):
        if command:
            yield toml_line(kind, list(command))
    if group.together:
        yield toml_line("together", group.together)
    if group.checks:
        yield toml_line("checks", list(group.checks))


def _check_lines(check: Check, nodes: list[str]) -> Iterator[str]:
    yield f"\n[checks.{toml_key(check.name)}]"
    for key, value in check_keys(check, nodes).items():
        yield toml_line(key, value)
