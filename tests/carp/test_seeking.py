"""A master that took over from silence looks for a rival that it cannot hear."""

from itertools import pairwise

from tests.carp.support import MS, Bench, Peer

from carpool.carp.election import State
from carpool.carp.memory import Memory
from carpool.carp.seeking import PACE
from carpool.carp.timing import SECOND

LONG = 600 * SECOND


def bereft(advskew: int = 0, *, seek_rival: int = LONG, advbase: int = 1) -> Bench:
    """Return a master that took over when it no longer heard the one before."""
    bench = Bench.of(advskew, seek_rival=seek_rival, advbase=advbase).start()
    bench.hears(1, 0)
    bench.wait(bench.host.master_down_time)
    assert bench.state() is State.MASTER
    bench.forget()
    return bench


def paces(bench: Bench) -> set[int]:
    instants = [instant for instant, _ in bench.adverts()]
    return {later - one for one, later in pairwise(instants)}


def test_it_advertises_every_30_ms_and_says_what_it_always_says() -> None:
    bench = bereft(7).wait(SECOND)
    assert PACE == 20 * MS
    assert paces(bench) <= {PACE, bench.host.interval % PACE}
    assert {(said.advbase, said.advskew) for _, said in bench.adverts()} == {(1, 7)}


def test_no_backup_waits_longer_than_an_interval_for_the_regular_one() -> None:
    bench = bereft()
    start = bench.now
    bench.wait(10 * SECOND)
    instants = {instant - start for instant, _ in bench.adverts()}
    assert {n * SECOND for n in range(1, 11)} <= instants


def test_announcements_do_not_come_more_often() -> None:
    bench = bereft()
    start = bench.now
    bench.wait(60 * SECOND)
    assert bench.announced_at() == [start + 2 * SECOND]


def test_it_ends_after_its_time() -> None:
    bench = bereft(seek_rival=5 * SECOND)
    start = bench.now
    bench.wait(60 * SECOND)
    late = [instant for instant, _ in bench.adverts() if instant >= start + 5 * SECOND]
    assert late == [start + n * SECOND for n in range(5, 61)]


def test_0_is_never() -> None:
    bench = bereft(seek_rival=0).wait(10 * SECOND)
    assert paces(bench) == {SECOND}


def test_with_an_interval_that_is_as_short_there_is_nothing_to_gain() -> None:
    bench = bereft(5, advbase=0).wait(SECOND)
    assert paces(bench) == {bench.host.interval}


def test_who_has_never_heard_anybody_does_not_look() -> None:
    bench = Bench.of(seek_rival=LONG).start()
    bench.wait(3 * SECOND)
    bench.forget()
    assert paces(bench.wait(10 * SECOND)) == {SECOND}


def test_who_was_handed_the_addresses_knows_where_the_former_master_is() -> None:
    bench = Bench.of(seek_rival=LONG).start()
    bench.hears(1, 0)
    bench.hears(255, 255)
    bench.forget()
    bench.wait(10 * SECOND)
    assert paces(bench) == {SECOND}


def test_who_yields_no_longer_looks_and_looks_again_when_bereft_again() -> None:
    bench = bereft(100)
    bench.hears(1, 0)
    assert bench.state() is State.BACKUP
    assert bench.host.seeking.until == 0
    bench.wait(bench.host.master_down_time)
    bench.forget()
    assert len(bench.wait(10 * PACE).adverts()) == 10


def test_a_lesser_rival_is_answered_at_once_and_the_search_goes_on_for_others() -> None:
    bench = bereft()
    bench.wait(10 * MS)
    bench.hears(1, 100, peer=Peer(source="192.0.2.30"))
    assert bench.did() == ["advertise 1/0", "announce"]
    assert bench.host.rival_heard_at == bench.now
    bench.forget()
    assert len(bench.wait(10 * PACE).adverts()) == 10


def test_a_backup_hears_no_rival() -> None:
    bench = Bench.of(100).start()
    bench.hears(1, 0)
    assert bench.host.rival_heard_at is None


def test_represented_by_another_it_keeps_to_its_interval() -> None:
    bench = bereft()
    bench.host.seeking.represented = True
    bench.wait(5 * SECOND)
    assert paces(bench) == {SECOND}
    bench.host.seeking.represented = False
    bench.forget()
    assert len(bench.wait(10 * PACE).adverts()) >= 9


def test_a_new_program_goes_on_looking() -> None:
    bench = bereft()
    memory = bench.host.memory()
    assert memory.seeking_until == bench.now + LONG
    other = Bench.of(seek_rival=LONG)
    other.now = bench.now
    other.host.resume(memory, other.now)
    assert len(other.wait(10 * PACE).adverts()) == 11
    assert Memory(True, 0, None).seeking_until == 0


def test_late_by_many_paces_it_does_not_make_up_for_them() -> None:
    bench = bereft()
    bench.pause(500 * MS).timer_runs()
    assert len(bench.adverts()) == 1
