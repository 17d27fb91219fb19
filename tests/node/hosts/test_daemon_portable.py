"""A daemon with the host and link of illumos or a BSD beside one of Linux, on one LAN."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.support.ifconfig import StandIn
from tests.support.lan import VIP, Daemon
from tests.support.pair import BOW_OUT, DOWN_TIME, MARGIN, VIP6, Pair
from tests.support.waiting import PATIENCE

from carpool.carp.timing import master_down_time
from carpool.lab.faults import plug, unplug

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("ip")]

PROGRAM = Path(__file__).parent / "portable_daemon.py"
LISTING = 1.5
"""Seconds: without a routing socket it looks every one."""
START = 3.0
"""Seconds that a few commands of the stand-in take on a busy machine: each starts a Python."""


class Mixed(Pair):
    """Zone left is configured by an ifconfig, zone right by netlink."""

    flavour = "illumos"
    ifconfig: StandIn

    def run_left(self, **keys: object) -> Daemon:
        """Start the portable daemon in zone left until it is BACKUP."""
        self.ifconfig = StandIn(self.folder, self.flavour, kernel=True)
        addresses = [str(address) for address in self.left.ports["net0"].addresses]
        mac = self.mac(self.left).hex(":")
        self.ifconfig.add_interface("net0", *addresses, mac=mac)
        return self.start_left(**keys)

    def start_left(self, **keys: object) -> Daemon:
        words = [str(PROGRAM), self.flavour, str(self.ifconfig.path), str(self.file(**keys))]
        daemon = self.start(self.left, [sys.executable, "-P", *words, "left"])
        self.until_logged(daemon, "to state: BACKUP")
        return daemon

    def run_right(self, **keys: object) -> Daemon:
        return self.run(self.right, self.file(**keys))


@pytest.mark.parametrize("flavour", ["illumos", "ipadm", "freebsd"])
def test_it_is_elected_and_leaves_in_good_order(tmp_path: Path, flavour: str) -> None:
    with Mixed(tmp_path) as lan:
        lan.flavour = flavour
        # Patience for the commands by which left leaves: right must not lose its own meanwhile.
        both = {"addresses": [f"{VIP}/16", f"{VIP6}/64"], "advskew": {"left": 64, "right": 192}}
        left = lan.run_left(**both)
        lan.until_holders("left")
        lan.until_holders("left", vip=VIP6)
        right = lan.run_right(**both)
        lan.during(master_down_time(0, 192, 3) / 1e9, "left")
        assert "MASTER" not in right.text()
        left.send(signal.SIGTERM)
        lan.until_holders("right", seconds=START + MARGIN)
        lan.until_holders("right", vip=VIP6)
        assert left.process.wait(PATIENCE) == 0
        assert any(sent.strength == BOW_OUT for sent in lan.heard.adverts(lan.mac(lan.left)))
        assert lan.shared(0) == 0, "it bows out when the address has gone, not before"
        assert lan.ifconfig.addresses() == [str(one) for one in lan.left.ports["net0"].addresses]


def test_it_takes_over_from_a_dead_node_and_gives_way_to_it(tmp_path: Path) -> None:
    with Mixed(tmp_path) as lan:
        skews = {"left": 64, "right": 48}
        right = lan.run_right(advskew=skews)
        lan.until_holders("right")
        left = lan.run_left(advskew=skews)
        stopped = time.monotonic_ns()
        right.send(signal.SIGSTOP)
        lan.until_holders("left", seconds=DOWN_TIME + START + MARGIN)
        right.send(signal.SIGCONT)
        lan.during(DOWN_TIME, "left")
        assert lan.shared(stopped) == 0
        assert left.stop() == 0
        lan.until_holders("right", seconds=START + MARGIN)


def test_what_it_left_when_it_was_killed_is_removed(tmp_path: Path) -> None:
    with Mixed(tmp_path) as lan:
        left = lan.run_left()
        lan.until_holders("left")
        guard = lan.until_guarded(left)
        os.kill(guard, signal.SIGSTOP)  # Else it may be quicker than we.
        left.stop(signal.SIGKILL)
        os.kill(guard, signal.SIGKILL)
        lan.run_right()
        lan.until_holders("left", "right", seconds=DOWN_TIME + MARGIN)
        again = lan.start_left()
        assert "left behind by an earlier run" in again.text()
        lan.until_holders("right")
        lan.during(DOWN_TIME + MARGIN, "right")


def test_its_guard_takes_the_address_off_when_it_is_killed(tmp_path: Path) -> None:
    # Long enough for the commands of the stand-in: 2 s, of which the guard has a quarter.
    with Mixed(tmp_path) as lan:
        left = lan.run_left(advskew={"left": 96, "right": 171})
        lan.until_holders("left")
        left.stop(signal.SIGKILL)
        lan.until_holders(seconds=2 + START)
        lan.until(lambda: f"{VIP}/16 taken off" in left.text())


def test_a_pulled_cable_is_noticed(tmp_path: Path) -> None:
    with Mixed(tmp_path) as lan:
        left = lan.run_left()
        lan.until_holders("left")
        lan.run_right()
        unplug(lan.lab, lan.left)
        lan.until(lambda: "left" not in lan.holders(), LISTING + START + MARGIN)
        lan.until_holders("right", seconds=DOWN_TIME + MARGIN)
        plug(lan.lab, lan.left)
        lan.until_logged(left, "net0: link up")
        lan.during(DOWN_TIME + MARGIN, "right")


def test_an_address_that_is_taken_off_comes_back(tmp_path: Path) -> None:
    with Mixed(tmp_path) as lan:
        left = lan.run_left()
        lan.until_holders("left")
        lan.until(lan.ifconfig.has_listed)  # and so found that the address is on
        with lan.ifconfig.change() as state:
            state["interfaces"]["net0"]["addresses"].pop()
        (vip,) = (one for one in lan.left.addresses() if one.ip == VIP)
        lan.left.route.delete_address(lan.left.ports["net0"].index, vip)
        lan.until_logged(left, "putting it back")
        lan.until_holders("left", seconds=LISTING + START + MARGIN)
