"""How to bring about every row of `carpool.carp.election.ROWS`, and all that it then does.

That is its effects, the state it ends in, and when the virtual host is next to do something.
"""

from collections.abc import Callable

import pytest
from tests.carp.support import HIGHER, LOWER, Bench, Peer

from carpool.carp import virtualhost
from carpool.carp.election import NEVER_MASTER, TABLE, Event, Row, State
from carpool.carp.memory import Memory
from carpool.carp.seeking import PACE
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import STAND_BACK_TIME

Key = tuple[State, Event]
Expected = dict[str, int | None]


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

BACKUP, MASTER = State.BACKUP, State.MASTER

SAME_WAIT = {(BACKUP, Event.OVERRULED)}
ADJUSTED_WAIT = {(BACKUP, Event.DEMOTED), (BACKUP, Event.RECOVERED)}
LOOKS_AGAIN_SOON = {(BACKUP, Event.LATE)}
WAIT_AFTER_STANDING_BACK = {(MASTER, Event.YIELD)}
SAME_ADVERTISEMENT = {
    *((MASTER, event) for event in (Event.MORE_DEMOTED, Event.TIE_WON, Event.SLOWER)),
    *((MASTER, event) for event in (Event.PREEMPTIBLE, Event.TOO_SLOW, Event.BOW_OUT)),
    (MASTER, Event.LINK_BACK),
}
NOTHING = {
    *((BACKUP, event) for event in (Event.STOP, Event.LINK_LOST)),
    *((MASTER, event) for event in (Event.STOP, Event.LINK_LOST, Event.FORBIDDEN)),
}


def expected_timer(key: Key, bench: Bench, before: int | None) -> int | None:
    """Return when the row's virtual host is next to do something, after its event."""
    host = bench.host
    if key in NOTHING:
        return None
    if key in SAME_WAIT | SAME_ADVERTISEMENT:
        return before
    if key in ADJUSTED_WAIT:  # backup() heard its master a second ago.
        return bench.now - SECOND + host.master_down_time
    if key in LOOKS_AGAIN_SOON:
        return bench.now + host.interval
    if key == (MASTER, Event.SEEKING_DUE):
        return bench.now + PACE
    if key in WAIT_AFTER_STANDING_BACK:
        return bench.now + STAND_BACK_TIME + host.master_down_time
    if TABLE[key].next is MASTER:
        said, _ = bench.adverts()[-1]
        return said + host.interval
    return bench.now + host.master_down_time


def later(key: Key, bench: Bench) -> tuple[int | None, int | None]:
    """Return a timer that only shows when the node is fit again, and what it should be."""
    if key != (MASTER, Event.FORBIDDEN):
        return None, None
    bench.pause(SECOND).demoted(0)
    return bench.host.timer(), bench.now - SECOND + bench.host.master_down_time


def try_row(row: Row, table: dict[Key, Row] = TABLE) -> None:
    """Bring a row about with this table; AssertionError if anything is not as it should be."""
    key = row.state, row.event
    prepare, deed, effects = MADE[key]
    bench = prepare()
    before = bench.host.timer()
    recorder = Recorder(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(virtualhost, "TABLE", recorder)
        deed(bench)
        bench.collect()
        assert key in {(one.state, one.event) for one in recorder.fired}
        assert bench.state() is row.next
        assert bench.did() == effects
        if row.next is not row.state:
            told = [(one.previous, one.event, one.state) for one in bench.transitions()]
            assert told == [(row.state, row.event, row.next)]
        assert bench.host.timer() == expected_timer(key, bench, before)
        timer, right = later(key, bench)
        assert timer == right
