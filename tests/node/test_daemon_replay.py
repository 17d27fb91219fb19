"""The master is dead, and its advertisements keep coming: the backup takes over on time."""

import signal
from pathlib import Path

import pytest
from tests.support.lan import packed
from tests.support.pair import DOWN_TIME, MARGIN, Pair
from tests.support.replayer import captured, replay

from carpool.lab.faults import crash

pytestmark = pytest.mark.namespaces

TAKEN_OVER = DOWN_TIME + MARGIN


def test_replayed_advertisements_hold_no_backup_up_also_after_its_restart(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        stranger = lan.zone("stranger", "10.0.6.6/16")
        file = lan.file()
        lan.run(lan.left, file)
        lan.until_holders("left")
        right = lan.run(lan.right, file)
        source = packed("10.0.0.9")
        lan.until(lambda: len(captured(lan.heard, source)) >= 8)
        attack = replay(stranger, captured(lan.heard, source), tmp_path)
        lan.until_logged(right, "was heard before")
        lan.during(1.0, "left")

        crash(lan.lab, lan.left)
        lan.until_holders("right", seconds=TAKEN_OVER)
        lan.during(1.0, "right")

        right.stop(signal.SIGKILL)
        again = lan.run(lan.right, file)
        lan.until_holders("right", seconds=TAKEN_OVER)
        lan.during(1.0, "right")
        assert attack.poll() is None
        assert "was heard before" in again.text()
        assert again.text().count("to state") == 2
        assert len(again.text().splitlines()) < 30
