"""The daemon's own cluster file says what the cluster file says, of one node."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from tests.cluster.support import EVERY_KEY, load_text
from tests.smartos.clusters import clusters, group, node

from carpool.cluster.load import load
from carpool.cluster.model import Check, Cluster, Notifier
from carpool.smartos.config import config
from carpool.smartos.files import files
from carpool.smartos.places import secrets


def test_it_loads_as_the_same_groups(tmp_path: Path) -> None:
    made = load_text(tmp_path, EVERY_KEY).cluster
    assert made is not None
    loaded = load_text(tmp_path, config(made, made.nodes[0]))
    assert loaded.findings == ()
    assert loaded.cluster is not None
    for original, again in zip(made.groups, loaded.cluster.groups, strict=True):
        assert len(again.accept_password_files) == len(original.accept_password_files)
        assert again == replace(
            original,
            password_file=tmp_path / f"{original.name}.pw",
            accept_password_files=again.accept_password_files,
            interval=again.interval,  # It is in advskew.
        )
    assert loaded.cluster.nodes == made.nodes[:2]


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


def test_it_has_the_host_names_that_notifiers_tell(tmp_path: Path) -> None:
    one, two = replace(node(1), hostname="web1.example.com"), node(2)
    text = config(Cluster(None, "web", (one, two), (group(one, two),)), two)
    assert tomllib.loads(text)["nodes"]["web1"]["hostname"] == "web1.example.com"
    assert "hostname" not in tomllib.loads(text)["nodes"]["web2"]
    file = tmp_path / "cluster.toml"
    file.write_text(text)
    (tmp_path / "www.pw").touch(mode=0o600)
    (tmp_path / "www.pw").write_text("0123456789abcdef")
    loaded = load(file)
    assert loaded.cluster is not None
    assert loaded.findings == ()
    assert [found.hostname for found in loaded.cluster.nodes] == ["web1.example.com", "web2"]


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


def test_it_has_the_notifiers_of_the_groups_and_where_their_secrets_lie(tmp_path: Path) -> None:
    one, two, three = node(1), node(2), node(3)
    common = (("master",), ("www", "db"), 10**10, 5, 6 * 10**10)
    ops = Notifier(
        *("ops", "mail", *common),
        server="mail.example.com",
        port=587,
        security="starttls",
        to=("ops@example.com",),
        sender="carpool@example.com",
        user="carpool",
        secret_file=Path("/nowhere/mail.key"),
    )
    nagios = Notifier(
        *("nagios", "nrdp", *common),
        url="https://192.0.2.7/nrdp/",
        secret_file=Path("/nowhere/nrdp.key"),
        host={"web1": "a", "web3": "c"},
    )
    other = replace(ops, name="other", groups=("db",))
    www = replace(group(one, two), services=("apache2",), service_demote=7)
    groups = (www, group(three, name="db"))
    made = Cluster(None, "web", (one, two, three), groups, notifiers=(ops, nagios, other))
    path = tmp_path / "cluster.toml"
    path.write_text(config(made, one))
    loaded = load(path, secrets=False)
    assert loaded.findings == ()
    assert loaded.cluster is not None
    assert loaded.cluster.notifiers == (
        replace(ops, secret_file=tmp_path / "ops+notify.pw", groups=("www",)),
        replace(
            nagios, secret_file=tmp_path / "nagios+notify.pw", host={"web1": "a"}, groups=("www",)
        ),
    )
    again = loaded.cluster.groups[0]
    assert (again.services, again.service_demote) == (("apache2",), 7)
    assert secrets(made, one) == ["www", "ops+notify", "nagios+notify"]
    rendered = {file.name: file for file in files(made, replace(one, zone=None), None)}
    assert rendered["ops+notify.pw"].mode == 0o600
    assert "LoadCredential=ops+notify.pw:" in rendered["carpool.service"].text
    zoned = {
        file.name: file.text for file in files(made, one, dict.fromkeys(secrets(made, one), b"s"))
    }
    assert '"carpool_ops+notify_pw": "s"' in zoned["payload.json"]
    assert "ops+notify.pw" in zoned["first-boot.sh"]
