"""Clusters for the tests of rendering: one of two zones, and any that Hypothesis makes up."""

from __future__ import annotations

import uuid
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Interface, ip_interface
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from carpool.cluster.model import Cluster, Group, Member, Node, Zone

IMAGE = "c02a2044-c1bd-11e4-bd8c-dfc1db8b0182"

ZONE = Zone(
    brand="joyent",
    image=IMAGE,
    kernel_version=None,
    memory=256,
    quota=10,
    nic_tag="external",
    vlan=0,
    mtu=None,
    gateways=(IPv4Address("192.168.0.1"),),
    resolvers=(IPv4Address("192.168.0.53"),),
    dns_domain="example.com",
    packages=("python312",),
    services=(),
    autoboot=True,
)

LX = replace(ZONE, brand="lx", kernel_version="4.10", packages=("python3",))


def node(number: int, zone: Zone | None = ZONE, name: str = "") -> Node:
    return Node(
        name=name or f"web{number}",
        addresses=(ip_interface(f"192.168.0.{200 + number}/24"),),
        interface="net0",
        weight=100,
        hostname=f"web{number}",
        hypervisor=f"gz{number}.example.com",
        uuid=None if zone is None else str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number))),
        zone=zone,
    )


def group(
    *nodes: Node, name: str = "www", addresses: tuple[str, ...] = ("192.168.0.200/24",)
) -> Group:
    return Group(
        name=name,
        vhid=42,
        addresses=tuple(map(ip_interface, addresses)),
        password_file=Path("/nowhere/www.key"),
        advbase=1,
        members=tuple(Member(n.name, n.interface, 20 * rank) for rank, n in enumerate(nodes)),
        preempt=False,
        dead_ratio=3,
        up=None,
        down=None,
        script_timeout=30_000_000_000,
        source_mac="real",
        multicast=IPv4Address("224.0.0.18"),
        ignore_link=False,
        on_conflict="defend",
    )


def cluster(zone: Zone | None = ZONE, *addresses: str) -> Cluster:
    nodes = (node(1, zone), node(2, zone))
    www = group(*nodes, addresses=addresses or ("192.168.0.200/24",))
    return Cluster(None, "web", nodes, (www,))


def passwords(made: Cluster, password: bytes = b"s3cret, pw") -> dict[str, bytes]:
    return {found.name: password for found in made.groups}


_words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
_hostile = st.text(min_size=1, max_size=20).filter(
    lambda text: "\0" not in text and "/" not in text
)
_names = st.one_of(_words, _hostile)


@st.composite
def zones(draw: st.DrawFn) -> Zone:
    brand: Any = draw(st.sampled_from(["joyent", "joyent-minimal", "lx"]))
    gateways: Any = draw(st.lists(st.ip_addresses(v=4), max_size=3))
    return Zone(
        brand=brand,
        image=str(draw(st.uuids())),
        kernel_version=draw(st.sampled_from(["3.13.0", "4.10"])) if brand == "lx" else None,
        memory=draw(st.integers(64, 1 << 20)),
        quota=draw(st.integers(1, 1000)),
        nic_tag=draw(st.from_regex(r"[a-zA-Z0-9_/]{1,20}", fullmatch=True)),
        vlan=draw(st.integers(0, 4095)),
        mtu=draw(st.none() | st.integers(576, 9000)),
        gateways=tuple(gateways),
        resolvers=tuple(draw(st.lists(st.ip_addresses(), max_size=3))),
        dns_domain=draw(st.none() | st.just("example.com")),
        packages=tuple(draw(st.lists(_words, max_size=4))),
        services=tuple(draw(st.lists(_words, max_size=2))),
        autoboot=draw(st.booleans()),
    )


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    """Any cluster of zones, also with names that no file could give them."""
    zone = draw(zones())
    names = draw(st.lists(_names, min_size=1, max_size=4, unique=True))
    nodes = [node(number, zone, name) for number, name in enumerate(names)]
    if draw(st.booleans()):
        nodes = [
            replace(n, addresses=(*n.addresses, IPv6Interface(f"2001:db8::{i + 16}/64")))
            for i, n in enumerate(nodes)
        ]
    groups = []
    hosts = iter(range(1, 13))
    for name in draw(st.lists(_names, max_size=4, unique=True)):
        members = draw(st.lists(st.sampled_from(nodes), min_size=1, unique_by=lambda n: n.name))
        count = draw(st.integers(1, 3))
        family = draw(st.sampled_from(["10.0.0.{}/24", "2001:db8:1::{}/64"]))
        addresses = tuple(family.format(next(hosts)) for _ in range(count))
        script = draw(st.none() | st.lists(_hostile, min_size=1, max_size=3).map(tuple))
        made = group(*members, name=name, addresses=addresses)
        source_mac: Any = draw(st.sampled_from(["real", "virtual"]))
        timeout = draw(st.integers(1, 86_400_000)) * 1_000_000
        groups.append(
            replace(made, source_mac=source_mac, up=script, down=script, script_timeout=timeout)
        )
    return Cluster(None, draw(_names), tuple(nodes), tuple(groups))
