"""Every row of `carpool.carp.election.ROWS`, brought about and its effects compared.

And what the protocol's table leaves open: three nodes, and yielding.
"""

from collections.abc import Callable

import pytest
from tests.carp.support import Bench, Peer, packed, word
from tests.carp.test_election import HIGHER, LOWER

from carpool.carp import timing, virtualhost
from carpool.carp.effects import Advertise
from carpool.carp.election import NEVER_MASTER, ROWS, TABLE, Event, Row, State
from carpool.carp.memory import Memory
from carpool.carp.seeking import PACE
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Rejection

# Every row of our own table.


class Recorder(dict[tuple[State, Event], Row]):
    """The table, remembering which rows were looked up and found."""

    def __init__(self, table: dict[tuple[State, Event], Row] = TABLE) -> None:
        super().__init__(table)
        self.fired: list[Row] = []

    def get(self, key: tuple[State, Event], default: object = None) -> Row | None:  # type: ignore[override]
        row = super().get(key)
        if row is not None:
            self.fired.append(row)
        return row


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(virtualhost, "TABLE", recorder)
    return recorder


def backup(advskew: int = 100, *, preempt: bool = False) -> Bench:
    """Return a backup with a master that is as fast as can be, at 192.0.2.20."""
    bench = Bench.of(advskew, preempt=preempt, source="10.0.0.7").start()
    bench.wait(SECOND)
    bench.hears(1, 0)
    bench.wait(SECOND)
    bench.forget()
    return bench


def master(advskew: int = 100, *, preempt: bool = False) -> Bench:
    return Bench.of(advskew, preempt=preempt, source="10.0.0.7").as_master()


def seeker() -> Bench:
    bench = Bench.of(100, source="10.0.0.7", seek_rival=60 * SECOND).start()
    bench.hears(1, 0)
    bench.wait(bench.host.master_down_time)
    return forgetful(bench)


def stopped() -> Bench:
    bench = Bench.of(100)
    bench.now = SECOND
    return bench


def unplugged() -> Bench:
    bench = backup()
    bench.host.link_lost(bench.now)
    bench.collect()
    bench.forget()
    return bench


def forgetful(bench: Bench) -> Bench:
    bench.forget()
    return bench


ANOTHER = Peer(source="192.0.2.30")
Deed = Callable[[Bench], object]
MADE: dict[tuple[State, Event], tuple[Callable[[], Bench], Deed, list[str]]] = {
    (State.INIT, Event.START): (
        stopped,
        lambda bench: bench.host.start(bench.now),
        ["-> BACKUP", "remove"],
    ),
    (State.INIT, Event.RESUMED_AS_MASTER): (
        stopped,
        lambda bench: bench.host.resume(Memory(True, bench.now - SECOND, None), bench.now),
        ["-> MASTER", "add", "advertise 1/100", "announce"],
    ),
    (State.INIT, Event.RESUMED_AS_BACKUP): (
        stopped,
        lambda bench: bench.host.resume(Memory(False, 0, None), bench.now),
        ["-> BACKUP"],
    ),
    (State.INIT, Event.LINK_BACK): (
        unplugged,
        lambda bench: bench.host.link_back(bench.now),
        ["-> BACKUP"],
    ),
    (State.BACKUP, Event.LESS_DEMOTED): (
        lambda: backup().demoted(7),
        lambda bench: bench.hears(1, 255, demotion=6),
        [],
    ),
    (State.BACKUP, Event.MORE_DEMOTED): (
        backup,
        lambda bench: bench.hears(1, 0, demotion=1) or bench.moment(),
        ["-> MASTER", "add", "advertise 1/100", "announce"],
    ),
    (State.BACKUP, Event.WOKE): (
        lambda: backup().pause(10 * SECOND),
        lambda bench: bench.host.woke(bench.now),
        [],
    ),
    (State.BACKUP, Event.LATE): (
        lambda: forgetful(Bench.of(5, advbase=0, fast=True).start()),
        lambda bench: bench.pause(bench.host.master_down_time * 2).timer_runs(),
        [],
    ),
    (State.BACKUP, Event.DEMOTED): (backup, lambda bench: bench.demoted(7), []),
    (State.BACKUP, Event.RECOVERED): (
        lambda: backup().demoted(7),
        lambda bench: bench.demoted(6),
        [],
    ),
    (State.BACKUP, Event.FASTER): (backup, lambda bench: bench.hears(1, 99), []),
    (State.BACKUP, Event.TIE_LOST): (
        backup,
        lambda bench: bench.hears(1, 100, peer=LOWER),
        [],
    ),
    (State.BACKUP, Event.TIE_WON): (
        backup,
        lambda bench: bench.hears(1, 100, peer=HIGHER),
        [],
    ),
    (State.BACKUP, Event.SLOWER): (backup, lambda bench: bench.hears(1, 101), []),
    (State.BACKUP, Event.OVERRULED): (
        backup,
        lambda bench: bench.hears(255, 255, peer=ANOTHER),
        [],
    ),
    (State.BACKUP, Event.MASTER_DOWN): (
        backup,
        lambda bench: bench.wait(3 * SECOND),
        ["-> MASTER", "add", "advertise 1/100", "announce"],
    ),
    (State.BACKUP, Event.BOW_OUT): (
        backup,
        lambda bench: bench.hears(255, 255) or bench.moment(),
        ["-> MASTER", "add", "advertise 1/100", "announce"],
    ),
    (State.BACKUP, Event.PREEMPTIBLE): (
        lambda: backup(preempt=True),
        lambda bench: bench.hears(1, 101) or bench.moment(),
        ["-> MASTER", "add", "advertise 1/100", "announce"],
    ),
    (State.BACKUP, Event.TOO_SLOW): (
        backup,
        lambda bench: bench.hears(3, 101) or bench.moment(),
        ["-> MASTER", "add", "advertise 1/100", "announce"],
    ),
    (State.BACKUP, Event.LINK_LOST): (
        backup,
        lambda bench: bench.host.link_lost(bench.now),
        ["-> INIT"],
    ),
    (State.BACKUP, Event.STOP): (backup, lambda bench: bench.host.stop(bench.now), ["-> INIT"]),
    (State.MASTER, Event.ADVERTISEMENT_DUE): (
        master,
        lambda bench: bench.wait(bench.host.interval),
        ["advertise 1/100"],
    ),
    (State.MASTER, Event.SEEKING_DUE): (
        seeker,
        lambda bench: bench.wait(PACE),
        ["advertise 1/100"],
    ),
    (State.MASTER, Event.LESS_DEMOTED): (
        lambda: forgetful(master().demoted(7)),
        lambda bench: bench.hears(1, 255, demotion=6),
        ["-> BACKUP", "remove", "advertise 2/0 demoted 7"],
    ),
    (State.MASTER, Event.MORE_DEMOTED): (
        master,
        lambda bench: bench.hears(0, 1, demotion=1),
        ["advertise 1/100", "announce"],
    ),
    (State.MASTER, Event.DEMOTED): (
        master,
        lambda bench: bench.demoted(7),
        ["advertise 1/240 demoted 7"],
    ),
    (State.MASTER, Event.RECOVERED): (
        lambda: forgetful(master().demoted(7)),
        lambda bench: bench.demoted(0),
        ["advertise 1/100"],
    ),
    (State.MASTER, Event.LINK_BACK): (
        master,
        lambda bench: bench.host.link_back(bench.now),
        ["announce"],
    ),
    (State.MASTER, Event.FORBIDDEN): (
        master,
        lambda bench: bench.demoted(NEVER_MASTER),
        ["-> BACKUP", "remove", "advertise 255/255"],
    ),
    (State.MASTER, Event.FASTER): (
        master,
        lambda bench: bench.hears(1, 99),
        ["-> BACKUP", "remove", "advertise 1/100"],
    ),
    (State.MASTER, Event.TIE_LOST): (
        master,
        lambda bench: bench.hears(1, 100, peer=LOWER),
        ["-> BACKUP", "remove", "advertise 1/101"],
    ),
    (State.MASTER, Event.TIE_WON): (
        master,
        lambda bench: bench.hears(1, 100, peer=HIGHER),
        ["advertise 1/100", "announce"],
    ),
    (State.MASTER, Event.SLOWER): (
        master,
        lambda bench: bench.hears(1, 101),
        ["advertise 1/100", "announce"],
    ),
    (State.MASTER, Event.PREEMPTIBLE): (
        lambda: master(preempt=True),
        lambda bench: bench.hears(1, 101),
        ["advertise 1/100", "announce"],
    ),
    (State.MASTER, Event.TOO_SLOW): (
        master,
        lambda bench: bench.hears(3, 101),
        ["advertise 1/100", "announce"],
    ),
    (State.MASTER, Event.BOW_OUT): (
        master,
        lambda bench: bench.hears(255, 255),
        ["advertise 1/100", "announce"],
    ),
    (State.MASTER, Event.LAPSED): (
        master,
        lambda bench: bench.pause(3 * SECOND).timer_runs(),
        ["-> BACKUP", "remove"],
    ),
    (State.MASTER, Event.LINK_LOST): (
        master,
        lambda bench: bench.host.link_lost(bench.now),
        ["-> INIT", "remove"],
    ),
    (State.MASTER, Event.YIELD): (
        master,
        lambda bench: bench.host.yield_mastership(bench.now),
        ["-> BACKUP", "remove", "advertise 255/255"],
    ),
    (State.MASTER, Event.STOP): (
        master,
        lambda bench: bench.host.stop(bench.now),
        ["-> INIT", "remove", "advertise 255/255"],
    ),
}
"""How to bring about each row, and what is then done."""


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row.state}, {row.event.name.lower()}: {row.next}"
)
def test_row(row: Row, recorder: Recorder) -> None:
    prepare, deed, expected = MADE[row.state, row.event]
    bench = prepare()
    recorder.fired.clear()
    deed(bench)
    bench.collect()
    assert row in recorder.fired
    assert bench.state() is row.next
    assert bench.did() == expected
    if row.next is not row.state:
        (transition,) = bench.transitions()
        assert (transition.previous, transition.state) == (row.state, row.next)
        assert transition.event is row.event


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
