"""The keys that steer who is master, with real daemons: delays, and groups that move together."""

import time
from ipaddress import IPv4Address, ip_interface
from pathlib import Path

import pytest
from tests.support.lan import VIP
from tests.support.pair import DOWN_TIME, INTERVAL, LEFT_SKEW, MARGIN, Pair

from carpool.carp.timing import SECOND, master_down_time
from carpool.lab.faults import heal, partition, plug, unplug

pytestmark = pytest.mark.namespaces

VIP_BESIDE = IPv4Address("10.9.0.100")
HOLD_DOWN = 1.0


def test_a_node_alone_holds_itself_down_and_then_announces_again_and_again(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        started = time.monotonic_ns()
        lan.run(lan.left, lan.file(hold_down=HOLD_DOWN, announce_every=0.2))
        lan.until_holders("left")
        silent = HOLD_DOWN + master_down_time(0, LEFT_SKEW, 3) / SECOND
        assert time.monotonic_ns() - started >= silent * SECOND
        # Two for having become master; the others come without a reason.
        lan.until(lambda: len(lan.heard.announcements(VIP.packed)) >= 6)
        assert lan.adverts_of(lan.left)[0].when - started >= silent * SECOND


def test_a_port_that_is_slow_to_forward_makes_no_second_master_of_who_holds_down(
    tmp_path: Path,
) -> None:
    with Pair(tmp_path) as lan:
        right = lan.run(lan.right, lan.file())
        lan.until_holders("right")
        left = lan.run(lan.left, lan.file(hold_down=4))
        unplug(lan.lab, lan.left)
        lan.until_logged(left, "to state: INIT")
        partition(lan.lab, lan.left)
        plug(lan.lab, lan.left)
        lan.until_logged(left, "to state: BACKUP", times=2)
        lan.during(2 * DOWN_TIME, "right")  # It hears nobody, and would be master by now.
        heal(lan.lab, lan.left)
        lan.during(DOWN_TIME, "right")
        assert "MASTER" not in left.text()
        assert "BACKUP" not in right.text().partition("MASTER")[2]


def test_groups_on_two_networks_move_together_when_one_of_them_fails(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        for number, zone in enumerate((lan.left, lan.right), start=1):
            lan.lab.connect(zone, "net1", [ip_interface(f"10.9.0.{number}/24")])
        beside = {"vhid": 7, "addresses": [f"{VIP_BESIDE}/24"], "interface": "net1"}
        file = lan.files({"www": {"together": "edge"}, "beside": {**beside, "together": "edge"}})
        left = lan.run(lan.left, file)
        for vip in (VIP, VIP_BESIDE):
            lan.until_holders("left", vip=vip)
        lan.run(lan.right, file)

        unplug(lan.lab, lan.left, "net1")
        for vip in (VIP, VIP_BESIDE):
            lan.until_holders("right", vip=vip, seconds=DOWN_TIME + INTERVAL / SECOND + MARGIN)
        lan.until_logged(left, "www: demoted by 240: beside has no link on net1")
        plug(lan.lab, lan.left, "net1")
        lan.until_logged(left, "www: no longer demoted: beside has no link on net1")
        lan.during(DOWN_TIME, "right")
