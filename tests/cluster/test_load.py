"""What a good cluster file becomes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv6Address, ip_interface
from pathlib import Path

import pytest
from tests.cluster.support import EVERY_KEY, load_text

from carpool.carp.counters import Replay
from carpool.cluster.load import load, zone_uuid
from carpool.cluster.model import Cluster, Group, Member, Node, Zone

EXAMPLES = Path(__file__).parents[2] / "examples"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "cluster.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def cluster_of(path: Path) -> Cluster:
    loaded = load(path, secrets=False)
    assert loaded.findings == ()
    assert loaded.cluster is not None
    return loaded.cluster


def nodes(**weights: int) -> str:
    return "".join(
        f'[nodes.{name}]\naddress = "10.0.0.{i}"\ninterface = "net0"\nweight = {weight}\n'
        for i, (name, weight) in enumerate(weights.items(), 1)
    )


GROUP = '[groups.www]\nvhid = 1\naddresses = ["10.0.0.200/24"]\npassword_file = "www.key"\n'


def skews(cluster: Cluster) -> dict[str, int]:
    return {member.node: member.advskew for member in cluster.groups[0].members}


def test_the_smallest_file_has_every_default(write: Write, tmp_path: Path) -> None:
    path = write(nodes(a=100) + GROUP)
    assert cluster_of(path) == Cluster(
        path,
        "carpool",
        (Node("a", (ip_interface("10.0.0.1/32"),), "net0", 100, "a"),),
        (
            Group(
                name="www",
                vhid=1,
                addresses=(ip_interface("10.0.0.200/24"),),
                password_file=tmp_path / "www.key",
                advbase=1,
                members=(Member("a", "net0", 0),),
                preempt=False,
                dead_ratio=3,
                up=None,
                down=None,
                script_timeout=30_000_000_000,
                source_mac="real",
                multicast=IPv4Address("224.0.0.18"),
                ignore_link=False,
                announce_every=2_000_000_000,
                seek_rival=600_000_000_000,
                on_conflict="defend",
            ),
        ),
    )


def test_everything_can_be_set(write: Write, tmp_path: Path) -> None:
    text = (
        nodes(a=1, b=2, c=3)
        + GROUP
        + (
            'nodes = ["a", "b"]\nadvbase = 2\nadvskew = { b = 7 }\npreempt = true\ndead_ratio = 4\n'
            'interface = { b = "net9" }\nup = "/up"\ndown = ["/down", "", "now"]\n'
            'script_timeout = 0.25\nsource_mac = "virtual"\nmulticast = "224.0.0.19"\n'
            "preempt_delay = 60\nhold_down = 30.5\nannounce_every = 0\nseek_rival = 0.5\n"
            "ignore_link = true\non_conflict = 'report'\nreplay = 'strict'\n"
            "accept_password_files = ['new.key', '/old.key']\n[cluster]\nname = 'web'\n"
        )
    )
    cluster = cluster_of(write(text))
    assert cluster.name == "web"
    assert cluster.groups[0] == Group(
        name="www",
        vhid=1,
        addresses=(ip_interface("10.0.0.200/24"),),
        password_file=tmp_path / "www.key",
        advbase=2,
        members=(Member("b", "net9", 7), Member("a", "net0", 20)),
        preempt=True,
        dead_ratio=4,
        up=("/up",),
        down=("/down", "", "now"),
        script_timeout=250_000_000,
        source_mac="virtual",
        multicast=IPv4Address("224.0.0.19"),
        ignore_link=True,
        preempt_delay=60_000_000_000,
        hold_down=30_500_000_000,
        announce_every=0,
        seek_rival=500_000_000,
        on_conflict="report",
        accept_password_files=(tmp_path / "new.key", Path("/old.key")),
        replay="strict",
    )
    settings = cluster.groups[0].carp_settings(cluster.groups[0].members[0], b"", (b"x",))
    assert (settings.replay, settings.accepted_passwords) == (Replay.STRICT, (b"x",))
    assert (settings.preempt_delay, settings.hold_down) == (60_000_000_000, 30_500_000_000)
    assert settings.seek_rival == 500_000_000
    alone = replace(cluster.groups[0], members=cluster.groups[0].members[:1])
    assert alone.carp_settings(alone.members[0], b"").seek_rival == 0


def test_groups_can_move_together(write: Write) -> None:
    other = '[groups.db]\nvhid = 2\naddresses = ["10.0.0.201/24"]\npassword_file = "www.key"\n'
    together = 'together = "edge"\n'
    cluster = cluster_of(write(nodes(a=1, b=2) + GROUP + together + other + together))
    assert [group.together for group in cluster.groups] == ["edge", "edge"]


def test_lookups(write: Write) -> None:
    cluster = cluster_of(write(nodes(a=1, b=1) + GROUP + 'nodes = ["b"]\n'))
    group = cluster.group("www")
    assert group is not None
    assert group.member("b") == Member("b", "net0", 0)
    assert group.member("a") is None
    assert cluster.node("a") == cluster.nodes[0]
    assert cluster.node("x") is None
    assert cluster.group("x") is None
    assert cluster.groups_of("b") == (group,)
    assert cluster.groups_of("a") == ()


def test_advskew_goes_by_weight_and_then_by_the_file(write: Write) -> None:
    text = nodes(a=10, b=200, c=10) + GROUP
    assert skews(cluster_of(write(text))) == {"b": 0, "a": 20, "c": 40}
    text += 'nodes = ["c", "b", "a"]\n'
    assert skews(cluster_of(write(text))) == {"b": 0, "c": 20, "a": 40}


def test_advskew_of_one_for_all(write: Write) -> None:
    assert skews(cluster_of(write(nodes(a=1, b=2) + GROUP + "advskew = 9"))) == {"a": 9, "b": 9}


@pytest.mark.parametrize(("count", "last"), [(1, 0), (2, 20), (13, 240), (14, 234), (300, 240)])
def test_default_advskews_stay_within_240(write: Write, count: int, last: int) -> None:
    text = "".join(
        f'[nodes.n{i}]\naddress = "10.0.{i // 250}.{i % 250 + 1}"\ninterface = "net0"\n'
        for i in range(count)
    )
    group = GROUP.replace("10.0.0.200", "10.9.0.200")
    found = list(skews(cluster_of(write(text + group))).values())
    assert found[0] == 0
    assert found[-1] == last
    assert len(set(found)) == min(count, 241)


def test_both_families_and_bare_addresses(write: Write) -> None:
    text = (nodes(a=1) + GROUP).replace(
        '"10.0.0.200/24"', '"10.0.0.200", "2001:db8::1", "fe80::1/64"'
    )
    found = [str(address) for address in cluster_of(write(text)).groups[0].addresses]
    assert found == ["10.0.0.200/32", "2001:db8::1/128", "fe80::1/64"]


@pytest.mark.parametrize(
    "address", ["10.1.0.0/31", "10.1.0.1/31", "2001:db8::/127", "2001:db8::ff/64"]
)
def test_addresses_that_only_look_like_edges(write: Write, address: str) -> None:
    cluster_of(write(nodes(a=1) + GROUP.replace("10.0.0.200/24", address)))


def test_one_vhid_on_separate_segments(write: Write) -> None:
    second = GROUP.replace("www", "two").replace("10.0.0.200", "10.0.0.201")
    for apart in (
        'interface = "net1"',
        'multicast = "224.0.0.19"',
    ):
        cluster_of(write(nodes(a=1) + GROUP + second + apart))
    # One group speaks IPv4 only, the other IPv6 only.
    cluster_of(write(nodes(a=1) + GROUP + second.replace("10.0.0.201/24", "fd00::1")))


def test_a_byte_order_mark_is_no_mistake(write: Write) -> None:
    cluster_of(write("\ufeff" + nodes(a=1) + GROUP))


def test_password_files_are_tried_if_asked(write: Write, tmp_path: Path) -> None:
    path = write(nodes(a=1) + GROUP)
    assert load(path, secrets=False).cluster is not None
    assert load(path).cluster is None
    key = tmp_path / "www.key"
    key.write_text("0f1e2d3c4b5a6978\n")
    key.chmod(0o600)
    assert load(path).cluster is not None
    assert load(path).findings == ()


def test_a_long_password_is_a_warning(write: Write, tmp_path: Path) -> None:
    key = tmp_path / "www.key"
    key.write_text("xyz0123456789xyzxyz0")
    key.chmod(0o600)
    loaded = load(write(nodes(a=1) + GROUP))
    assert loaded.cluster is not None
    assert [finding.code for finding in loaded.findings] == ["CP304"]
    assert "xyz" not in str(loaded.findings[0])


def test_a_password_in_a_pipe_is_left_there(write: Write, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "www.key")
    assert load(write(nodes(a=1) + GROUP)).cluster is not None


def test_two_zones() -> None:
    """The cluster that ``make demo`` runs."""
    cluster = cluster_of(EXAMPLES / "two-zones.toml")
    group = cluster.groups[0]
    real = [str(address) for node in cluster.nodes for address in node.addresses]
    assert real == ["192.168.0.201/24", "192.168.0.202/24"]
    assert [str(address) for address in group.addresses] == ["192.168.0.200/24"]
    assert group.vhid == 42
    assert group.password_file.name == "two-zones.key"
    assert group.members == (Member("web1", "net0", 0), Member("web2", "net0", 100))


def test_many() -> None:
    cluster = cluster_of(EXAMPLES / "many.toml")
    preferred = [
        min(group.members, key=lambda member: member.advskew).node for group in cluster.groups
    ]
    assert preferred == ["left", "right"]
    assert all({a.version for a in group.addresses} == {4, 6} for group in cluster.groups)


def test_import_is_light() -> None:
    code = "import sys, carpool.cluster.load, carpool.cluster.identify; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"difflib", "asyncio", "socket", "carpool.cluster.toml_places"}.isdisjoint(modules)


ZONES = """\
[cluster]
name = "shop"
[zone]
image = "62f148f8-6e84-11e4-82c5-efca60348b9f"
nic_tag = "external"
gateways = ["192.168.0.1"]
memory = 512
vlan = 7
[nodes.web1]
address = "192.168.0.201/24"
interface = "net0"
[nodes.web2]
address = "192.168.0.202/24"
interface = "eth0"
hypervisor = "root@gz2:2222"
hostname = "web2.example.com"
alias = "second"
uuid = "b6a3d1c8-3c2f-4a77-9a3e-6f1f0c7d2e11"
[nodes.web2.zone]
brand = "lx"
kernel_version = "4.10"
memory = 1024
gateways = []
resolvers = ["192.168.0.53", "2001:db8::53"]
mtu = 9000
packages = []
services = ["network/nginx"]
autoboot = false
[groups.www]
vhid = 1
addresses = ["192.168.0.200/24"]
password_file = "www.key"
"""


def test_zones(write: Write) -> None:
    """A node's own table overrides that of all, key by key; defaults are filled in."""
    one, two = cluster_of(write(ZONES)).nodes
    assert (one.hostname, one.alias, one.hypervisor) == ("web1", None, None)
    assert (two.hostname, two.alias, two.hypervisor) == (
        *("web2.example.com", "second"),
        "root@gz2:2222",
    )
    assert one.zone == Zone(
        brand="joyent",
        image="62f148f8-6e84-11e4-82c5-efca60348b9f",
        kernel_version=None,
        memory=512,
        quota=10,
        nic_tag="external",
        vlan=7,
        mtu=None,
        gateways=(IPv4Address("192.168.0.1"),),
        resolvers=(),
        dns_domain=None,
        packages=("python312",),
        services=(),
        autoboot=True,
    )
    assert two.zone == dataclasses.replace(
        one.zone,
        brand="lx",
        kernel_version="4.10",
        memory=1024,
        gateways=(),
        resolvers=(IPv4Address("192.168.0.53"), IPv6Address("2001:db8::53")),
        mtu=9000,
        packages=(),
        services=("network/nginx",),
        autoboot=False,
    )


def test_the_uuid_of_a_zone_is_always_the_same(write: Write) -> None:
    one, two = cluster_of(write(ZONES)).nodes
    assert one.uuid == zone_uuid("shop", "web1") == "4fc89e3f-457e-58d3-a621-4d2ab6f2f8ee"
    assert two.uuid == "b6a3d1c8-3c2f-4a77-9a3e-6f1f0c7d2e11"
    [other, _] = cluster_of(write(ZONES.replace("shop", "mail"))).nodes
    assert other.uuid != one.uuid


def test_a_host_that_is_no_zone(write: Write) -> None:
    [node] = cluster_of(write(nodes(a=1) + GROUP)).nodes
    assert (node.zone, node.uuid, node.hypervisor, node.hostname) == (None, None, None, "a")


def test_one_zone_among_other_hosts(write: Write) -> None:
    own = ZONES.replace("[zone]", "[nodes.web1.zone]")
    own = own.replace("[nodes.web2.zone]", "[nodes.web1.unused]")
    text = own[: own.index("hypervisor")] + own[own.index("[groups") :]
    one, two = cluster_of(write(text)).nodes
    assert one.zone is not None
    assert two.zone is None


def test_of_many_addresses_each_is_announced_more_seldom(write: Write) -> None:
    one = '[groups.g{0}]\nvhid = {0}\naddresses = ["10.0.1.{0}"]\npassword_file = "www.key"\n'
    for number, seconds in ((2, 2), (20, 2), (255, 25.5)):
        groups = "".join(one.format(vhid) for vhid in range(1, number + 1))
        cluster = cluster_of(write(nodes(a=1, b=2) + groups))
        assert {group.announce_every for group in cluster.groups} == {int(seconds * 1e9)}


def test_every_key_of_a_group_is_in_the_model(tmp_path: Path) -> None:
    """And the file that those are tried with who write one has them all."""
    loaded = load_text(tmp_path, EVERY_KEY)
    assert loaded.cluster is not None, loaded.findings
    assert loaded.findings == ()
    plain = load_text(
        tmp_path,
        """
[nodes.web1]
address = "192.168.0.201/24"
interface = "net0"
[groups.plain]
vhid = 1
addresses = ["192.168.0.220/24"]
password_file = "plain.key"
""",
    ).cluster
    assert plain is not None
    (least,) = plain.groups
    for field in fields(Group):
        values = [getattr(group, field.name) for group in loaded.cluster.groups]
        assert set(values) != {getattr(least, field.name)}, field.name
