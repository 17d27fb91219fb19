"""A host that runs out of what a daemon needs: disk, descriptors, memory."""

import resource
import signal
import time
from pathlib import Path

import pytest
from tests.support.lan import VIP, Daemon, carpool
from tests.support.pair import DOWN_TIME, MARGIN, Pair
from tests.support.waiting import PATIENCE

from carpool.lab.faults import crash

pytestmark = pytest.mark.namespaces

FULL = Path("/dev/full")


def allow_no_more_files(daemon: Daemon) -> None:
    used = max(int(one.name) for one in Path(f"/proc/{daemon.pid}/fd").iterdir()) + 1
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (used, used))


def test_a_log_on_a_full_disk_hinders_nothing(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        # A short password is warned of, on standard error, before there is a log.
        file = lan.file()
        (tmp_path / "cluster.key").write_text("short")
        left = lan.left.start(carpool("run", str(file), "--node", "left"), log=FULL)
        lan.until_holders("left")
        right = lan.right.start(carpool("run", str(file), "--node", "right"), log=FULL)
        # It cannot say that it listens; its guard is there, and then time enough for the rest. If
        # not it takes over by its own patience, from when it does.
        lan.until(lambda: len(lan.right.processes()) > 1)
        since = time.monotonic_ns()
        lan.until(lambda: len(lan.adverts_of(lan.left, since=since)) >= 4)
        left.send_signal(signal.SIGTERM)
        assert left.wait(PATIENCE) == 0
        lan.until_holders("right")
        right.send_signal(signal.SIGTERM)
        assert right.wait(PATIENCE) == 0
        lan.until_holders()


def test_ucarp_command_line_tells_to_a_full_disk_in_vain(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        arguments = ["-i", "net0", "-s", "10.0.0.9", "-v", "1", "-p", "secret", "-a", str(VIP)]
        daemon = lan.left.start(carpool("ucarp", *arguments, "-z"), log=FULL)
        mac = lan.mac(lan.left)
        lan.until(lambda: bool(lan.heard.adverts(mac)))
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE) == 0


def test_a_backup_that_can_open_no_file_takes_over_all_the_same(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        ran = tmp_path / "ran"
        up = tmp_path / "up"
        up.write_text(f"#!/bin/sh\n: > {ran}\n")
        up.chmod(0o755)
        _, right = lan.run_both(up=str(up))
        lan.until(ran.exists)
        ran.unlink()
        allow_no_more_files(right)
        crash(lan.lab, lan.left)
        lan.until_holders("right", seconds=DOWN_TIME + MARGIN)
        lan.until(lambda: len(lan.adverts_of(lan.right)) >= 3)
        assert lan.heard.announcements(VIP.packed)[-1].mac == lan.mac(lan.right)
        # Only the script could not be run, and that is told.
        lan.until_logged(right, "up script: cannot run")
        lan.until_logged(right, "Too many open files")
        assert not ran.exists()
        assert right.stop() == 0
        lan.until_holders()


def test_a_backup_that_gets_no_more_memory_takes_over_all_the_same(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        _, right = lan.run_both()
        lan.until(lambda: len(lan.adverts_of(lan.left)) >= 4)
        for pid in (right.pid, lan.until_guarded(right)):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
            used = pages * resource.getpagesize()
            resource.prlimit(pid, resource.RLIMIT_AS, (used, used))
        crash(lan.lab, lan.left)
        lan.until_holders("right", seconds=DOWN_TIME + MARGIN)
        lan.until(lambda: len(lan.adverts_of(lan.right)) >= 3)
        assert right.stop() == 0
        lan.until_holders()
