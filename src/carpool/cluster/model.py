"""A cluster as the rest of carpool sees it: checked, complete, every default filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
    from pathlib import Path

    Interface: TypeAlias = IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the cluster, with its real addresses and the interface that has them.

    ``weight``, 0 to 255, ranks the nodes where a group says nothing: the heaviest is preferred.
    """

    name: str
    addresses: tuple[Interface, ...]
    interface: str
    weight: int


@dataclass(frozen=True, slots=True)
class Member:
    """What a group is on one of its nodes: its interface there, and its advskew (1/256 s)."""

    node: str
    interface: str
    advskew: int


@dataclass(frozen=True, slots=True)
class Group:
    """Virtual addresses that move together: one vhid.

    ``advbase`` is in seconds, ``script_timeout`` in ns. ``password_file`` is absolute. ``up`` and
    ``down`` are a program and its arguments. ``multicast`` is where IPv4 advertisements go; those
    of IPv6 go to ff02::12.
    """

    name: str
    vhid: int
    addresses: tuple[Interface, ...]
    password_file: Path
    advbase: int
    members: tuple[Member, ...]
    preempt: bool
    dead_ratio: int
    up: tuple[str, ...] | None
    down: tuple[str, ...] | None
    script_timeout: int
    source_mac: Literal["real", "virtual"]
    multicast: IPv4Address
    ignore_link: bool

    def member(self, node: str) -> Member | None:
        """Return the group's member on the node of that name, None if it has none there."""
        return next((member for member in self.members if member.node == node), None)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A whole cluster file; ``path`` is the file, None for a cluster made in memory."""

    path: Path | None
    name: str
    nodes: tuple[Node, ...]
    groups: tuple[Group, ...]

    def node(self, name: str) -> Node | None:
        """Return the node of that name, None if there is none."""
        return next((node for node in self.nodes if node.name == name), None)

    def group(self, name: str) -> Group | None:
        """Return the group of that name, None if there is none."""
        return next((group for group in self.groups if group.name == name), None)

    def groups_of(self, node: str) -> tuple[Group, ...]:
        """Return the groups that the node of that name is a member of."""
        return tuple(group for group in self.groups if group.member(node))
