"""The lab's copy of a cluster file, and which cables it makes of one; needs no namespaces."""

import stat
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path

import pytest
from tests.cluster.support import EVERY_KEY
from tests.support.cluster_files import cluster_at, cluster_of

from carpool.cluster.load import load
from carpool.cluster.model import Cluster
from carpool.lab.layout import Cable, layout
from carpool.lab.namespaces import LabError
from carpool.lab.performance import SHIPPED
from carpool.lab.prepare import faster, only, preempting, prepare, write

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
BARE = """
[nodes.a]
address = "10.0.0.1"
interface = "net0"
[nodes.b]
address = ["10.0.0.2", "2001:db8::2"]
interface = "net0"
[groups.near]
vhid = 1
addresses = ["10.0.0.100"]
password_file = "near.key"
[groups.far]
vhid = 2
addresses = ["172.16.0.100", "2001:db8::100"]
password_file = "far.key"
interface = { a = "net1", b = "net2" }
"""


def test_the_demo_plays_the_example() -> None:
    assert SHIPPED.read_text() == (EXAMPLES / "two-zones.toml").read_text()


@pytest.mark.parametrize("name", ["two-zones.toml", "many.toml"])
def test_the_copy_says_the_same(tmp_path: Path, name: str) -> None:
    cluster = cluster_at(EXAMPLES / name)
    prepared = prepare(cluster)
    copy = cluster_at(
        write(prepared.cluster, prepared.passwords, tmp_path, "copy.toml"), secrets=True
    )
    for group, copied in zip(cluster.groups, copy.groups, strict=True):
        assert replace(copied, password_file=group.password_file) == group
    assert copy.checks == cluster.checks
    assert [replace(node, zone=None, uuid=None) for node in cluster.nodes] == list(copy.nodes)


def test_every_key_of_a_group_is_in_the_copy(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, EVERY_KEY)
    prepared = prepare(cluster)
    copy = load(write(prepared.cluster, prepared.passwords, tmp_path, "copy.toml"))
    assert copy.cluster is not None, copy.findings
    for group, copied in zip(cluster.groups, copy.cluster.groups, strict=True):
        # What the lab does without: other passwords than the first, and services.
        assert copied == replace(
            group,
            password_file=tmp_path / f"{group.name}.key",
            accept_password_files=(),
            services=(),
            service_timeout=copied.service_timeout,
            service_demote=copied.service_demote,
            interval=copied.interval,  # It is in advskew.
        )


def test_addresses_without_a_prefix_get_one(tmp_path: Path) -> None:
    cluster = prepare(cluster_of(tmp_path, BARE)).cluster
    assert [str(address) for address in cluster.nodes[1].addresses] == [
        "10.0.0.2/24",
        "2001:db8::2/64",
    ]
    near, far = cluster.groups
    assert str(near.addresses[0]) == "10.0.0.100/32"  # within the nodes' network: as it was
    assert [str(address) for address in far.addresses] == ["172.16.0.100/24", "2001:db8::100/64"]


def test_a_password_that_is_there_is_used_and_only_read(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, BARE)
    key = tmp_path / "near.key"
    key.touch(mode=0o600)
    key.write_text("own secret\n")
    prepared = prepare(cluster)
    assert prepared.passwords["near"] == b"own secret"
    (note,) = prepared.notes
    assert "group far: the lab uses a password of its own" in note
    assert "does not exist" in note
    assert not (tmp_path / "far.key").exists()
    assert "secret" not in repr(prepared)
    folder = tmp_path / "lab"
    folder.mkdir()
    write(prepared.cluster, prepared.passwords, folder, "copy.toml")
    for name in ("near.key", "far.key"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert (folder / "near.key").read_bytes() == b"own secret\n"


def test_a_password_file_that_the_daemon_would_refuse_does_not_stop_the_lab(
    tmp_path: Path,
) -> None:
    cluster = cluster_of(tmp_path, BARE)
    (tmp_path / "near.key").write_text("open\n")
    (tmp_path / "near.key").chmod(0o644)
    prepared = prepare(cluster)
    assert prepared.passwords["near"] != b"open"
    assert "every user may access it" in prepared.notes[0]


def test_scripts_that_are_not_there_are_told_of_or_left_out(tmp_path: Path) -> None:
    cluster = cluster_of(tmp_path, BARE)
    group = replace(cluster.groups[0], up=("/no/such/up", "x"), down=("/bin/sh",))
    cluster = replace(cluster, groups=(group,))
    notes = prepare(cluster).notes
    assert "group near: there is no up script /no/such/up on this machine" in notes
    assert "group near: /bin/sh runs on this machine; or use --no-scripts" in notes
    assert prepare(cluster, scripts=False).cluster.groups[0].up is None


def test_faster_keeps_the_ranks() -> None:
    cluster = cluster_at(SHIPPED)
    (group,) = faster(cluster).groups
    assert (group.advbase, [member.advskew for member in group.members]) == (0, [64, 96])
    assert all(group.preempt for group in preempting(cluster, preempt=True).groups)


def test_only_one_group_leaves_its_nodes(tmp_path: Path) -> None:
    text = BARE.replace('interface = { a = "net1", b = "net2" }', 'nodes = ["b"]')
    cluster = cluster_of(tmp_path, text)
    reduced = only(cluster, cluster.groups[1])
    assert [node.name for node in reduced.nodes] == ["b"]
    assert [group.name for group in reduced.groups] == ["far"]


def cables(cluster: Cluster) -> dict[tuple[str, str], Cable]:
    return {(cable.zone, cable.interface): cable for cable in layout(cluster, "client")}


def test_interfaces_that_serve_a_group_meet(tmp_path: Path) -> None:
    found = cables(prepare(cluster_of(tmp_path, BARE)).cluster)
    assert found["a", "net0"].segment == found["b", "net0"].segment == "lan1"
    assert found["a", "net1"].segment == found["b", "net2"].segment == "lan2"
    assert {port for zone, port in found if zone == "client"} == {"net0", "net1"}


def test_who_has_no_address_gets_a_free_one(tmp_path: Path) -> None:
    found = cables(prepare(cluster_of(tmp_path, BARE)).cluster)
    given = [address for cable in found.values() for address in cable.addresses]
    assert len({address.ip for address in given}) == len(given)
    networks = {str(address.network) for address in found["a", "net1"].addresses}
    assert networks == {"172.16.0.0/24", "2001:db8::/64"}
    assert {str(address.network) for address in found["client", "net0"].addresses} >= {
        "10.0.0.0/24"
    }
    assert found["client", "net0"].addresses[0] == ip_interface("10.0.0.254/24")


def test_a_network_without_room_is_named(tmp_path: Path) -> None:
    text = BARE.replace('"10.0.0.1"', '"10.0.0.1/30"').replace('"10.0.0.2"', '"10.0.0.2/30"')
    text = text.replace('["10.0.0.100"]', '["10.0.0.98/30"]')
    text = text.partition("[groups.far]")[0]
    with pytest.raises(LabError, match=r"network 10\.0\.0\.0/30: no address is free"):
        layout(prepare(cluster_of(tmp_path, text)).cluster, "client")


def test_checks_are_told_of_and_go_with_the_scripts(tmp_path: Path) -> None:
    cluster = cluster_at(EXAMPLES / "many.toml")
    assert any(note.startswith("check maintenance looks at") for note in prepare(cluster).notes)
    bare = prepare(cluster, scripts=False)
    assert not any(note.startswith("check ") for note in bare.notes)
    copy = load(write(bare.cluster, bare.passwords, tmp_path, "copy.toml"))
    assert copy.findings == ()
    assert copy.cluster is not None
    assert copy.cluster.checks == ()
