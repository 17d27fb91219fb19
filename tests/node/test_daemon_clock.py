"""Somebody sets the wall clock, by an hour, forward and back: nobody is the wiser."""

import os
import signal
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.clock import environment_with, needs_faketime, set_clock
from tests.support.lan import SECOND, Daemon, carpool
from tests.support.pair import DOWN_TIME, INTERVAL, MARGIN, Pair

pytestmark = [pytest.mark.namespaces, needs_faketime]

HOUR = 3600


def last_stamp(daemon: Daemon) -> float:
    return datetime.fromisoformat(daemon.text().splitlines()[-1].split()[0]).timestamp()


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_step_of_the_wall_clock_changes_nothing(tmp_path: Path, step: int) -> None:
    clock = tmp_path / "clock"
    set_clock(clock, 0)
    environment = {**os.environ, **environment_with(clock)}
    with Pair(tmp_path) as lan:
        file = lan.file()
        daemons = []
        for zone in (lan.left, lan.right):
            words = carpool("run", str(file), "--node", zone.name)
            daemons.append(lan.start(zone, words, environment))
            lan.until_logged(daemons[-1], "to state: BACKUP")
            lan.until_holders("left")
        stamps = list(map(last_stamp, daemons))
        since = time.monotonic_ns()
        set_clock(clock, step)
        lan.during(2 * DOWN_TIME, "left")
        adverts = lan.adverts_of(lan.left, since=since)
        gaps = [after.when - before.when for before, after in pairwise(adverts)]
        assert max(gaps) < INTERVAL + MARGIN * SECOND
        assert "MASTER" not in daemons[1].text()
        for daemon, before in zip(daemons, stamps, strict=True):
            lines = len(daemon.text().splitlines())
            daemon.send(signal.SIGUSR1)
            lan.until(lambda: len(daemon.text().splitlines()) > lines)  # noqa: B023 - called here
            assert abs(last_stamp(daemon) - before - step) < HOUR / 2, "its clock was set"
            assert daemon.stop() == 0
