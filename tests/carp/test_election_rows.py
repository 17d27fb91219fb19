"""Every row of `carpool.carp.election.ROWS`, brought about: all that it does, and when.

And what the protocol's table leaves open: three nodes, and yielding.
"""

from collections.abc import Callable

import pytest
from tests.carp.rows import (
    ANOTHER,
    MADE,
    backup,
    master,
    stopped,
    try_row,
)
from tests.carp.support import HIGHER, LOWER, Bench, Peer, packed, word

from carpool.carp import timing, virtualhost
from carpool.carp.effects import Advertise
from carpool.carp.election import NEVER_MASTER, ROWS, TABLE, Event, Row, State
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Rejection

# Every row of our own table.


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row.state}, {row.event.name.lower()}: {row.next}"
)
def test_row(row: Row) -> None:
    try_row(row)


def test_no_row_is_there_twice_and_every_scenario_has_its_row() -> None:
    assert len(TABLE) == len(ROWS)
    assert set(MADE) == set(TABLE)


COMMANDS: dict[Event, Callable[[VirtualHost, int], None]] = {
    Event.START: VirtualHost.start,
    Event.STOP: VirtualHost.stop,
    Event.LINK_LOST: VirtualHost.link_lost,
    Event.LINK_BACK: VirtualHost.link_back,
    Event.YIELD: VirtualHost.yield_mastership,
    Event.WOKE: VirtualHost.woke,
    Event.FORBIDDEN: lambda host, now: host.set_demotion(NEVER_MASTER, now),
}


@pytest.mark.parametrize(
    ("state", "event"),
    [(state, event) for state in State for event in COMMANDS if (state, event) not in TABLE],
    ids=str,
)
def test_what_the_table_does_not_list_changes_nothing(state: State, event: Event) -> None:
    bench = {State.INIT: stopped, State.BACKUP: backup, State.MASTER: master}[state]()
    due = None if event is Event.FORBIDDEN else bench.host.timer()
    COMMANDS[event](bench.host, bench.now)
    bench.collect()
    assert (bench.state(), bench.did(), bench.host.timer()) == (state, [], due)


@pytest.mark.parametrize(
    ("key", "restarts"),
    [
        ((State.BACKUP, Event.WOKE), True),
        ((State.BACKUP, Event.LESS_DEMOTED), True),
        ((State.BACKUP, Event.FASTER), True),
        ((State.BACKUP, Event.TIE_LOST), True),
        ((State.BACKUP, Event.TIE_WON), True),
        ((State.BACKUP, Event.SLOWER), True),
        ((State.BACKUP, Event.OVERRULED), False),
    ],
    ids=str,
)
def test_which_adverts_start_a_backups_wait_afresh(
    key: tuple[State, Event], restarts: bool
) -> None:
    prepare, deed, _ = MADE[key]
    bench = prepare()
    before = bench.host.timer()
    deed(bench)
    full = bench.now + bench.host.master_down_time
    assert before != full
    assert bench.host.timer() == (full if restarts else before)


# Three nodes: a master that is being overruled is nobody's reason to take over.


@pytest.mark.parametrize("theirs", [(1, 200), (3, 101), (255, 255)])
def test_overruled__a_lesser_masters_adverts_do_not_count_while_a_greater_rules(
    theirs: tuple[int, int],
) -> None:
    bench = backup(preempt=True)
    bench.hears(*theirs, peer=ANOTHER)
    bench.moment()
    assert bench.state() is State.BACKUP
    assert bench.host.master == packed(bench.peer.source)


def test_overruled__the_ruler_itself_may_slow_down_and_is_then_preempted() -> None:
    bench = backup(preempt=True)
    bench.hears(1, 240)
    bench.moment()
    assert bench.state() is State.MASTER


def test_overruled__a_ruler_that_fell_silent_rules_no_longer() -> None:
    """The lesser master's advert counts as soon as our own patience with the ruler is over."""
    bench = backup(preempt=True)
    patience = bench.host.master_down_time - SECOND  # backup() heard the ruler a second ago.
    bench.pause(patience)
    bench.hears(1, 200, peer=ANOTHER)
    bench.moment()
    assert bench.transitions()[0].event is Event.PREEMPTIBLE


@pytest.mark.parametrize("order", [(LOWER, HIGHER), (HIGHER, LOWER)], ids=["lower 1st", "2nd"])
def test_overruled__of_two_equal_masters_the_one_that_will_win_rules(
    order: tuple[Peer, Peer],
) -> None:
    """The loser's last word is slower than our own adverts: no reason to preempt it."""
    bench = Bench.of(source="10.0.0.7", preempt=True).start()
    for peer in order:
        bench.hears(1, 0, peer=peer)
    bench.hears(1, 1, peer=HIGHER)
    assert bench.state() is State.BACKUP
    assert bench.host.master == packed(LOWER.source)
    bench.hears(1, 1, peer=LOWER)
    assert bench.state() is State.MASTER


def test_overruled__a_lesser_master_rules_when_the_greater_is_silent_for_too_long() -> None:
    bench = Bench.of(source="10.0.0.7").start()
    bench.hears(1, 0, peer=LOWER)
    for _ in range(4):
        bench.wait(SECOND)
        bench.hears(1, 100, peer=HIGHER)
    assert bench.host.master == packed(HIGHER.source)
    bench.hears(255, 255, peer=HIGHER)
    assert bench.state() is State.MASTER


def test_overruled__after_the_rulers_bow_out_everyone_counts() -> None:
    bench = backup(preempt=True)
    bench.hears(255, 255)
    bench.hears(1, 200, peer=ANOTHER)
    bench.moment()
    assert bench.state() is State.MASTER


# Told to yield.


def test_yield__stands_back_for_3_s_then_listens() -> None:
    bench = Bench.of(preempt=True).as_master()
    bench.host.yield_mastership(bench.now)
    bench.collect()
    start = bench.now
    for _ in range(29):
        bench.wait(100_000_000)
        bench.hears(1, 100)
    assert bench.state() is State.BACKUP
    bench.wait(100_000_000)
    assert bench.now == start + virtualhost.STAND_BACK_TIME
    bench.hears(1, 100)
    assert bench.state() is State.MASTER


def test_yield__a_lone_node_comes_back_after_standing_back_and_the_usual_wait() -> None:
    bench = Bench.of().as_master()
    bench.host.yield_mastership(bench.now)
    assert bench.host.timer() == bench.now + virtualhost.STAND_BACK_TIME + 3 * SECOND


def test_yield__a_bow_out_is_answered_even_while_standing_back() -> None:
    bench = Bench.of().as_master()
    bench.host.yield_mastership(bench.now)
    bench.hears(1, 100)
    bench.hears(255, 255)
    assert bench.state() is State.MASTER


# Who else.


def test_own_advertisement_that_comes_back_is_not_a_rival() -> None:
    bench = Bench.of().as_master()
    assert bench.hears(1, 0, peer=Peer(source="192.0.2.10")) is Rejection.OWN
    assert bench.state() is State.MASTER


def test_transition_tells_who_was_heard() -> None:
    bench = Bench.of().as_master()
    bench.hears(0, 128)
    (transition,) = bench.transitions()
    assert transition.heard is not None
    assert transition.heard.source == packed("192.0.2.20")
    assert transition.heard.interval == timing.interval(0, 128)


def test_transition_by_the_clock_names_nobody() -> None:
    bench = Bench.of().start()
    bench.wait(3 * SECOND)
    assert [transition.heard for transition in bench.transitions()] == [None, None]


def test_farewells_are_marked_and_only_they() -> None:
    """They promise that the addresses are gone, so they must be told from other adverts."""
    bench = Bench.of(100).as_master()
    bench.hears(1, 101)
    bench.hears(1, 0)
    bench.wait(bench.host.master_down_time)
    bench.host.yield_mastership(bench.now)
    bench.collect()
    adverts = [effect for _, effect in bench.log if isinstance(effect, Advertise)]
    said = [(word(effect), effect.farewell) for effect in adverts]
    assert said == [
        ("advertise 1/100", False),  # the answer to the slower one
        ("advertise 1/100", True),  # the last word to the faster one
        ("advertise 1/100", False),
        ("advertise 255/255", True),
    ]


def test_settings_do_not_show_the_password() -> None:
    assert "love" not in repr(Bench.of().host.settings)
