from __future__ import annotations

from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest

from carpool.cluster.findings import Finding
from carpool.cluster.identify import identify
from carpool.cluster.model import Cluster, Node

ONE = Node(
    "web1", (ip_interface("192.168.0.201/24"), ip_interface("fe80::201/64")), "net0", 100, "web1"
)
TWO = Node("web2", (ip_interface("192.168.0.202/24"),), "net0", 100, "web2")
CLUSTER = Cluster(Path("c.toml"), "c", (ONE, TWO), ())


@pytest.mark.parametrize(
    ("addresses", "node"),
    [
        (["127.0.0.1", "192.168.0.202"], TWO),
        (["192.168.0.201", "fe80::201"], ONE),
        (["fe80::201%net0"], ONE),
    ],
)
def test_by_address(addresses: list[str], node: Node) -> None:
    assert identify(CLUSTER, map(ip_address, addresses), None) is node


def test_the_name_comes_first() -> None:
    assert identify(CLUSTER, [ip_address("192.168.0.201")], "web2") is TWO


def test_unknown_name() -> None:
    finding = identify(CLUSTER, [], "wbe2")
    assert isinstance(finding, Finding)
    assert finding.code == "CP403"
    assert "did you mean 'web2'?" in finding.mend


def test_no_node_matches() -> None:
    finding = identify(CLUSTER, [ip_address("10.0.0.9")], None)
    assert isinstance(finding, Finding)
    assert finding.code == "CP401"
    for known in ("web1 192.168.0.201", "web2 192.168.0.202", "10.0.0.9"):
        assert known in finding.message
    assert "--node" in finding.mend
    assert str(finding).startswith("c.toml: error: ")


def test_a_host_without_addresses() -> None:
    finding = identify(CLUSTER, [], None)
    assert isinstance(finding, Finding)
    assert "no address" in finding.message


def test_two_nodes_match() -> None:
    finding = identify(CLUSTER, map(ip_address, ["192.168.0.201", "192.168.0.202"]), None)
    assert isinstance(finding, Finding)
    assert finding.code == "CP402"
    assert "web1, web2" in finding.message
