"""What every row of the election table leaves to be done, and when: its timer.

With what `test_election_rows` expects this is all that a row does at once; `row_holds` asks for
both, so that `tests.sim.test_mutations` can hold broken rows against it.
"""

import pytest
from tests.carp.support import Bench
from tests.carp.test_election_rows import MADE, Recorder

from carpool.carp import virtualhost
from carpool.carp.election import ROWS, TABLE, Event, Row, State
from carpool.carp.seeking import PACE
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import STAND_BACK_TIME

Key = tuple[State, Event]
Expected = dict[str, int | None]

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


def row_holds(row: Row, table: dict[Key, Row]) -> bool:
    """Tell whether an event has the effects, the state and the timer of `row` with this table."""
    key = row.state, row.event
    prepare, deed, expected = MADE[key]
    bench = prepare()
    before = bench.host.timer()
    recorder = Recorder(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(virtualhost, "TABLE", recorder)
        try:
            deed(bench)
        except AssertionError:
            return False  # A timer stood still.
        bench.collect()
        if bench.did() != expected or bench.state() is not row.next:
            return False
        fired = key in {(one.state, one.event) for one in recorder.fired}
        if not fired or bench.host.timer() != expected_timer(key, bench, before):
            return False
        timer, right = later(key, bench)
        return timer == right


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.state} {row.event.name}")
def test_a_row_has_its_effects_and_its_timer(row: Row) -> None:
    assert row_holds(row, TABLE)
