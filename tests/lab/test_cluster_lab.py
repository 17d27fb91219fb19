"""A cluster in the lab: what its parts say of themselves."""

import time
from pathlib import Path

import pytest
from tests.support.cluster_files import cluster_at
from tests.support.waiting import PATIENCE

from carpool.lab.cluster import ClusterLab, Life, until
from carpool.lab.namespaces import LabError
from carpool.lab.performance import SHIPPED
from carpool.lab.prepare import faster, prepare
from carpool.lab.watch import Watch

pytestmark = pytest.mark.namespaces

MS = 1_000_000


def two_zones(folder: Path) -> ClusterLab:
    cluster = cluster_at(SHIPPED)
    prepared = prepare(faster(cluster))
    return ClusterLab(prepared.cluster, prepared.passwords, folder)


def test_the_life_of_a_daemon(tmp_path: Path) -> None:
    with two_zones(tmp_path) as lab:
        assert lab.life("web1") is Life.ENDED
        assert lab.states("web1") == {}
        with pytest.raises(LabError, match="web1: its daemon is not running"):
            lab.kill("web1")
        lab.start("web1")
        assert lab.life("web1") is Life.RUNNING
        with pytest.raises(LabError, match="web1: its daemon is running already"):
            lab.start("web1")
        assert until(lambda: lab.states("web1") == {"www": "MASTER"}, PATIENCE)
        lab.freeze("web1")
        assert lab.life("web1") is Life.FROZEN
        with pytest.raises(LabError, match="web1: its daemon is frozen"):
            lab.stop("web1")
        lab.thaw("web1")
        lab.stop("web1")
        assert until(lambda: lab.life("web1") is Life.ENDED, PATIENCE)
        assert lab.states("web1") == {}
        lab.start("web1")
        assert lab.states("web1")["www"] in ("BACKUP", "MASTER")


def test_a_daemon_that_ends_at_once_says_why(tmp_path: Path) -> None:
    with two_zones(tmp_path) as lab:
        lab.launch("web1", tmp_path / "nothing.toml")
        with pytest.raises(LabError, match=r"web1: carpool run has ended: .*nothing\.toml: 1 err"):
            lab.await_start("web1")


def test_there_is_no_such_zone(tmp_path: Path) -> None:
    with two_zones(tmp_path) as lab:
        with pytest.raises(LabError, match="there is no zone web3; there is: web1, web2, client"):
            lab.freeze("web3")
        with pytest.raises(LabError, match="client is the client: no daemon runs there"):
            lab.start("client")


def test_the_watch_sees_addresses_come_and_go(tmp_path: Path) -> None:
    with two_zones(tmp_path) as lab:
        (group,) = lab.cluster.groups
        (vip,) = group.addresses
        zones = [lab.zone(name) for name in lab.nodes]
        zones[0].route.add_address(zones[0].ports["net0"].index, vip)
        with Watch(zones, vip.ip) as watch:
            assert watch.holders == {"web1"}
            zones[1].route.add_address(zones[1].ports["net0"].index, vip)
            watch.look(10_000 * MS)
            assert watch.holders == {"web1", "web2"}
            zones[0].route.delete_address(zones[0].ports["net0"].index, vip)
            before = time.monotonic_ns()
            watch.look(10_000 * MS)
            watch.look(20 * MS)  # nothing more comes
            assert time.monotonic_ns() - before >= 20 * MS
            assert [span.holders for span in watch.spans()] == [
                {"web1"},
                {"web1", "web2"},
                {"web2"},
            ]
            assert lab.holders(group) == ["web2"]
