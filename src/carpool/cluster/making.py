"""A new cluster file from the few things that one has to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from carpool.cluster.load import read_cluster
from carpool.cluster.source import Source
from carpool.cluster.toml_writing import toml_key, toml_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from carpool.cluster.findings import Finding
    from carpool.cluster.model import Interface


@dataclass(frozen=True, slots=True)
class NewNode:
    """A node: its name, real addresses, and the hypervisor if it is a zone."""

    name: str
    addresses: tuple[Interface, ...]
    hypervisor: str | None = None


@dataclass(frozen=True, slots=True)
class NewCluster:
    """What a cluster file with one group is made from. ``zone`` is empty for plain hosts."""

    name: str
    nodes: Sequence[NewNode]
    interface: str
    vips: Sequence[Interface]
    vhid: int
    preempt: bool = False
    zone: dict[str, Any] = field(default_factory=dict)


def key_file(path: Path) -> Path:
    """Return where the password of the cluster file ``path`` is written."""
    return path.with_name(f"{path.stem}.key")


def make(wanted: NewCluster, path: Path) -> tuple[str, Path, tuple[Finding, ...]]:
    """Return the text for ``path``, the password file it names, and what is wrong with it."""
    key = key_file(path)
    text = _text(wanted, path, key)
    source = Source(path)
    read_cluster(text, source, path, secrets=False)
    return text, key, source.findings()


def free_vhid(used: Iterable[int]) -> int | None:
    """Return the lowest vhid that is not used, None if all are."""
    taken = set(used)
    return next((vhid for vhid in range(1, 256) if vhid not in taken), None)


def _text(wanted: NewCluster, path: Path, key: Path) -> str:
    text = f"""\
# The same file is for every node: each finds out by its address which one it is.
#
#   carpool check {path.name}
#   carpool run {path.name}

[cluster]
name = {toml_value(wanted.name)}
"""
    if wanted.zone:
        text += "\n[zone]  # what the zone of every node is like\n"
        text += "".join(f"{name} = {toml_value(value)}\n" for name, value in wanted.zone.items())
    for node in wanted.nodes:
        addresses: Any = node.addresses[0] if len(node.addresses) == 1 else node.addresses
        text += f"\n[nodes.{toml_key(node.name)}]\n"
        text += f"address = {toml_value(addresses)}  # its own, permanent address\n"
        text += f"interface = {toml_value(wanted.interface)}\n"
        if node.hypervisor:
            text += f"hypervisor = {toml_value(node.hypervisor)}\n"
    vips = [_with_prefix(vip, wanted.nodes) for vip in wanted.vips]
    advskew = {node.name: min(100 * rank, 240) for rank, node in enumerate(wanted.nodes)}
    if len(wanted.nodes) > 3:
        advskew = {}
    text += f"""
[groups.{toml_key(wanted.name)}]
vhid = {wanted.vhid}  # no other group's on this network
addresses = {toml_value(vips)}  # held by one node at a time, the master
password_file = {toml_value(key.name)}  # keep it as it is: readable by its owner only
"""
    if advskew:
        text += f"advskew = {toml_value(advskew)}  # 1/256 s; the lowest is to be master\n"
    back = "takes the address back" if wanted.preempt else "leaves it where it is"
    text += f"preempt = {toml_value(wanted.preempt)}  # a better node that returns {back}\n"
    return text


def _with_prefix(vip: Interface, nodes: Iterable[NewNode]) -> Interface:
    """Give a virtual address without a prefix length that of the nodes' network."""
    if vip.network.prefixlen < vip.max_prefixlen:
        return vip
    for node in nodes:
        for address in node.addresses:
            if address.version == vip.version and vip.ip in address.network:
                return type(vip)((vip.ip, address.network.prefixlen))
    return vip
