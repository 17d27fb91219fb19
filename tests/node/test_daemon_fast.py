"""The fast profile with real daemons: intervals of milliseconds on a busy machine."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest
from tests.support.lan import MS, VIP, Daemon, cluster_file
from tests.support.pair import Pair
from tests.support.waiting import PATIENCE

from carpool.lab.faults import crash

pytestmark = pytest.mark.namespaces

LONG_WAIT = 100 * MS
POLICY = 38
"""The scheduling policy among the fields of proc_pid_stat(5) behind the name of the program."""


def file(lan: Pair, **keys: object) -> Path:
    """Write a cluster file with a group that notices a dead master after 0.25 s."""
    group = {"profile": "fast", "interval": "50ms", "dead_ratio": 5, "nodes": ["left", "right"]}
    return cluster_file(lan, {"www": {"addresses": [f"{VIP}/16"], **group, **keys}})


def run_both(lan: Pair, **keys: object) -> tuple[Daemon, Daemon]:
    path = file(lan, **keys)
    left = lan.run(lan.left, path)
    lan.until_holders("left")
    return left, lan.run(lan.right, path)


def policy(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[POLICY])


def punctuality(lan: Pair, node: str) -> Mapping[str, Any]:
    told = lan.ask(node, "status")["punctuality"]
    assert isinstance(told, dict)
    return told


def test_a_dead_node_is_replaced_within_a_second_and_nothing_moves_before(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        _, right = run_both(lan)
        lan.during(1.0, "left")
        mac, died = lan.mac(lan.right), time.monotonic_ns()
        crash(lan.lab, lan.left)
        lan.until_holders("right", seconds=1.0)
        lan.until(lambda: bool(lan.adverts_of(lan.right, since=died)))
        lan.until(lambda: mac in [told.mac for told in lan.heard.announcements(VIP.packed)])
        lan.during(0.5, "right")
        told = punctuality(lan, "right")
        assert told["wakeups"] > 10
        assert sum(one["wakeups"] for one in told["lateness"]) == told["wakeups"]
        assert told["groups"][0]["configured_interval"] == pytest.approx(13 / 256, abs=1e-6)
        lan.until_logged(right, "fast: an advertisement every")


def test_a_clean_stop_does_not_wait(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = run_both(lan)
        stopped = time.monotonic_ns()
        assert left.stop() == 0
        lan.until_holders("right")
        lan.until(lambda: bool(lan.adverts_of(lan.right, since=stopped)))
        (bow_out,) = lan.adverts_of(lan.left, since=stopped)[-1:]
        # Without the bow-out it would be 200 ms later at least.
        assert lan.adverts_of(lan.right, since=stopped)[0].when - bow_out.when < 100 * MS
        assert lan.shared(0) == 0


SLUGGISH = """
import sys
from carpool.node import punctuality
from carpool.node.lateness import Window

def measured(_duration, _step):
    window = Window()
    window.note(2_000_000_000)
    return window

punctuality.measured = measured
from carpool.cli import main
sys.exit(main())
"""


def test_a_machine_that_is_too_late_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        run = ["run", str(file(lan, on_late="refuse")), "--node", "left"]
        daemon = lan.start(lan.left, [sys.executable, "-P", "-c", SLUGGISH, *run])
        assert daemon.process.wait(PATIENCE) == 2
        assert "this machine wakes up to 2000.0 ms late" in daemon.text()
        assert 'it needs interval = "812.5ms" here' in daemon.text()
        assert "BACKUP" not in daemon.text()


def test_scripts_do_not_inherit_the_priority_and_the_guard_has_it(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        found = tmp_path / "policy"
        script = f"from pathlib import Path; Path({str(found)!r}).write_text(STAT)"
        script = script.replace("STAT", "Path('/proc/self/stat').read_text()")
        left = lan.run(lan.left, file(lan, up=[sys.executable, "-c", script]))
        lan.until(lambda: found.exists() and bool(found.read_text()))
        assert int(found.read_text().rpartition(")")[2].split()[POLICY]) == os.SCHED_OTHER
        realtime = punctuality(lan, "left")["realtime"]
        wanted = os.SCHED_FIFO if realtime else os.SCHED_OTHER
        # The guard has it before it calls itself one.
        assert [policy(pid) for pid in (left.pid, lan.until_guarded(left))] == [wanted, wanted]


def test_a_node_may_be_told_to_take_no_priority(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        path = file(lan)
        text = path.read_text().replace("[nodes.left]", "[nodes.left]\nrealtime = false")
        path.write_text(text)
        left = lan.run(lan.left, path)
        assert policy(left.pid) == os.SCHED_OTHER
        assert punctuality(lan, "left")["realtime_problem"] == "realtime = false"


def test_a_restart_slows_the_master_down_so_that_backups_wait(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        run_both(lan)
        since = time.monotonic_ns()
        done = lan.carpool("restart", "--force", "--node", "left")
        assert done.returncode == 0, done.stderr
        lan.until(lambda: (0, 255) in strengths(lan, since))
        lan.until(lambda: strengths(lan, since)[-1] == (0, 13))
        lan.during(0.5, "left")
        assert not [change for change in lan.changes if change.zone == "right"]


def strengths(lan: Pair, since: int) -> list[tuple[int, int]]:
    return [advert.strength for advert in lan.adverts_of(lan.left, since=since)] or [(0, 0)]


def test_a_frozen_master_has_lost_the_address_when_another_takes_over(tmp_path: Path) -> None:
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with Pair(folder) as lan:
            left, _ = run_both(lan, interval="250ms", dead_ratio=4)
            left.send(signal.SIGSTOP)
            waits: list[int] = []

            def taken_over() -> bool:
                waits.append(wait_for_kernel(lan))  # noqa: B023 - called here
                return lan.holders() == ["right"]

            lan.until(taken_over)
            if max(waits) > LONG_WAIT and lan.shared(0):
                continue  # Who takes an address off waits as long as that; the guard has 250 ms.
            assert lan.shared(0) == 0
            left.send(signal.SIGCONT)
            lan.during(0.5, "right")
            return
    pytest.fail("the kernel lets addresses wait, each time")


def wait_for_kernel(lan: Pair) -> int:
    """Return how long (ns) it takes to change an address: others may hold the kernel's lock."""
    begun = time.monotonic_ns()
    index, other = lan.client.ports["net0"].index, ip_interface("203.0.113.1/32")
    lan.client.route.add_address(index, other)
    lan.client.route.delete_address(index, other)
    return time.monotonic_ns() - begun
