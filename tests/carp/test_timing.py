"""Intervals, master-down times, and adverts that keep their beat."""

import pytest
from tests.carp.support import VIP, VIP6, Bench

from carpool.carp import timing
from carpool.carp.election import State
from carpool.carp.timing import SECOND, TICK


def test_a_tick_is_exact() -> None:
    assert TICK * 256 == SECOND


@pytest.mark.parametrize(
    ("advbase", "advskew", "ticks"),
    [(1, 0, 256), (1, 255, 511), (0, 1, 1), (0, 255, 255), (0, 0, 1), (255, 255, 65535)],
)
def test_interval(advbase: int, advskew: int, ticks: int) -> None:
    assert timing.interval(advbase, advskew) == ticks * TICK


@pytest.mark.parametrize(
    ("advbase", "advskew", "dead_ratio", "ticks"),
    [
        (1, 0, 3, 3 * 256),
        (1, 100, 3, 3 * 256 + 100),
        (1, 100, 2, 2 * 256 + 100),  # ucarp --deadratio
        (10, 255, 3, 30 * 256 + 255),
        (255, 0, 255, 255 * 255 * 256),
        (0, 100, 3, 300),  # OpenBSD; ucarp waits just 100 and flaps
        (0, 0, 3, 3),  # 0/0 counts as 1/256 s
        (0, 0, 1, 1),
    ],
)
def test_master_down_time(advbase: int, advskew: int, dead_ratio: int, ticks: int) -> None:
    bench = Bench.of(advskew, advbase=advbase, dead_ratio=dead_ratio).start()
    bench.wait(ticks * TICK - 1)
    assert bench.state() is State.BACKUP
    bench.wait(1)
    assert bench.state() is State.MASTER


@pytest.mark.parametrize(
    ("advbase", "advskew", "dead_ratio", "ticks"),
    [(1, 100, 3, 3 * 256), (2, 0, 2, 4 * 256), (0, 100, 3, 300), (0, 0, 3, 3)],
)
def test_lapse_time_is_the_fastest_backups_patience(
    advbase: int, advskew: int, dead_ratio: int, ticks: int
) -> None:
    assert timing.lapse_time(advbase, advskew, dead_ratio) == ticks * TICK
    assert timing.lapse_time(advbase, advskew, dead_ratio) <= timing.master_down_time(
        advbase, advskew, dead_ratio
    )


def test_takeover_wait_is_in_the_order_of_advskew_and_at_most_10_ms() -> None:
    waits = [timing.takeover_wait(advskew) for advskew in range(256)]
    assert waits[0] == 0
    assert waits == sorted(set(waits))
    assert waits[-1] < 10_000_000
    # Nodes that the default ranking sets 20 apart are told apart by a frame of 0.3 ms.
    assert waits[20] > 2 * 300_000


@pytest.mark.parametrize(("advbase", "advskew"), [(1, 0), (1, 17), (0, 1), (0, 0), (3, 255)])
def test_adverts_do_not_drift_when_the_timer_runs_late(advbase: int, advskew: int) -> None:
    bench = Bench.of(advskew, advbase=advbase).as_master()
    start, interval = bench.now, bench.host.interval
    for beat in range(1, 201):
        due = bench.host.timer()
        assert due == start + beat * interval
        bench.now = due + interval * (beat % 10) // 11
        bench.timer_runs()
    assert len(bench.adverts()) == 200


def test_after_missed_adverts_the_beat_begins_anew_without_a_burst() -> None:
    bench = Bench.of().as_master()
    bench.pause(2_700_000_000)
    bench.timer_runs()
    assert bench.did() == ["advertise 1/0"]
    assert bench.host.timer() == bench.now + SECOND


def test_timer_called_too_early_does_nothing() -> None:
    bench = Bench.of().as_master()
    bench.pause(SECOND - 1).timer_runs()
    assert bench.did() == []
    backup = Bench.of().start()
    backup.forget()
    backup.pause(3 * SECOND - 1).timer_runs()
    assert backup.did() == []


def test_timer_of_a_host_that_is_not_started_does_nothing() -> None:
    bench = Bench.of()
    assert bench.host.timer() is None
    bench.pause(SECOND).timer_runs()
    assert bench.did() == []


def test_second_announcement_counts_regular_adverts_from_the_last_reason() -> None:
    bench = Bench.of().start()
    bench.wait(3 * SECOND + 1_500_000_000)  # master at 3 s, one advert at 4 s
    bench.hears(1, 50)  # announce at 4.5 s, hence again at 6 s and not at 5 s
    bench.wait(5 * SECOND)
    assert bench.announced_at() == [3 * SECOND, 4_500_000_000, 6 * SECOND]


def test_a_master_that_yields_forgets_its_second_announcement() -> None:
    bench = Bench.of(100).start()
    bench.wait(bench.host.master_down_time)
    bench.hears(1, 0)
    bench.forget()
    bench.wait(bench.host.master_down_time - 1)
    assert bench.announced_at() == []


def test_every_family_gets_its_own_advert_and_counter() -> None:
    bench = Bench.of(addresses=[VIP6, VIP]).start()
    bench.wait(3 * SECOND)
    counters = [said.counter for _, said in bench.adverts()]
    assert counters[0] < counters[1]
