"""ucarp's advertisements, which have random counters, are refused when they come again."""

import signal
from pathlib import Path

import pytest
from tests.interop.nodes import CARPOOL, DROP_IN, LEFT, UCARP, pair, patience, start
from tests.support.lan import Lan, packed
from tests.support.replayer import captured, replay

from carpool.lab.faults import crash

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("ucarp")]


@pytest.mark.parametrize("backup", [CARPOOL, DROP_IN])
def test_a_dead_ucarp_that_is_replayed_holds_no_backup_up(tmp_path: Path, backup: str) -> None:
    with Lan(tmp_path) as lan:
        left, right = pair(lan)
        stranger = lan.zone("stranger", "10.0.6.6/16")
        start(lan, left, UCARP)
        lan.until_holders("left", seconds=patience(UCARP))
        daemon = start(lan, right, backup, advskew=50)
        heard = lan.capture(stranger)
        source = packed(LEFT)
        lan.until(lambda: len(captured(heard, source)) >= 3)
        attack = replay(stranger, captured(heard, source), tmp_path)
        lan.until_logged(daemon, "was heard before")

        crash(lan.lab, left)
        lan.until_holders("right", seconds=patience(backup, 50))

        if backup == CARPOOL:  # The drop-in keeps nothing, as ucarp keeps nothing.
            daemon.stop(signal.SIGKILL)
            lan.run(right, tmp_path / "right.toml")
            lan.until_holders("right", seconds=patience(backup, 50))
        lan.during(1.0, "right")
        assert attack.poll() is None
