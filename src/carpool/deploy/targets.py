"""What a deployment is to reach: each node's zone, files and services, and each group."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, TypeAlias

from carpool.smartos.files import files
from carpool.smartos.firstboot import UNIT
from carpool.smartos.payload import Compat
from carpool.smartos.places import ZONE, key_file, restart_command, secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carpool.cluster.model import Cluster, Group, Node

Address: TypeAlias = IPv4Address | IPv6Address

_PAYLOAD, _SCRIPT = "payload.json", "first-boot.sh"
_MARGIN = 15  # seconds for a daemon to start, on a busy machine


@dataclass(frozen=True, slots=True)
class Program:
    """The single file that is carpool."""

    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Its digest in hexadecimal."""
        return sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file in a zone: any of ``digests`` (SHA-256, hexadecimal) will do.

    ``mode`` is as ls(1) writes it, "-rw-r--r--".
    """

    path: str
    digests: tuple[str, ...]
    mode: str


@dataclass(frozen=True, slots=True)
class Target:
    """What one node is to be.

    ``payload`` is what `vmadm create` makes the zone from, ``script`` what sets it up inside:
    it puts ``files`` there, all but the program. ``restart`` is a command for the zone, with which
    the daemon that runs there becomes the program that lies there, without a failover.
    """

    node: str
    hypervisor: str
    uuid: str
    payload: Mapping[str, Any] = field(repr=False)
    script: str = field(repr=False)
    program: Program = field(repr=False)
    files: tuple[WantedFile, ...]
    services: tuple[str, ...]
    restart: str

    @property
    def brand(self) -> str:
        """The zone's brand."""
        return str(self.payload["brand"])

    @property
    def image(self) -> str:
        """The UUID of the zone's image."""
        return str(self.payload["image_uuid"])

    @property
    def nic_tags(self) -> tuple[str, ...]:
        """The nic tags that the hypervisor must have."""
        return tuple(str(nic["nic_tag"]) for nic in self.payload["nics"])


@dataclass(frozen=True, slots=True)
class GroupTarget:
    """A group: its addresses, and its nodes, the preferred one first.

    ``others`` are its nodes that are no zones of ours, and cannot be asked: the master may be one
    of them. ``takeover`` is how many seconds it may take until there is one master after a change.
    """

    name: str
    addresses: tuple[Address, ...]
    nodes: tuple[str, ...]
    takeover: float
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Goal:
    """A whole deployment; ``elsewhere`` are the nodes that are no zones of ours."""

    cluster: str
    targets: tuple[Target, ...]
    groups: tuple[GroupTarget, ...]
    elsewhere: tuple[str, ...]

    @property
    def hypervisors(self) -> tuple[str, ...]:
        """The global zones, in the order of the file."""
        return tuple(dict.fromkeys(target.hypervisor for target in self.targets))

    def on(self, hypervisor: str) -> tuple[Target, ...]:
        """Return what is to be on this hypervisor."""
        return tuple(target for target in self.targets if target.hypervisor == hypervisor)

    def target(self, node: str) -> Target:
        """Return the target of the node of that name; KeyError if it has none."""
        for target in self.targets:
            if target.node == node:
                return target
        raise KeyError(node)

    def groups_of(self, node: str) -> tuple[GroupTarget, ...]:
        """Return the groups that the node is in."""
        return tuple(group for group in self.groups if node in group.nodes)


def goal(
    cluster: Cluster,
    passwords: Mapping[str, bytes] | None,
    program: Program,
    compat: Compat = Compat.NONE,
) -> Goal:
    """Return what `carpool apply` is to reach; ``passwords`` are by the groups' names.

    Without them it is good for looking, not for a plan. Nodes without a zone or a hypervisor are
    left out. Raises RenderError.
    """
    ours = [node for node in cluster.nodes if node.zone is not None and node.hypervisor]
    names = {node.name for node in ours}
    return Goal(
        cluster.name,
        tuple(_target(cluster, node, passwords, program, compat) for node in ours),
        tuple(found for group in cluster.groups if (found := _group(group, names)).nodes),
        tuple(node.name for node in cluster.nodes if node.name not in names),
    )


def _group(group: Group, ours: set[str]) -> GroupTarget:
    members = sorted(
        (member for member in group.members if member.node in ours), key=lambda one: one.advskew
    )
    slowest = max((member.advskew for member in group.members), default=0)
    down_time = group.dead_ratio * -(-(256 * group.advbase + slowest) // 256)
    return GroupTarget(
        group.name,
        tuple(address.ip for address in group.addresses),
        tuple(member.node for member in members),
        2 * down_time + _MARGIN,
        tuple(member.node for member in group.members if member.node not in ours),
    )


def _target(
    cluster: Cluster,
    node: Node,
    passwords: Mapping[str, bytes] | None,
    program: Program,
    compat: Compat,
) -> Target:
    assert node.zone is not None
    assert node.hypervisor is not None
    assert node.uuid is not None
    rendered = {file.name: file for file in files(cluster, node, passwords, compat)}
    payload = json.loads(rendered.pop(_PAYLOAD).text)
    script = rendered.pop(_SCRIPT).text
    wanted = [WantedFile(ZONE.archive, (program.sha256,), "-rw-r--r--")]
    for file in rendered.values():
        path = UNIT if file.name == "carpool.service" else f"{ZONE.configuration}/{file.name}"
        # Of what is rendered, the scripts for ucarp are not for every zone.
        if f"put {shlex.quote(path)} " in script:
            wanted.append(WantedFile(path, _digests(file.data), _mode(file.mode)))
    for secret in secrets(cluster, node):
        password = (passwords or {}).get(secret, b"")
        path = f"{ZONE.configuration}/{key_file(secret)}"
        # mdata-get may end the line or not: only the first one counts.
        wanted.append(WantedFile(path, _digests(password, password + b"\n"), _mode(0o600)))
    if node.zone.packages:
        installed = " ".join(node.zone.packages).encode() + b"\n"
        path = f"{ZONE.configuration}/packages"
        wanted.append(WantedFile(path, _digests(installed), _mode(0o644)))
    return Target(
        node=node.name,
        hypervisor=node.hypervisor,
        uuid=node.uuid,
        payload=payload,
        script=script,
        program=program,
        files=tuple(wanted),
        services=node.zone.services,
        restart=shlex.join(restart_command(node, ZONE)),
    )


def _digests(*texts: bytes) -> tuple[str, ...]:
    return tuple(sha256(text).hexdigest() for text in texts)


def _mode(mode: int) -> str:
    """Return the mode of a plain file as ls(1) writes it."""
    letters = zip("rwxrwxrwx", range(8, -1, -1), strict=True)
    return "-" + "".join(letter if mode >> bit & 1 else "-" for letter, bit in letters)
