"""Every rule of the election table matters: broken in any way, something notices.

Each row is left out, leads to another state, or lacks one of its actions, one at a time; then the
short scenarios of `tests.sim.faults` are played. What they cannot see is listed, with the reason,
and is held against what `tests.carp.rows` expects of its row, which is brought about alone:
effects, state and timer.
"""

from functools import cache
from pathlib import Path

import pytest
from tests.carp.mutants import mutants
from tests.carp.rows import try_row
from tests.sim.faults import DIRECTED

from carpool.carp import virtualhost
from carpool.carp.election import ROWS, TABLE, Event, Row, State
from carpool.sim.scenario import play
from carpool.sim.verdict import INVARIANTS, violations

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"

INIT, BACKUP, MASTER = State

UNSEEN: dict[tuple[State, Event, str], str] = {
    (BACKUP, Event.OVERRULED, "left out"): "a row without actions says why nothing happens",
    (BACKUP, Event.OVERRULED, "to MASTER"): "who waits its turn hears the greater master before",
    (BACKUP, Event.TOO_SLOW, "left out"): "silence makes it master before the next slow word",
    (INIT, Event.RESUMED_AS_MASTER, "without ADD_ADDRESSES"): "they are on: it makes sure of it",
    (BACKUP, Event.LATE, "left out"): "of the fast profile, in which no node here is",
    (BACKUP, Event.LATE, "to INIT"): "the same: tests/carp/test_fast.py",
    (BACKUP, Event.LATE, "to MASTER"): "the same",
    (BACKUP, Event.LATE, "without ALLOW_LATENESS"): "the same",
    (BACKUP, Event.DEMOTED, "left out"): "it takes over a little early, if it does",
    (BACKUP, Event.DEMOTED, "without ADJUST_WAIT"): "the same",
    (MASTER, Event.RECOVERED, "left out"): "the next advertisement says so soon enough",
    (MASTER, Event.RECOVERED, "without ADVERTISE"): "the same",
    (MASTER, Event.LINK_BACK, "left out"): "where the link is ignored, which no node here does",
    (MASTER, Event.LINK_BACK, "to INIT"): "the same",
    (MASTER, Event.LINK_BACK, "to BACKUP"): "the same",
    (MASTER, Event.LINK_BACK, "without ANNOUNCE"): "the same",
    (BACKUP, Event.STOP, "left out"): "a stopped backup has ended on the LAN, whatever it was",
    (BACKUP, Event.STOP, "to BACKUP"): "the same",
    (MASTER, Event.STOP, "to BACKUP"): "the same: its addresses are off and its bow-out said",
    (MASTER, Event.STOP, "to MASTER"): "the same",
    (MASTER, Event.TIE_WON, "left out"): "the loser hears the next advertisement, and concedes",
    (MASTER, Event.TIE_WON, "without REASSERT"): "the same",
    (MASTER, Event.FORBIDDEN, "without AWAIT_MASTER"): "the timer is adjusted when it may be again",
}


@cache
def used_by() -> dict[str, set[tuple[State, Event]]]:
    """Return the rows that each scenario looks up."""
    used: dict[str, set[tuple[State, Event]]] = {}

    class Recorder(dict[tuple[State, Event], Row]):
        def get(self, key: tuple[State, Event], default: object = None) -> Row | None:  # type: ignore[override]
            used[name].add(key)
            return super().get(key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(virtualhost, "TABLE", Recorder(TABLE))
        for name, scenario in DIRECTED.items():
            used[name] = set()
            play(scenario)
    return used


def broken(row: Row, mutant: Row | None) -> dict[tuple[State, Event], Row]:
    """Return the table with a mutant in place of a row, or without it."""
    table = {key: value for key, value in TABLE.items() if value is not row}
    if mutant is not None:
        table[row.state, row.event] = mutant
    return table


def noticed(row: Row, mutant: Row | None, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """Return what notices the mutant: an invariant, or a timer that stands still."""
    with monkeypatch.context() as patch:
        patch.setattr(virtualhost, "TABLE", broken(row, mutant))
        for name, scenario in DIRECTED.items():
            if (row.state, row.event) not in used_by()[name]:
                continue  # It plays as without the mutant.
            try:
                found = violations(scenario, play(scenario))
            except AssertionError as error:
                return str(error)
            if found:
                return found[0].rule
    return None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.state} {row.event.name}")
def test_a_broken_rule_is_noticed(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    unseen = {what for what, mutant in mutants(row) if noticed(row, mutant, monkeypatch) is None}
    assert unseen == {what for state, event, what in UNSEEN if (state, event) == row_key(row)}


def holds(row: Row, mutant: Row | None) -> bool:
    """Tell whether the test of a row is content with what is left of it."""
    try:
        try_row(row, broken(row, mutant))
    except AssertionError:  # Also of a timer that stands still.
        return False
    return True


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.state} {row.event.name}")
def test_what_no_scenario_notices_is_noticed_by_the_test_of_its_row(row: Row) -> None:
    overlooked = {what for what, mutant in mutants(row) if holds(row, mutant)}
    assert not overlooked & {
        what for state, event, what in UNSEEN if (state, event) == row_key(row)
    }


def test_the_page_has_these_numbers() -> None:
    count = sum(1 for row in ROWS for _ in mutants(row))
    told = f"Of {count} mutants {count - len(UNSEEN)} are noticed by {len(DIRECTED)} short"
    assert told in PAGE.read_text(), f"docs/simulator.md: {told}"


def test_everything_listed_is_a_mutant_of_a_row() -> None:
    """Else a row that has changed would leave its reasons behind."""
    assert set(UNSEEN) <= {(*row_key(row), what) for row in ROWS for what, _ in mutants(row)}


def row_key(row: Row) -> tuple[State, Event]:
    return row.state, row.event


def test_the_rules_as_they_are_pass() -> None:
    for name, scenario in DIRECTED.items():
        assert violations(scenario, play(scenario)) == [], name


def test_every_row_is_used_by_a_scenario_or_listed() -> None:
    """Nothing is noticed of a row that is never looked up."""
    used = set().union(*used_by().values())
    assert set(TABLE) - used == {(MASTER, Event.LINK_BACK), (BACKUP, Event.LATE)}


def test_there_is_an_invariant_of_each_name() -> None:
    assert len({invariant.__name__ for invariant in INVARIANTS}) == len(INVARIANTS)
