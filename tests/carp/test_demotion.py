"""Demotion: the rows of the protocol's election table about it, named after them, and the rest."""

import pytest
from tests.carp.support import Bench, Peer, packed

from carpool.carp.election import MOST_DEMOTED, NEVER_MASTER, Event, State
from carpool.carp.timing import SECOND, TICK

ANOTHER = Peer(source="192.0.2.30")


# demotion: ucarp, NetBSD: advskew sent as at least 240; OpenBSD: byte 4


@pytest.mark.parametrize(("configured", "sent"), [(0, 240), (239, 240), (240, 240), (250, 250)])
def test_demotion__advskew_sent_as_at_least_240_and_byte_4(configured: int, sent: int) -> None:
    bench = Bench.of(configured).as_master().demoted(7)
    assert bench.did() == [f"advertise 1/{sent} demoted 7"]  # At once.
    bench.wait(bench.host.interval)
    assert bench.did()[1:] == [f"advertise 1/{sent} demoted 7"]
    bench.demoted(0)
    assert bench.did()[2:] == [f"advertise 1/{configured}"]
    ((_, last), *_) = reversed(bench.adverts())
    assert last.encode()[4] == 0
    assert bench.adverts()[0][1].encode()[4] == 7


def test_demotion__saying_the_same_twice_does_nothing() -> None:
    assert Bench.of().as_master().demoted(0).did() == []
    bench = Bench.of().as_master().demoted(9)
    bench.forget()
    assert bench.demoted(9).did() == []


# demotion: OpenBSD: byte 4 outranks the interval, overrides preempt


@pytest.mark.parametrize("preempt", [False, True])
@pytest.mark.parametrize("theirs", [(0, 1), (1, 0), (1, 240), (2, 0)])
def test_demotion__a_master_stays_before_a_more_demoted_one(
    preempt: bool, theirs: tuple[int, int]
) -> None:
    bench = Bench.of(100, preempt=preempt).as_master()
    bench.hears(*theirs, demotion=1)
    assert bench.did() == ["advertise 1/100", "announce"]


@pytest.mark.parametrize("theirs", [(0, 1), (1, 100), (1, 255), (2, 200), (255, 254)])
@pytest.mark.parametrize("demotion", [0, 6])
def test_demotion__a_master_yields_to_a_less_demoted_one(
    theirs: tuple[int, int], demotion: int
) -> None:
    bench = Bench.of().as_master().demoted(7)
    bench.forget()
    bench.hears(*theirs, demotion=demotion)
    *done, last_word = bench.did()
    assert done == ["-> BACKUP", "remove"]
    assert last_word.endswith("demoted 7")  # No winner can take it for a better one's.
    assert bench.transitions()[-1].event is Event.LESS_DEMOTED
    assert bench.host.master == packed(bench.peer.source)


@pytest.mark.parametrize("preempt", [False, True])
@pytest.mark.parametrize("theirs", [(0, 1), (1, 100), (1, 240), (3, 200)])
def test_demotion__a_backup_takes_over_from_a_more_demoted_master_preempt_or_not(
    preempt: bool, theirs: tuple[int, int]
) -> None:
    bench = Bench.of(100, preempt=preempt).start()
    bench.hears(*theirs, demotion=1)
    bench.moment()
    assert bench.state() is State.MASTER
    assert bench.transitions()[-1].event is Event.MORE_DEMOTED


@pytest.mark.parametrize("theirs", [(1, 0), (1, 100), (2, 0), (4, 0)])
def test_demotion__a_demoted_backup_obeys_a_less_demoted_master_preempt_or_not(
    theirs: tuple[int, int],
) -> None:
    """Slower than it, even slower than its patience: preempting would be undone at once."""
    bench = Bench.of(preempt=True).demoted(7).start()
    bench.wait(2 * SECOND)
    bench.hears(*theirs, demotion=6)
    assert bench.state() is State.BACKUP
    assert bench.host.timer() == bench.now + 3 * SECOND + 240 * TICK


def test_demotion__equally_demoted_the_interval_decides() -> None:
    bench = Bench.of(250).as_master().demoted(7)
    bench.hears(1, 251, demotion=7)
    assert bench.state() is State.MASTER
    bench.hears(1, 249, demotion=7)
    assert bench.state() is State.BACKUP


def test_demotion__a_more_demoted_master_does_not_count_while_a_less_demoted_one_rules() -> None:
    bench = Bench.of(100, preempt=True).start()
    bench.hears(1, 0)
    bench.hears(0, 1, demotion=1, peer=ANOTHER)
    assert bench.state() is State.BACKUP
    assert bench.host.master == packed(bench.peer.source)


def test_demotion__of_two_masters_the_less_demoted_rules() -> None:
    bench = Bench.of(100).demoted(9).start()
    bench.hears(1, 0, demotion=3)
    bench.hears(1, 50, demotion=2, peer=ANOTHER)
    assert bench.host.master == packed(ANOTHER.source)
    bench.hears(1, 0, demotion=3)
    assert bench.host.master == packed(ANOTHER.source)


@pytest.mark.parametrize("demotion", [0, 1, MOST_DEMOTED])
def test_demotion__a_bow_out_is_one_however_demoted_its_sender(demotion: int) -> None:
    bench = Bench.of(100).demoted(1).start()
    bench.hears(255, 255, demotion=demotion)
    bench.moment()
    assert bench.state() is State.MASTER


@pytest.mark.parametrize("demotion", [0, NEVER_MASTER])
def test_demotion__a_demoted_master_does_not_yield_to_a_bow_out(demotion: int) -> None:
    bench = Bench.of().as_master().demoted(1)
    bench.hears(255, 255, demotion=demotion)
    assert bench.state() is State.MASTER


def test_demotion__a_bow_out_is_the_most_demoted_of_all_so_that_openbsd_does_not_obey_it() -> None:
    bench = Bench.of().as_master()
    bench.host.stop(bench.now)
    bench.collect()
    (_, farewell), *_ = bench.adverts()
    assert (farewell.is_bow_out, farewell.demotion) == (True, NEVER_MASTER)


# ucarp and NetBSD say nothing in byte 4: they are demoted by their interval alone.


def test_demotion__a_peer_that_shows_it_by_advskew_240_alone_is_merely_slow() -> None:
    neutral, preempting = Bench.of(100).start(), Bench.of(100, preempt=True).start()
    for bench in (neutral, preempting):
        bench.hears(1, 240)
        bench.moment()
    assert neutral.state() is State.BACKUP
    assert preempting.state() is State.MASTER


def test_demotion__a_demoted_master_yields_to_a_sound_peer_that_says_nothing_in_byte_4() -> None:
    bench = Bench.of().as_master().demoted(1)
    bench.hears(1, 100)
    assert bench.state() is State.BACKUP


# The running master-down time.


def test_demotion__of_a_backup_makes_its_running_wait_longer_and_shorter_again() -> None:
    bench = Bench.of(100).start()
    bench.hears(1, 0)
    heard = bench.now
    bench.wait(2 * SECOND)
    bench.demoted(7)
    assert bench.host.timer() == heard + 3 * SECOND + 240 * TICK
    bench.demoted(0)
    assert bench.host.timer() == heard + 3 * SECOND + 100 * TICK


def test_demotion__ended_in_the_time_it_had_added_takes_over_at_once() -> None:
    bench = Bench.of().demoted(7).start()
    bench.wait(3 * SECOND + 100 * TICK)
    assert bench.state() is State.BACKUP
    bench.demoted(0)
    bench.wait(0)
    assert bench.state() is State.MASTER


def test_demotion__in_the_moment_after_a_bow_out_does_not_lengthen_it() -> None:
    bench = Bench.of(100).start()
    bench.hears(255, 255)
    due = bench.host.timer()
    bench.demoted(7)
    assert bench.host.timer() == due


def test_demotion__in_the_moment_after_an_invitation_calls_it_off() -> None:
    bench = Bench.of(100, preempt=True).start()
    bench.hears(1, 101)
    bench.demoted(7)
    assert bench.host.timer() == 3 * SECOND + 240 * TICK
    bench.moment()
    assert bench.state() is State.BACKUP


# Demoted by 255: never master.


def test_never_master__a_master_takes_its_addresses_off_and_bows_out() -> None:
    bench = Bench.of().as_master().demoted(NEVER_MASTER)
    assert bench.did() == ["-> BACKUP", "remove", "advertise 255/255"]
    assert bench.transitions()[-1].event is Event.FORBIDDEN


def test_never_master__hears_nobody_and_stays_backup() -> None:
    bench = Bench.of(preempt=True).demoted(NEVER_MASTER).start()
    bench.wait(1000 * SECOND)
    assert (bench.state(), bench.host.timer()) == (State.BACKUP, None)


@pytest.mark.parametrize("demotion", [0, 254, 255])
@pytest.mark.parametrize("theirs", [(1, 0), (1, 240), (200, 0), (255, 255)])
def test_never_master__whatever_it_hears(theirs: tuple[int, int], demotion: int) -> None:
    bench = Bench.of(preempt=True).demoted(NEVER_MASTER).start()
    bench.hears(*theirs, demotion=demotion)
    bench.wait(10 * SECOND)
    assert bench.state() is State.BACKUP


@pytest.mark.parametrize("deed", ["link", "start", "yield"])
def test_never_master__not_through_any_other_door(deed: str) -> None:
    bench = Bench.of().as_master().demoted(NEVER_MASTER)
    if deed == "link":
        bench.host.link_lost(bench.now)
        bench.host.link_back(bench.now)
    elif deed == "start":
        bench.host.stop(bench.now)
        bench.host.start(bench.now)
    else:
        bench.host.yield_mastership(bench.now)
    bench.wait(100 * SECOND)
    assert bench.state() is State.BACKUP


def test_never_master__allowed_again_it_takes_over_at_once_if_it_has_heard_nobody() -> None:
    bench = Bench.of().demoted(NEVER_MASTER).start()
    bench.wait(100 * SECOND)
    bench.demoted(0)
    bench.wait(0)
    assert bench.state() is State.MASTER


def test_never_master__allowed_again_it_waits_out_its_patience_with_the_master() -> None:
    bench = Bench.of(100).demoted(NEVER_MASTER).start()
    bench.wait(100 * SECOND)
    bench.hears(1, 0)
    heard = bench.now
    bench.wait(SECOND)
    bench.demoted(0)
    assert bench.host.timer() == heard + 3 * SECOND + 100 * TICK


def test_never_master__a_paused_master_forbidden_when_it_wakes_says_no_stale_bow_out() -> None:
    bench = Bench.of().as_master().pause(4 * SECOND).demoted(NEVER_MASTER)
    assert bench.did() == ["-> BACKUP", "remove"]


def test_demotion__a_paused_master_demoted_when_it_wakes_says_nothing() -> None:
    bench = Bench.of().as_master().pause(4 * SECOND).demoted(7)
    assert bench.did() == ["-> BACKUP", "remove"]
