"""Side by side with Debian's ucarp, each as master and as backup."""

import signal
import time
from pathlib import Path

import pytest
from tests.interop.nodes import (
    ALL_PAIRS,
    CARPOOL,
    DEAFNESS,
    DROP_IN,
    LEFT,
    MARGIN,
    PAIRS,
    RIGHT,
    UCARP,
    pair,
    patience,
    start,
)
from tests.support.lan import SECOND, Lan

from carpool.lab.faults import crash, heal, partition, unplug

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("ucarp"), pytest.mark.peer("ip")]

AT_ONCE = 1.8
"""Seconds: an advertisement comes every one, and then some for a busy machine."""
SOON = 1.0 + MARGIN
"""The same for what is waited for."""


@pytest.mark.parametrize(("master", "backup"), ALL_PAIRS)
def test_each_accepts_the_others_advertisements(tmp_path: Path, master: str, backup: str) -> None:
    with Lan(tmp_path) as lan:
        left, right = pair(lan)
        start(lan, left, master)
        lan.until_holders("left")
        second = start(lan, right, backup, advskew=1)
        lan.during(patience(backup), "left")
        assert "MASTER" not in second.text()
        assert "digest" not in second.text()


@pytest.mark.parametrize(("master", "backup"), PAIRS)
def test_a_dead_zone_is_replaced(tmp_path: Path, master: str, backup: str) -> None:
    with Lan(tmp_path) as lan:
        left, right = pair(lan)
        start(lan, left, master)
        lan.until_holders("left")
        start(lan, right, backup, advskew=20)
        crash(lan.lab, left)
        lan.until_holders("right", seconds=patience(backup, 20))
        lan.during(0.5, "right")


@pytest.mark.parametrize(("master", "backup"), PAIRS)
def test_a_killed_daemon_whose_cable_is_pulled_is_replaced(
    tmp_path: Path, master: str, backup: str
) -> None:
    with Lan(tmp_path) as lan:
        left, right = pair(lan)
        first = start(lan, left, master)
        lan.until_holders("left")
        start(lan, right, backup, advskew=20)
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        unplug(lan.lab, left)
        # Nobody takes ucarp's address off the dead node, which nobody can reach.
        left_behind = ["left"] if master == UCARP else []
        lan.until_holders(*left_behind, "right", seconds=patience(backup, 20))
        assert not left.carrier("net0")
        assert right.carrier("net0")


@pytest.mark.parametrize("kind", [CARPOOL, DROP_IN])
def test_ucarp_takes_over_after_a_clean_stop_as_soon_as_it_hears_of_it(
    tmp_path: Path, kind: str
) -> None:
    with Lan(tmp_path) as lan:
        left, right = pair(lan)
        capture = lan.capture(lan.zone("client", "10.0.9.9/16"))
        master = start(lan, left, kind)
        lan.until_holders("left")
        start(lan, right, UCARP, advskew=20)
        stopped = time.monotonic_ns()
        assert master.stop() == 0
        lan.until_holders("right", seconds=DEAFNESS[UCARP] + MARGIN)
        bow_out = next(sent for sent in capture.adverts() if sent.strength == (255, 255))
        assert bow_out.when - stopped < MARGIN * SECOND
        assert lan.shared(stopped) == 0


@pytest.mark.parametrize("preempt", [True, False])
@pytest.mark.parametrize(("fast", "slow"), PAIRS)
def test_the_faster_takes_over_only_if_it_preempts(
    tmp_path: Path, fast: str, slow: str, preempt: bool
) -> None:
    with Lan(tmp_path) as lan:
        left, right = pair(lan)
        start(lan, right, slow, advskew=50)
        lan.until_holders("right")
        start(lan, left, fast, preempt=preempt)
        if preempt:
            late = DEAFNESS[fast] + DEAFNESS[slow]  # to hear of it, and to hear the answer
            lan.until_holders("left", seconds=50 / 256 + SOON + late)
            lan.during(AT_ONCE + DEAFNESS[slow], "left")
        else:
            lan.during(patience(fast), "right")


@pytest.mark.parametrize(("at_left", "at_right"), PAIRS)
def test_equal_intervals_settle_on_the_address_that_ucarp_counts_as_lower(
    tmp_path: Path, at_left: str, at_right: str
) -> None:
    assert LEFT < RIGHT, "as text and as numbers; not as ucarp reads them"
    with Lan(tmp_path) as lan:
        left, right = pair(lan)
        partition(lan.lab, left)
        start(lan, left, at_left)
        start(lan, right, at_right)
        lan.until_holders("left", "right")
        healed = time.monotonic_ns()
        heal(lan.lab, left)
        lan.until_holders("right", seconds=SOON + DEAFNESS[at_left])
        lan.during(patience(at_left), "right")
        assert lan.dark(healed) == 0


@pytest.mark.parametrize(("told", "other"), ALL_PAIRS)
def test_sigusr2_hands_over_and_stands_back_for_3_s(tmp_path: Path, told: str, other: str) -> None:
    with Lan(tmp_path) as lan:
        left, right = pair(lan)
        first = start(lan, left, told, preempt=True)
        lan.until_holders("left")
        start(lan, right, other, advskew=50)
        given_up = time.monotonic_ns()
        first.send(signal.SIGUSR2)
        # ucarp says nothing when it gives up, and only its silence tells.
        soon = DEAFNESS[other] + MARGIN
        lan.until_holders("right", seconds=patience(other, 50) if told == UCARP else soon)
        lan.until_holders("left", seconds=8)
        assert time.monotonic_ns() - given_up >= 3 * SECOND


@pytest.mark.parametrize(("master", "backup"), ALL_PAIRS)
def test_sigusr1_logs_the_state(tmp_path: Path, master: str, backup: str) -> None:
    with Lan(tmp_path) as lan:
        left, right = pair(lan)
        first = start(lan, left, master)
        lan.until_holders("left")
        second = start(lan, right, backup, advskew=50)
        for daemon in (first, second):
            daemon.send(signal.SIGUSR1)
        lan.until_logged(first, "MASTER on net0 id 42\n")
        lan.until_logged(second, "BACKUP on net0 id 42\n")


@pytest.mark.parametrize("shift", range(3))
def test_three_kinds_of_nodes_take_over_in_the_order_of_their_advskew(
    tmp_path: Path, shift: int
) -> None:
    kinds = (CARPOOL, DROP_IN, UCARP)
    ranked = kinds[shift:] + kinds[:shift]
    with Lan(tmp_path) as lan:
        zones = [lan.zone(f"zone{rank}", f"10.0.{rank}.9/16") for rank in range(3)]
        # All preempt: ucarp may hear the last advertisement so late that a slower node is first.
        start(lan, zones[0], ranked[0], preempt=True)
        lan.until_holders("zone0")
        for rank in (2, 1):  # so that the first to start is not the one that must win
            start(lan, zones[rank], ranked[rank], advskew=rank * 80, preempt=True)
        for rank, zone in enumerate(zones):
            seconds = patience(UCARP, rank * 80) + SOON + AT_ONCE  # and one that comes too soon
            lan.until_settled(zone.name, seconds=seconds, quiet=AT_ONCE)
            crash(lan.lab, zone)
