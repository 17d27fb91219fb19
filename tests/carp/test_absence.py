"""A node that was away and comes back: paused, asleep, or replaced by a new program."""

from typing import Any

import pytest
from tests.carp.rows import backup, master
from tests.carp.support import TAKE_OVER, Bench, Peer

from carpool.carp import timing
from carpool.carp.election import NEVER_MASTER, State
from carpool.carp.timing import SECOND
from carpool.carp.wire import Rejection

# A paused master.


@pytest.mark.parametrize("advskew", [0, 100, 254])
def test_lapse__a_master_silent_for_a_fastest_backups_patience_stays_silent(advskew: int) -> None:
    bench = Bench.of(advskew).as_master()
    bench.pause(3 * SECOND)
    bench.timer_runs()
    assert bench.did() == ["-> BACKUP", "remove"]
    assert bench.host.timer() == bench.now + bench.host.master_down_time


def test_lapse__just_before_that_it_goes_on() -> None:
    bench = Bench.of().as_master()
    bench.pause(3 * SECOND - 1)
    bench.timer_runs()
    assert bench.did() == ["advertise 1/0"]


def test_lapse__what_is_queued_is_heard_before_anything_is_said() -> None:
    bench = Bench.of().as_master()
    bench.pause(5 * SECOND)
    for _ in range(2):
        bench.hears(1, 100)
    bench.timer_runs()
    assert bench.did() == ["-> BACKUP", "remove"]


def test_lapse__with_preempt_it_comes_back_at_the_first_slower_advert() -> None:
    bench = Bench.of(preempt=True).as_master()
    bench.pause(5 * SECOND)
    bench.hears(1, 100)
    assert bench.did() == ["-> BACKUP", "remove", *TAKE_OVER]


def test_lapse__a_rejected_packet_wakes_nothing() -> None:
    bench = Bench.of().as_master()
    bench.pause(5 * SECOND)
    forger = Peer(password=b"guess")
    assert bench.hears(1, 100, peer=forger) is Rejection.AUTHENTICATION
    assert bench.did() == []


@pytest.mark.parametrize(("advbase", "advskew"), [(1, 0), (1, 254), (0, 1), (0, 0), (2, 128)])
@pytest.mark.parametrize("dead_ratio", [1, 2, 3])
def test_lapse__never_unseats_a_master_that_is_on_time(
    advbase: int, advskew: int, dead_ratio: int
) -> None:
    """A small dead ratio leaves less patience than one interval."""
    bench = Bench.of(advskew, advbase=advbase, dead_ratio=dead_ratio).as_master()
    bench.wait(50 * bench.host.interval)
    assert bench.state() is State.MASTER
    assert len(bench.adverts()) == 50


# A machine that slept, and whose clock counts that.


@pytest.mark.parametrize(("slept", "state"), [(2, State.MASTER), (3, State.BACKUP)])
def test_sleep__a_master_that_slept_for_a_backups_patience_says_nothing(
    slept: int, state: State
) -> None:
    bench = Bench.of().as_master().pause(slept * SECOND)
    bench.host.woke(bench.now)
    bench.collect()
    assert bench.state() is state
    assert bench.adverts() == []


def test_sleep__a_backup_waits_afresh_because_it_could_not_hear_the_master() -> None:
    bench = backup().pause(100 * SECOND)
    bench.host.woke(bench.now)
    bench.timer_runs()
    assert bench.state() is State.BACKUP
    assert bench.host.timer() == bench.now + bench.host.master_down_time


# A daemon that replaces its program: what it was, it is again, if it is in time.


def successor(of: Bench, **keys: Any) -> Bench:
    """Return a new virtual host that goes on with the memory of another."""
    bench = Bench.of(of.host.settings.advskew, source="10.0.0.7", **keys)
    bench.now = of.now
    return bench


def test_a_master_that_resumes_in_time_never_was_away() -> None:
    before = master()
    before.wait(SECOND // 2)
    before.host.advertise_now(before.now)
    before.collect()
    spoken = before.adverts()[-1][1].counter
    after = successor(before)
    after.pause(SECOND)
    after.host.resume(before.host.memory(), after.now)
    after.collect()
    assert after.state() is State.MASTER
    assert after.adverts()[0][1].counter > spoken
    assert after.host.timer() == after.now + after.host.interval


def test_a_master_that_resumes_too_late_begins_as_backup() -> None:
    before = master()
    after = successor(before)
    after.pause(timing.lapse_time(1, 100, 3))
    after.host.resume(before.host.memory(), after.now)
    after.collect()
    assert after.did() == ["-> BACKUP", "remove"]


def test_a_master_that_may_no_longer_be_one_resumes_as_backup() -> None:
    before = master()
    after = successor(before).demoted(NEVER_MASTER)
    after.host.resume(before.host.memory(), after.now)
    after.collect()
    assert after.did() == ["-> BACKUP", "remove"]


def test_a_backup_that_resumes_takes_over_when_its_master_dies() -> None:
    before = backup()
    after = successor(before)
    after.host.resume(before.host.memory(), after.now)
    after.wait(after.host.master_down_time - 1)
    assert after.state() is State.BACKUP
    after.wait(1)
    assert after.state() is State.MASTER


@pytest.mark.parametrize(("now_so_long", "left"), [(30, 20), (5, 5), (0, 0)])
def test_a_hold_down_that_runs_goes_on_if_it_is_still_so_long(now_so_long: int, left: int) -> None:
    before = Bench.of(100, hold_down=30 * SECOND).start()
    before.wait(10 * SECOND)
    after = successor(before, hold_down=now_so_long * SECOND)
    after.host.resume(before.host.memory(), after.now)
    assert after.host.timer() == after.now + left * SECOND + after.host.master_down_time


def test_who_does_not_preempt_yet_does_not_after_a_change_of_program_either() -> None:
    before = Bench.of(0, preempt=True, preempt_delay=60 * SECOND).start()
    before.wait(SECOND)
    after = successor(before, preempt=True, preempt_delay=60 * SECOND)
    after.host.resume(before.host.memory(), after.now)
    assert after.hears(1, 100) is None
    after.wait(SECOND // 10)
    assert after.state() is State.BACKUP
    after.now += 60 * SECOND
    assert after.hears(1, 100) is None
    after.wait(SECOND // 10)
    assert after.state() is State.MASTER


def test_who_has_yielded_stands_back_over_a_change_of_program() -> None:
    before = master()
    before.host.yield_mastership(before.now)
    after = successor(before, preempt=True)
    after.host.resume(before.host.memory(), after.now)
    assert after.hears(1, 200) is None
    after.wait(SECOND // 10)
    assert after.state() is State.BACKUP


def test_who_resumes_goes_on_above_the_highest_counter_heard() -> None:
    before = backup()
    heard = (0x4350 << 48) + (1 << 47)  # sequenced, and ahead of our own clock
    before.peer.counter = heard
    assert before.hears(1, 0) in (None, Rejection.REPLAY)
    assert before.hears(1, 0) is None
    after = successor(before)
    after.host.resume(before.host.memory(), after.now)
    after.wait(after.host.master_down_time)
    assert after.adverts()[0][1].counter > heard


def test_only_a_master_advertises_when_told() -> None:
    bench = backup()
    bench.host.advertise_now(bench.now)
    bench.collect()
    assert bench.did() == []
