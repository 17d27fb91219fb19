"""From payloads, ucarp's options and ifupdown's interfaces to a cluster file."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from carpool.cluster.facts import Nic
from carpool.cluster.inputs import Form
from carpool.cluster.load import read_cluster
from carpool.cluster.relations import teams
from carpool.cluster.source import Source
from carpool.cluster.team_rules import team
from carpool.cluster.toml_writing import toml_key, toml_line, toml_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from carpool.cluster.facts import Claim, Host
    from carpool.cluster.findings import Finding
    from carpool.cluster.inputs import Input
    from carpool.cluster.model import Interface
    from carpool.cluster.ucarp_setup import Setup

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_FROM_PAYLOAD = {
    "brand": "brand",
    "image": "image_uuid",
    "kernel_version": "kernel_version",
    "memory": "max_physical_memory",
    "quota": "quota",
    "dns_domain": "dns_domain",
    "autoboot": "autoboot",
}


_OLD_IMAGE = "# It was dataset_uuid, an image of 2012: choose one that 'imgadm avail' shows."


class CannotImportError(Exception):
    """There is nothing to make a cluster file of; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A cluster file: its text, the passwords by file, and what is left to mend in it."""

    text: str
    keys: dict[Path, bytes] = field(repr=False)
    findings: tuple[Finding, ...]


@dataclass(slots=True, eq=False)
class _Node:
    """A node to write. ``place`` is what the checks know of it, None if only its address is."""

    name: str
    interface: str
    addresses: list[str] = field(default_factory=list)
    host: Host | None = None
    zone: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Group:
    name: str
    vhid: int | None
    vips: list[Interface]
    setups: dict[_Node, Setup]
    nodes: list[_Node]
    password: bytes | None
    key_file: str = ""


def import_files(inputs: Sequence[Input], path: Path) -> Imported:
    """Make the cluster file that is to be written to ``path`` from what was read.

    What carpool needs no more, such as spoofing flags and scripts that set addresses, is left
    out. What is wrong and cannot be mended without knowing better stays, with a comment above it.
    Raises CannotImportError.
    """
    already = [str(read.source.file) for read in inputs if read.form is Form.CLUSTER]
    if already:
        raise CannotImportError(
            f"{already[0]}: is a cluster file already; carpool check tells more"
        )
    nodes, groups = _collect(inputs)
    keys = _name_keys(groups, path)
    text = _text(inputs, nodes, groups, path)
    source = Source(path)
    read_cluster(text, source, path, secrets=False)
    return Imported(_annotate(text, source.findings()), keys, source.findings())


def _collect(inputs: Sequence[Input]) -> tuple[list[_Node], list[_Group]]:
    setup_of = {
        claim: setup
        for read in inputs
        for claim, setup in zip(read.claims, read.setups, strict=True)
    }
    documents = {read.payload.host: read.payload.document for read in inputs if read.payload}
    hosts = [host for read in inputs for host in read.hosts]
    nodes: dict[object, _Node] = {}
    names: set[str] = set()
    group_names: set[str] = set()
    groups = []
    for claims, members in teams(hosts, list(setup_of)):
        vips = list(dict.fromkeys(at.value for claim in claims for at in claim.vips))
        vhid = next((claim.vhid.value for claim in claims if claim.vhid), None)
        if not vips or vhid is None:
            continue
        for host, nic in team(vips, members).places:
            if host not in nodes:
                setups = [setup_of[claim] for claim in claims if _is_of(claim, host)]
                nodes[host] = _node(host, nic, setups, documents.get(host), names)
            own = [str(at.value) for at in nic.addresses]
            nodes[host].addresses += [text for text in own if text not in nodes[host].addresses]
        seats = {}
        for claim in claims:
            setup = setup_of[claim]
            key = next((host for host in members if _is_of(claim, host)), setup.get("srcip"))
            if key is not None and key not in nodes:
                name = _unused(f"node{len(nodes) + 1}", names)
                nodes[key] = _Node(name, setup.get("interface", "net0"), [str(key)])
            if key is not None:
                seats[nodes[key]] = setup
        group_nodes = [nodes[host] for host in members]
        group_nodes += [node for node in seats if node not in group_nodes]
        password = next((claim.password.value for claim in claims if claim.password), None)
        group_vips = [_with_prefix(vip, members) for vip in vips]
        name = _unused(f"vhid{vhid}", group_names)
        groups.append(_Group(name, vhid, group_vips, seats, group_nodes, password))
    if not groups:
        raise CannotImportError(
            "no file says which address is shared, and with which vhid; "
            "name the files with ucarp's options too"
        )
    return list(nodes.values()), groups


def _is_of(claim: Claim, host: Host) -> bool:
    """Return whether the claim is of the process that runs on the host."""
    own = {at.value.ip for at in host.addresses}
    return any(seat.address is not None and seat.address.value in own for seat in claim.seats)


def _unused(name: str, names: set[str]) -> str:
    name = _NOT_IN_NAMES.sub("-", name).lstrip("._-")[:60] or "node"
    found, number = name, 1
    while found in names:
        number += 1
        found = f"{name}-{number}"
    names.add(found)
    return found


def _node(
    host: Host, nic: Nic, setups: list[Setup], document: dict[str, Any] | None, names: set[str]
) -> _Node:
    named = "node" if host.name == "interfaces" else host.name
    interface = next((setup.get("interface") for setup in setups if setup.get("interface")), None)
    first = "eth0" if host.brand == "lx" else "net0" if host.zone else nic.key[0]
    node = _Node(_unused(named, names), str(interface or first), host=host)
    if document is not None:
        node.zone = _zone(host, nic, document)
    return node


def _zone(host: Host, nic: Nic, document: dict[str, Any]) -> dict[str, Any]:
    """Return what a payload says that a cluster file can say too."""
    zone = {
        key: document[name] for key, name in _FROM_PAYLOAD.items() if document.get(name) is not None
    }
    if "image" not in zone and isinstance(document.get("dataset_uuid"), str):
        zone["image"] = document["dataset_uuid"]
    for key in ("memory", "quota"):
        if isinstance(zone.get(key), str) and zone[key].isdigit():
            zone[key] = int(zone[key])
    if isinstance(zone.get("autoboot"), str):
        zone["autoboot"] = zone["autoboot"] == "true"
    if nic.nic_tag is not None:
        zone["nic_tag"] = nic.nic_tag.value
    if nic.vlan is not None and nic.vlan.value:
        zone["vlan"] = nic.vlan.value
    nics = document.get("nics")
    index = nic.key[-1] if nic.key else None
    raw = nics[index] if isinstance(nics, list) and isinstance(index, int) else {}
    if isinstance(raw.get("mtu"), int):
        zone["mtu"] = raw["mtu"]
    zone["gateways"] = [str(at.value) for at in nic.gateways]
    zone["resolvers"] = [str(at.value) for at in host.resolvers]
    return {key: value for key, value in zone.items() if value != []}


def _with_prefix(vip: Interface, hosts: Iterable[Host]) -> Interface:
    """Return the virtual address with the prefix length of the network that it is on."""
    for host in hosts:
        for at in host.addresses:
            if at.value.version == vip.version and vip.ip in at.value.network:
                return type(vip)((vip.ip, at.value.network.prefixlen))
    return vip


def _name_keys(groups: list[_Group], path: Path) -> dict[Path, bytes]:
    """Give each password a file beside the cluster file; the most used has the shortest name."""
    counts = Counter(group.password for group in groups if group.password is not None)
    common = counts.most_common(1)[0][0] if counts else None
    keys = {}
    for group in groups:
        group.key_file = f"{path.stem}.key"
        if group.password != common and group.password is not None:
            group.key_file = f"{path.stem}-{group.name}.key"
        if group.password is not None:
            keys[path.parent / group.key_file] = group.password
    return keys


def _text(inputs: Sequence[Input], nodes: list[_Node], groups: list[_Group], path: Path) -> str:
    names = ", ".join(read.source.file.name for read in inputs if read.source.file)
    text = f"# Imported from {names}.\n\n"
    cluster = _NOT_IN_NAMES.sub("-", path.stem).lstrip("._-")[:60] or "carpool"
    text += f"[cluster]\nname = {toml_value(cluster)}\n"
    shared = _shared([node.zone for node in nodes if node.zone])
    if shared:
        text += f"\n[zone]\n{_pairs(shared)}"
        old = [read for read in inputs if read.payload and "dataset_uuid" in read.payload.document]
        if old:
            text = text.replace("\nimage = ", f"\n{_OLD_IMAGE}\nimage = ")
    for node in nodes:
        text += f"\n[nodes.{toml_key(node.name)}]\n{_node_text(node)}"
        own = {key: value for key, value in node.zone.items() if key not in shared}
        if own:
            text += f"\n[nodes.{toml_key(node.name)}.zone]\n{_pairs(own)}"
    for group in groups:
        text += f"\n[groups.{toml_key(group.name)}]\n{_group_text(group, nodes)}"
    return text


def _shared(zones: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what all zones have in common."""
    return {
        key: value
        for key, value in (zones[0].items() if zones else ())
        if all(zone.get(key) == value for zone in zones)
    }


def _pairs(values: dict[str, Any]) -> str:
    return "".join(f"{toml_line(key, value)}\n" for key, value in values.items())


def _node_text(node: _Node) -> str:
    addresses: Any = node.addresses[0] if len(node.addresses) == 1 else node.addresses
    values: dict[str, Any] = {"address": addresses, "interface": node.interface}
    host = node.host
    if host is not None and host.hostname and host.hostname.value != node.name:
        values["hostname"] = host.hostname.value
    if host is not None and host.uuid:
        values["uuid"] = host.uuid.value
    text = _pairs(values)
    if not all("/" in address for address in node.addresses):
        text = f"# Add the prefix length of the network to the address, such as /24.\n{text}"
    if node.zone:
        text += '# hypervisor = "gz1.example.com"   # the global zone, as ssh is to reach it\n'
    return text


def _group_text(group: _Group, nodes: list[_Node]) -> str:
    setups = group.setups
    values: dict[str, Any] = {"vhid": group.vhid, "addresses": group.vips}
    values["password_file"] = group.key_file
    advbases = [setup.get("advbase", 1) for setup in setups.values()]
    if advbases and max(advbases) != 1:
        values["advbase"] = max(advbases)
    values["advskew"] = {node.name: setup.get("advskew", 0) for node, setup in setups.items()}
    if any(setup.get("preempt") for setup in setups.values()):
        values["preempt"] = True
    ratios = {setup.get("deadratio") for setup in setups.values()} - {None}
    if ratios:
        values["dead_ratio"] = max(ratios)
    multicast = {setup.get("mcastip") for setup in setups.values()} - {None}
    if multicast:
        values["multicast"] = min(map(str, multicast))
    if any(setup.get("ignoreifstate") for setup in setups.values()):
        values["ignore_link"] = True
    interfaces = {
        node.name: other
        for node, setup in setups.items()
        if (other := setup.get("interface", node.interface)) != node.interface
    }
    if interfaces:
        values["interface"] = interfaces
    if len(group.nodes) != len(nodes):
        values["nodes"] = [node.name for node in group.nodes]
    text = _pairs(values)
    scripts = {
        name: words
        for name in ("up", "down")
        for setup in setups.values()
        if (words := _script(setup, name)) is not None
    }
    if scripts:
        text += (
            "# ucarp's scripts set the address, which carpool does itself. For what else they do:\n"
        )
        text += "".join(f"# {name} = {toml_value(words)}\n" for name, words in scripts.items())
    return text


def _script(setup: Setup, name: str) -> list[str] | None:
    """Return a script with the arguments that ucarp gives it."""
    script = setup.get(f"{name}script")
    if not isinstance(script, str):
        return None
    words = [script, str(setup.get("interface", "net0")), str(setup.get("addr"))]
    xparam = setup.get("xparam")
    return [*words, xparam] if isinstance(xparam, str) else words


def _annotate(text: str, findings: Iterable[Finding]) -> str:
    """Write each finding above its line, as a comment."""
    lines = text.splitlines()
    comments: dict[int, list[str]] = {}
    for found in findings:
        row = (found.line or 1) - 1
        comments.setdefault(row, []).append(f"# {found.code}: {found.message}; {found.mend}")
    for row in sorted(comments, reverse=True):
        lines[row:row] = comments[row]
    return "\n".join(lines) + "\n"
