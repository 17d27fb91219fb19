"""The fast profile: patience by the master's interval, own lateness, demotion in byte 4 alone."""

import pytest
from tests.carp.support import Bench

from carpool.carp.election import Event, State
from carpool.carp.timing import SECOND, TICK, interval, nearest_advskew, takeover_turn


def fast(advskew: int = 1, *, dead_ratio: int = 3) -> Bench:
    return Bench.of(advskew, advbase=0, dead_ratio=dead_ratio, fast=True)


def backup(advskew: int = 1, **more: int) -> Bench:
    """Return a backup that has just heard a master of its own interval."""
    bench = fast(advskew, **more).start()
    bench.hears(0, advskew)
    bench.forget()
    return bench


@pytest.mark.parametrize(
    ("duration", "advskew"),
    [(1, 1), (4_000_000, 1), (10_000_000, 3), (20_000_000, 5), (SECOND // 2, 128), (SECOND, 255)],
)
def test_an_interval_becomes_the_nearest_advskew(duration: int, advskew: int) -> None:
    assert nearest_advskew(duration) == advskew
    assert 1 <= advskew == 255 or abs(interval(0, advskew) - duration) <= TICK


@pytest.mark.parametrize(("advskew", "dead_ratio"), [(1, 3), (5, 3), (1, 9), (255, 3)])
def test_a_dead_master_is_noticed_after_dead_ratio_intervals(advskew: int, dead_ratio: int) -> None:
    bench = backup(advskew, dead_ratio=dead_ratio)
    bench.wait(dead_ratio * advskew * TICK - 1)
    assert bench.state() is State.BACKUP
    bench.wait(1)
    assert bench.state() is State.MASTER


def test_a_slower_master_gets_the_patience_that_its_interval_asks_for() -> None:
    bench = backup(1)
    bench.hears(0, 4)
    assert bench.host.master_down_time == 12 * TICK
    bench.wait(12 * TICK - 1)
    assert bench.state() is State.BACKUP
    bench.hears(0, 1)
    assert bench.host.master_down_time == 3 * TICK


def test_without_the_profile_patience_is_by_the_own_interval_alone() -> None:
    bench = Bench.of(1, advbase=0).start()
    bench.hears(0, 4)
    bench.wait(3 * TICK)
    assert bench.state() is State.MASTER


def test_whoever_forges_an_interval_gains_no_more_than_3_s() -> None:
    bench = backup(1)
    bench.hears(254, 0)
    bench.wait(3 * SECOND)
    assert bench.state() is State.MASTER


def test_a_demoted_node_keeps_its_interval_and_says_it_in_byte_4() -> None:
    bench = fast(2).as_master().demoted(7)
    ((_, said),) = bench.adverts()
    assert (said.advskew, said.demotion) == (2, 7)
    assert bench.host.master_down_time == 6 * TICK


def test_a_stall_does_not_count_as_silence() -> None:
    bench = backup(4)
    # It looks at 6 ticks, when half of its patience is left.
    bench.pause(6 * TICK + SECOND).timer_runs()
    bench.wait(8 * TICK - 1)
    assert bench.state() is State.BACKUP
    bench.wait(1)
    assert bench.state() is State.MASTER


def test_after_a_stall_it_listens_for_two_intervals_at_least() -> None:
    bench = backup(4)
    bench.wait(11 * TICK)
    bench.pause(3 * TICK).timer_runs()
    bench.wait(8 * TICK - 1)
    assert bench.state() is State.BACKUP
    bench.wait(1)
    assert bench.state() is State.MASTER


def test_a_master_that_is_heard_after_a_stall_is_not_called_dead() -> None:
    bench = backup(1)
    for _ in range(20):
        bench.pause(50 * TICK).timer_runs()
        bench.wait(TICK)
        bench.hears(0, 1)
    assert bench.transitions() == []


def test_lateness_again_and_again_does_not_put_off_a_takeover_for_ever() -> None:
    bench = backup(4)
    looks = 0
    while bench.state() is State.BACKUP:
        due = bench.host.timer()
        assert due is not None
        bench.now = due + 2 * TICK
        looks += 1
        bench.timer_runs()
    assert bench.now <= 2 * bench.host.master_down_time + looks * 2 * TICK
    assert looks <= 7


def test_a_little_late_is_not_late() -> None:
    bench = backup(4)
    while bench.state() is State.BACKUP:
        due = bench.host.timer()
        assert due is not None
        bench.now = due + TICK
        bench.timer_runs()
    assert bench.now == 13 * TICK


def test_lateness_does_not_hold_up_a_takeover_after_a_bow_out() -> None:
    bench = backup(4)
    bench.hears(255, 255, more=True)
    bench.pause(100 * TICK).timer_runs()
    assert bench.state() is State.MASTER


def test_a_demoted_node_lets_all_others_go_first_after_a_bow_out() -> None:
    bench = Bench.of(4, advbase=0, fast=True, place=1).start()
    bench.hears(0, 4)
    bench.host.set_demotion(20, bench.now)
    bench.forget()
    before = bench.now
    bench.hears(255, 255, more=True)
    due = bench.host.timer()
    assert due is not None
    third = takeover_turn(2, 4 * TICK)
    assert before + third < due < before + bench.host.master_down_time


def test_without_the_profile_lateness_counts_as_before() -> None:
    bench = Bench.of(4, advbase=0).start()
    bench.pause(100 * TICK).timer_runs()
    assert bench.state() is State.MASTER


def test_a_master_that_stalled_listens_for_an_interval_before_it_goes_on() -> None:
    bench = fast(4).as_master()
    bench.pause(12 * TICK).timer_runs()
    assert bench.did() == ["-> BACKUP", "remove"]
    bench.wait(5 * TICK - 1)
    assert bench.state() is State.BACKUP
    bench.wait(1)
    assert bench.state() is State.MASTER


def test_a_master_that_stalled_obeys_its_successor() -> None:
    bench = fast(4).as_master()
    bench.pause(40 * TICK)
    bench.hears(0, 4)
    bench.wait(11 * TICK)
    assert bench.state() is State.BACKUP
    (lapsed,) = bench.transitions()
    assert lapsed.event is Event.LAPSED


def test_slowed_down_it_advertises_at_that_interval_and_back() -> None:
    bench = fast(2).as_master()
    bench.host.slow_down(8)
    bench.wait(bench.host.interval + 2 * TICK)
    assert [said.advskew for _, said in bench.adverts()] == [8, 8]
    bench.host.slow_down(0)
    assert bench.host.interval == 2 * TICK


def test_slowed_down_it_notices_a_dead_master_as_soon_as_before() -> None:
    bench = backup(1)
    bench.host.slow_down(8)
    bench.hears(0, 1)
    bench.wait(3 * TICK)
    assert bench.state() is State.MASTER
    assert [said.advskew for _, said in bench.adverts()] == [8]


def test_a_restart_may_take_as_long_as_the_last_advertisement_says() -> None:
    for pause, state in ((700 * TICK, State.MASTER), (765 * TICK, State.BACKUP)):
        bench = fast(1).as_master()
        bench.host.slow_down(255)
        bench.host.advertise_now(bench.now)
        memory, new = bench.host.memory(), fast(1)
        new.now = bench.now + pause
        new.host.resume(memory, new.now)
        assert new.state() is state
        # As slow as it said it would be, until somebody knows how fast the machine is.
        assert new.host.interval == (255 * TICK if state is State.MASTER else TICK)
        new.host.slow_down(0)
        assert new.host.interval == TICK


def test_it_cannot_be_slowed_down_below_what_is_set_nor_without_the_profile() -> None:
    bench = fast(8)
    bench.host.slow_down(2)
    assert bench.host.interval == 8 * TICK
    standard = Bench.of(2, advbase=0)
    standard.host.slow_down(8)
    assert standard.host.interval == 2 * TICK
