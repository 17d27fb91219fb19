"""The daemon's own cluster file says what the cluster file says, of one node."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from tests.smartos.clusters import cluster, clusters, group, node

from carpool.cluster.load import load
from carpool.cluster.model import Check, Cluster
from carpool.smartos.config import config


def test_it_loads_as_the_same_groups(tmp_path: Path) -> None:
    made = cluster()
    www = replace(
        made.groups[0],
        up=("/bin/sh", "-c", 'echo "\\ \t\x7f"', ""),
        script_timeout=1_500_000_000,
        preempt=True,
        preempt_delay=60_000_000_000,
        hold_down=500_000_000,
        announce_every=90_000_000_000,
        together="edge",
    )
    made = replace(made, groups=(www,))
    path = tmp_path / "cluster.toml"
    path.write_text(config(made, made.nodes[0]), encoding="utf-8")
    loaded = load(path, secrets=False)
    assert loaded.cluster is not None, loaded.findings
    assert loaded.cluster.groups == (replace(www, password_file=tmp_path / "www.pw"),)
    plain = [(n.name, n.addresses, n.interface, n.weight) for n in made.nodes]
    assert [(n.name, n.addresses, n.interface, n.weight) for n in loaded.cluster.nodes] == plain


def test_it_has_no_more_than_the_node_needs() -> None:
    one, two, three = node(1), node(2), node(3)
    groups = (group(one, two), group(three, name="db"))
    text = config(Cluster(None, "web", (one, two, three), groups), one)
    assert set(tomllib.loads(text)["nodes"]) == {"web1", "web2"}
    assert set(tomllib.loads(text)["groups"]) == {"www"}


@given(clusters())
def test_any_names_survive(made: Cluster) -> None:
    for found in made.nodes:
        document = tomllib.loads(config(made, found))
        groups = made.groups_of(found.name)
        assert list(document.get("groups", {})) == [g.name for g in groups]
        assert document["cluster"]["name"] == made.name
        for g in groups:
            read = document["groups"][g.name]
            assert read["advskew"] == {m.node: m.advskew for m in g.members}
            assert tuple(read.get("up", ())) == (g.up or ())
            assert read["script_timeout"] * 1e9 == pytest.approx(g.script_timeout)


def test_it_has_the_checks_of_the_groups(tmp_path: Path) -> None:
    one, two, three = node(1), node(2), node(3)
    uplink = {"web1": "net1", "web3": "net3"}
    checks = (
        Check("port", "tcp", 10**9, 10**8, 1, 1, "demote", 7, address=one.addresses[0].ip, port=80),
        Check("uplink", "interface", 10**9, 10**8, 1, 1, "backup", None, interface=uplink),
        Check("other", "file", 10**9, 10**8, 1, 1, "demote", 1, path="/x", expect="absent"),
    )
    groups = (
        replace(group(one, two), checks=("port", "uplink")),
        replace(group(three, name="db"), checks=("other",)),
    )
    text = config(Cluster(None, "web", (one, two, three), groups, checks), one)
    path = tmp_path / "cluster.toml"
    path.write_text(text)
    loaded = load(path, secrets=False)
    assert loaded.findings == ()
    assert loaded.cluster is not None
    assert loaded.cluster.groups[0].checks == ("port", "uplink")
    mine = replace(checks[1], interface={"web1": "net1"})
    assert loaded.cluster.checks == (checks[0], mine)
