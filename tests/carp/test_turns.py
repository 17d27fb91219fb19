"""Of several backups that hear a bow-out one takes over at once; the next waits for it."""

from tests.carp.support import MS, Bench, Peer

from carpool.carp import timing
from carpool.carp.election import State
from carpool.carp.timing import SECOND, TICK


def waits(bench: Bench, *, master: tuple[int, int] = (1, 0)) -> int:
    """Return how long a backup waits when its master bows out, in nanoseconds."""
    bench.start()
    bench.hears(*master)
    bench.wait(SECOND // 100)
    bench.hears(255, 255, more=True)
    due = bench.host.timer()
    assert due is not None
    return due - bench.now


def test_the_first_in_line_does_not_wait_whatever_its_advskew() -> None:
    assert waits(Bench.of(200, place=1)) == 0


def test_each_next_one_waits_for_3_ms_more() -> None:
    assert [waits(Bench.of(20 * n, place=n)) for n in (2, 3, 4)] == [3 * MS, 6 * MS, 9 * MS]


def test_where_a_lesser_master_leaves_all_who_are_better_keep_their_place() -> None:
    places = [(0, 0), (1, 20), (3, 60)]
    found = [waits(Bench.of(skew, place=place), master=(1, 40)) for place, skew in places]
    assert found == [0, 3 * MS, 6 * MS]


def test_who_was_never_heard_before_leaves_everybody_in_place() -> None:
    bench = Bench.of(20, place=1).start()
    bench.hears(255, 255, more=True)
    assert bench.host.timer() == bench.now + 3 * MS


def test_a_demoted_backup_and_one_that_knows_of_no_others_wait_by_advskew() -> None:
    demoted = Bench.of(0, place=1).start().demoted(1)
    demoted.hears(255, 255, more=True)
    assert demoted.host.timer() == demoted.now + timing.takeover_wait(240)
    assert waits(Bench.of(100)) == TICK


def test_with_short_intervals_a_turn_is_a_quarter_of_one() -> None:
    assert waits(Bench.of(2, advbase=0, place=3), master=(0, 1)) == 2 * (2 * TICK // 4)


def test_the_next_one_listens_while_it_waits() -> None:
    bench = Bench.of(40, place=2).start()
    bench.hears(1, 0)
    bench.wait(SECOND)
    bench.hears(255, 255)
    bench.wait(2 * MS)
    bench.hears(1, 20, peer=Peer(source="192.0.2.30"))
    bench.wait(SECOND)
    assert bench.state() is State.BACKUP
