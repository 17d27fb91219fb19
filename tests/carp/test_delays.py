"""The delays that a group may have: before it preempts, after the link comes up; announcements."""

from collections.abc import Callable

import pytest
from tests.carp.support import VHID, Bench, Peer, packed

from carpool.carp.announcements import Announcements
from carpool.carp.election import Event, State
from carpool.carp.timing import SECOND, TICK

DELAY = 20 * SECOND
HOLD = 30 * SECOND

RIVAL = Peer(source="192.0.2.30")


def hears_for(bench: Bench, time: int, advskew: int, demotion: int = 0) -> None:
    """Hear a master once a second, from now on."""
    for _ in range(time // SECOND):
        bench.hears(1, advskew, demotion=demotion)
        bench.wait(SECOND)


# preempt_delay


def started(bench: Bench) -> None:
    bench.start()


def linked(bench: Bench) -> None:
    bench.start()
    hears_for(bench, DELAY, 100)
    bench.host.link_lost(bench.now)
    bench.wait(SECOND)
    bench.host.link_back(bench.now)
    bench.collect()


def recovered(bench: Bench) -> None:
    bench.start()
    bench.demoted(7)
    hears_for(bench, DELAY, 100)
    bench.demoted(0)


REASONS = pytest.mark.parametrize("happens", [started, linked, recovered])


@REASONS
def test_preempt_delay__does_not_preempt_before_it_is_over(
    happens: Callable[[Bench], None],
) -> None:
    bench = Bench.of(preempt=True, preempt_delay=DELAY)
    happens(bench)
    hears_for(bench, DELAY, 100)
    assert bench.state() is State.BACKUP
    bench.hears(1, 100)
    assert bench.state() is State.MASTER
    assert bench.transitions()[-1].event is Event.PREEMPTIBLE


@REASONS
def test_preempt_delay__a_master_that_dies_is_followed_as_ever(
    happens: Callable[[Bench], None],
) -> None:
    bench = Bench.of(preempt=True, preempt_delay=DELAY)
    happens(bench)
    bench.hears(1, 100)
    bench.wait(3 * SECOND)
    assert bench.state() is State.MASTER


@pytest.mark.parametrize(
    ("theirs", "demotion", "event"),
    [
        ((255, 255), 0, Event.BOW_OUT),
        ((1, 240), 9, Event.MORE_DEMOTED),
        ((4, 0), 0, Event.TOO_SLOW),
    ],
)
def test_preempt_delay__is_for_nothing_but_preemption(
    theirs: tuple[int, int], demotion: int, event: Event
) -> None:
    bench = Bench.of(preempt=True, preempt_delay=DELAY).start()
    bench.hears(*theirs, demotion=demotion)
    assert bench.state() is State.MASTER
    assert bench.transitions()[-1].event is event


def test_preempt_delay__says_nothing_to_a_master() -> None:
    bench = Bench.of(preempt=True, preempt_delay=DELAY).as_master()
    bench.hears(1, 100)
    assert bench.did() == ["advertise 1/0", "announce"]


def test_preempt_delay__becoming_more_demoted_does_not_start_it_afresh() -> None:
    bench = Bench.of(preempt=True, preempt_delay=DELAY).start()
    hears_for(bench, DELAY, 250)
    bench.demoted(7)
    bench.hears(1, 250, demotion=7)
    bench.moment()
    assert bench.state() is State.MASTER


# hold_down


@pytest.mark.parametrize("happens", [started, linked])
def test_hold_down__alone_it_waits_for_so_much_longer(happens: Callable[[Bench], None]) -> None:
    bench = Bench.of(100, hold_down=HOLD)
    happens(bench)
    assert bench.host.timer() == bench.now + HOLD + 3 * SECOND + 100 * TICK
    bench.forget()
    bench.wait(HOLD + 3 * SECOND + 100 * TICK - 1)
    assert bench.did() == []
    bench.wait(1)
    assert bench.state() is State.MASTER


def test_hold_down__ends_with_the_first_advertisement_heard() -> None:
    bench = Bench.of(100, hold_down=HOLD).start()
    bench.wait(SECOND)
    bench.hears(1, 0)
    assert bench.host.timer() == bench.now + 3 * SECOND + 100 * TICK


def test_hold_down__the_usual_rules_hold_for_that_advertisement() -> None:
    preempting = Bench.of(preempt=True, hold_down=HOLD).start()
    preempting.hears(1, 100)
    assert preempting.state() is State.MASTER
    heir = Bench.of(hold_down=HOLD).start()
    heir.hears(255, 255)
    assert heir.state() is State.MASTER


def test_hold_down__a_rejected_packet_does_not_end_it() -> None:
    bench = Bench.of(hold_down=HOLD).start()
    bench.hears(peer=Peer(password=b"guess"))
    assert bench.host.timer() == HOLD + 3 * SECOND


def test_hold_down__once_over_it_lengthens_no_other_wait() -> None:
    bench = Bench.of(hold_down=HOLD).as_master()
    bench.hears(0, 1)
    assert bench.host.timer() == bench.now + 3 * SECOND


def test_hold_down__a_demotion_meanwhile_changes_only_the_wait_behind_it() -> None:
    bench = Bench.of(hold_down=HOLD).start()
    bench.wait(SECOND)
    bench.demoted(1)
    assert bench.host.timer() == HOLD + 3 * SECOND + 240 * TICK


def test_hold_down__a_flapping_link_starts_it_afresh_and_says_nothing() -> None:
    bench = Bench.of(hold_down=HOLD).as_master()
    for _ in range(10):
        bench.host.link_lost(bench.now)
        bench.wait(250_000_000)
        bench.host.link_back(bench.now)
        bench.wait(250_000_000)
        bench.collect()
    assert bench.adverts() == []
    assert bench.host.timer() == bench.now - 250_000_000 + HOLD + 3 * SECOND


# announce_every


def test_announce_every__a_master_announces_again_and_again() -> None:
    bench = Bench.of(announce_every=60 * SECOND).start()
    bench.wait(300 * SECOND)
    first = -(-60 * (256 + VHID) // 512)  # with the next advertisement
    again = [3 + first + 60 * n for n in range(5)]
    assert bench.announced_at() == [instant * SECOND for instant in (3, 5, *again)]


def test_announce_every__with_the_advertisement_that_is_due_then_even_a_little_early() -> None:
    announcements = Announcements(2 * SECOND, 255)
    announcements.announced(0)
    due = [n for n in range(1, 12) if announcements.due(n * SECOND - n * SECOND // 1000)]
    assert due == [2, 4, 6, 8, 10]


def test_announce_every__0_is_never() -> None:
    bench = Bench.of().start()
    bench.wait(1000 * SECOND)
    assert bench.announced_at() == [3 * SECOND, 5 * SECOND]


def test_announce_every__many_vhids_that_began_at_once_spread() -> None:
    told = set()
    for vhid in range(1, 256):
        announcements = Announcements(60 * SECOND, vhid)
        announcements.announced(0)
        told.add(announcements._again_at)
    assert len(told) == 255
    assert all(one is not None and 30 * SECOND < one < 60 * SECOND for one in told)


def test_announce_every__a_backup_announces_nothing() -> None:
    bench = Bench.of(announce_every=60 * SECOND).as_master()
    bench.hears(0, 255)
    hears_for(bench, 300 * SECOND, 0)
    bench.hears(0, 255)
    assert bench.announced_at() == []
    assert bench.host.master == packed(bench.peer.source)


def test_link_back__of_a_master_that_ignores_it_is_announced_now_and_two_adverts_later() -> None:
    bench = Bench.of().as_master()
    back = bench.now
    bench.host.link_back(bench.now)
    bench.collect()
    bench.wait(10 * SECOND)
    assert bench.announced_at() == [back, back + 2 * SECOND]
