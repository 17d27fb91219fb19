"""Scripts run beside the advertisements: told all they need, in order, and in nobody's way."""

import json
import os
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.lan import SECOND, VHID, VIP
from tests.support.pair import BOW_OUT, VIP6, Pair

from carpool.carp.timing import interval

pytestmark = pytest.mark.namespaces


SKEW = 192
"""Three quarters of a second, so that a busy machine's lateness is small beside it."""
INTERVAL = interval(0, SKEW)
LATEST = 1.3 * INTERVAL
"""From one advertisement to the next: none is left out. The scripts take seconds."""


def script(path: Path, *lines: str) -> str:
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return str(path)


def test_an_up_script_that_sleeps_delays_no_advertisement_and_makes_no_second_master(
    tmp_path: Path,
) -> None:
    with Pair(tmp_path) as lan:
        begun = tmp_path / "begun"
        up = script(tmp_path / "up", f": > {begun}", "exec sleep 30")
        left, right = lan.run_both(up=up, advskew={"left": SKEW, "right": SKEW + 48})
        lan.until(begun.exists)
        since = time.monotonic_ns()
        lan.during(5.0, "left")
        lan.until(lambda: len(lan.adverts_of(lan.left, since=since)) >= 6)
        adverts = lan.adverts_of(lan.left, since=since)
        assert max(after.when - before.when for before, after in pairwise(adverts)) < LATEST
        assert "MASTER" not in right.text()

        stopped = time.monotonic_ns()
        left.send(signal.SIGTERM)
        lan.until_holders("right")
        lan.until(lambda: lan.adverts_of(lan.left)[-1].strength == BOW_OUT)
        assert lan.adverts_of(lan.left)[-1].when - stopped < SECOND // 2  # The script has 20 s.
        # It waits for its script, until it is told again.
        assert left.process.poll() is None
        assert left.stop() == 0


def test_an_up_script_that_floods_its_output_delays_no_advertisement(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        begun, ended = tmp_path / "begun", tmp_path / "ended"
        up = script(tmp_path / "up", f": > {begun}", "timeout 3 yes flood", f": > {ended}")
        left, right = lan.run_both(up=up, advskew={"left": SKEW, "right": SKEW + 48})
        # It may have run for a while until right is there.
        since = lan.changes[-1].when
        lan.until(ended.exists)
        assert begun.exists()
        lan.until(lambda: len(lan.adverts_of(lan.left, since=since)) >= 2)
        adverts = lan.adverts_of(lan.left, since=since)
        assert max(after.when - before.when for before, after in pairwise(adverts)) < LATEST
        assert "MASTER" not in right.text()
        lan.until_logged(left, "its further output is not logged")
        assert left.text().count("| flood") == 100


def test_scripts_run_one_after_the_other(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        told = tmp_path / "told"
        told.touch()
        up = script(tmp_path / "up", f"echo up >> {told}", "sleep 0.5", f"echo is up >> {told}")
        down = script(tmp_path / "down", f"echo down >> {told}")
        left = lan.run(lan.left, lan.file(up=up, down=down))
        lan.until(lambda: told.read_text().startswith("down\nup\n"))
        assert left.stop() == 0
        assert told.read_text() == "down\nup\nis up\ndown\n"


def test_a_down_script_that_systemd_cuts_short_is_run_once_more(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        told = tmp_path / "told"
        told.touch()
        last = tmp_path / "last"
        down = script(
            tmp_path / "down",
            f"echo $$ >> {told}",
            f"if [ -e {last} ]; then sleep 1; else sleep 100; fi || exit",
            f"echo over >> {told}",
        )
        left = lan.run(lan.left, lan.file(down=down))
        for runs in (1, 2):
            lan.until(lambda: len(told.read_text().splitlines()) == runs)  # noqa: B023 - called here
            os.killpg(int(told.read_text().split()[-1]), signal.SIGTERM)
            lan.until(lambda: left.text().count("down script: ended by") == 1)
        lan.until_holders("left")
        assert len(told.read_text().split()) == 2, "twice is enough"
        last.touch()
        assert left.stop() == 0
        assert told.read_text().split()[3:] == ["over"]


def test_what_a_script_is_told(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        told = tmp_path / "told"
        tell = tmp_path / "tell.py"
        tell.write_text(
            "import json, os, sys\n"
            f"with open({str(told)!r}, 'a') as file:\n"
            "    mine = {k: v for k, v in os.environ.items() if k.startswith('CARPOOL_')}\n"
            "    print(json.dumps([sys.argv[1:], mine]), file=file)\n"
        )
        left = lan.run(
            lan.left,
            lan.file(
                addresses=[f"{VIP}/16", f"{VIP6}/64"],
                up=[sys.executable, str(tell), "up", "two words"],
                down=[sys.executable, str(tell), "down"],
            ),
        )
        lan.until(lambda: told.exists() and len(told.read_text().splitlines()) == 2)
        assert left.stop() == 0
        environment = {
            **{name: value for name, value in os.environ.items() if name.startswith("CARPOOL_")},
            "CARPOOL_GROUP": "www",
            "CARPOOL_VHID": str(VHID),
            "CARPOOL_INTERFACE": "net0",
            "CARPOOL_ADDRESSES": f"{VIP}/16 {VIP6}/64",
        }
        assert [json.loads(line) for line in told.read_text().splitlines()] == [
            [["down", "net0", str(VIP)], {**environment, "CARPOOL_STATE": "BACKUP"}],
            [["up", "two words", "net0", str(VIP)], {**environment, "CARPOOL_STATE": "MASTER"}],
            [["down", "net0", str(VIP)], {**environment, "CARPOOL_STATE": "INIT"}],
        ]
