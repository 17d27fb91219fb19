"""`carpool watch` and `carpool scan` beside real daemons."""

import json
import sys
from pathlib import Path

import pytest
from tests.support.lan import VHID, carpool
from tests.support.pair import Pair
from tests.support.processes import Family
from tests.support.terminal import Terminal

pytestmark = pytest.mark.namespaces


def test_watching_a_failover_and_steering(tmp_path: Path, family: Family) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        with lan.right.namespace.entered():
            command = [sys.executable, "-P", "-m", "carpool", "watch", "net0"]
            command += ["--node", "right", "--run-dir", str(lan.run_directory)]
            watch = Terminal(family, command)
        with watch:
            watch.expect("net0: 1 group")
            watch.expect("A 10.0.0.9")
            watch.type("d")
            watch.expect("demote group")
            watch.type("y")
            watch.expect("done: demote")
            left.process.terminate()
            watch.expect("10.0.1.5 (took over)")
            watch.expect("B 10.0.1.5")
            watch.type("q")
            assert watch.wait(5) == 0
        lan.until_holders("right")


def test_scanning(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        lan.run_both()
        # On the master's own host: it hears what that host says.
        scan = lan.start(lan.left, carpool("scan", "net0", "--seconds", "1.5", "--json"))
        lan.until(lambda: scan.process.poll() is not None)
        found = json.loads(scan.log.read_text())
        (group,) = found["groups"]
        assert (group["vhid"], group["protocol"], group["masters"]) == (VHID, "CARP", ["10.0.0.9"])
        assert VHID not in found["free"]
        assert len(found["free"]) == 254
