"""Every vhid there is, in one process."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.support.lan import Lan, cluster_file
from tests.support.pair import MARGIN, Pair

from carpool.carp.timing import master_down_time
from carpool.lab.faults import crash, freeze, thaw

pytestmark = pytest.mark.namespaces

VHIDS = range(1, 256)
VIPS = [IPv4Address("10.0.200.0") + vhid for vhid in VHIDS]
LEFT_SKEW, RIGHT_SKEW = 128, 192
DOWN_TIME = master_down_time(0, RIGHT_SKEW, 3) / 1e9


def all_at(lan: Lan, zone: str) -> bool:
    return all(lan.holders(vip) == [zone] for vip in VIPS)


def every_vhid(lan: Lan) -> Path:
    """Write a cluster file with 255 groups."""
    groups = {
        f"group{vhid}": {
            "vhid": vhid,
            "addresses": [f"{vip}/16"],
            "advbase": 0,
            "advskew": {"left": LEFT_SKEW, "right": RIGHT_SKEW},
            "nodes": ["left", "right"],
        }
        for vhid, vip in zip(VHIDS, VIPS, strict=True)
    }
    return cluster_file(lan, groups)


@pytest.mark.slow
def test_255_vhids_converge_to_one_master_and_all_fail_over(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        file = every_vhid(lan)
        left, right = lan.run(lan.left, file), lan.run(lan.right, file)
        lan.until(lambda: all_at(lan, "left"), 2 * DOWN_TIME + MARGIN)
        assert all(lan.shared(0, vip) == 0 for vip in VIPS)
        assert "MASTER" not in right.text()

        lan.until(lambda: len({sent.advertisement.vhid for sent in lan.heard.adverts()}) == 255)
        crash(lan.lab, lan.left)
        lan.until(lambda: all_at(lan, "right"), DOWN_TIME + MARGIN)
        # A group says so when its address is on, and so a moment later.
        lan.until_logged(right, "to state: MASTER", times=255)
        assert right.text().count("to state: MASTER") == 255
        assert left.process.poll() is not None


def test_a_late_backup_of_255_vhids_hears_all_that_is_queued_before_it_takes_over(
    tmp_path: Path,
) -> None:
    with Pair(tmp_path) as lan:
        file = every_vhid(lan)
        lan.run(lan.left, file)
        lan.until(lambda: all_at(lan, "left"))
        right = lan.run(lan.right, file)
        freeze(lan.right)
        lan.look(DOWN_TIME + 2 * LEFT_SKEW / 256)  # Of each vhid several advertisements wait.
        thaw(lan.right)
        lan.during(1.0, "left", vip=VIPS[-1])
        assert "MASTER" not in right.text()
