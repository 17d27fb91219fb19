"""A daemon's trace, from a real failover: asked for, written by itself, and told elsewhere."""

import json
import signal
import stat
import sys
from pathlib import Path

import pytest
from tests.support.lan import PASSWORD, run_carpool
from tests.support.pair import DOWN_TIME, MARGIN, Pair
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.namespaces


def test_a_failover_is_told_from_the_trace_of_who_took_over(tmp_path: Path) -> None:
    file = tmp_path / "right.trace"
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        lan.during(1.0, "left")  # so that right has heard it
        left.send(signal.SIGKILL)
        lan.until_holders("right", seconds=DOWN_TIME + 2 + MARGIN)
        asked = ("trace", "--node", "right", "--run-dir", str(lan.run_directory))
        done = run_carpool(*asked, "-o", str(file))
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"wrote {file}: 1 group, ")
        done = run_carpool(*asked, "--group", "wwww", "-o", str(tmp_path / "none"))
        assert (done.returncode, done.stderr) == (
            *(1, "carpool trace: there is no group 'wwww' on this node; it has www\n"),
        )
        assert not (tmp_path / "none").exists()
        done = run_carpool(*asked, "-o", str(tmp_path / "none" / "such"))
        assert done.returncode == 5
        assert "No such file or directory" in done.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    assert PASSWORD.encode().hex() not in file.read_text()

    done = run_carpool("replay", str(file))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    told = done.stdout.splitlines()
    heard = [n for n, line in enumerate(told) if "heard 10.0.0.9" in line and "FASTER" in line]
    (taken,) = [n for n, line in enumerate(told) if "[BACKUP MASTER_DOWN] -> MASTER" in line]
    assert max(heard) < taken
    assert f"no master heard for {DOWN_TIME:.3f} s" in told[taken]

    done = run_carpool("replay", str(file), "--json")
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert steps[-1]["state"] == "MASTER"
    assert not any(step["differs"] for step in steps)


CRASHES = """
import sys
from carpool.cli import main
from carpool.node.daemon import Daemon

def log_status(self):
    raise ZeroDivisionError("a bug")

Daemon.log_status = log_status
sys.exit(main())
"""


def test_a_daemon_that_crashes_leaves_a_trace(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        program = [sys.executable, "-P", "-c", CRASHES, "run", str(lan.file()), "--node", "left"]
        left = lan.start(lan.left, program)
        lan.until_holders("left")
        left.send(signal.SIGUSR1)
        assert left.process.wait(PATIENCE) == 1
        lan.until_holders(seconds=2 + MARGIN)
        assert "ZeroDivisionError: a bug" in left.text()
    (file,) = (tmp_path / "state").glob("left-*.trace")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (
        f"wrote what led to it into {file}, for carpool replay: the daemon crashed" in left.text()
    )
    done = run_carpool("replay", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert "[BACKUP MASTER_DOWN] -> MASTER" in done.stdout
