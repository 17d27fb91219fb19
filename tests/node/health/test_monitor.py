"""Rise and fall, as a table of what is heard and what follows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carpool.node.health.monitor import Health, Monitor

# rise, fall, results (+ good, - bad), the state after each (? unknown, g good, b bad)
TABLE = [
    (1, 1, "+-+-", "gbgb"),
    (2, 3, "+", "g"),
    (2, 3, "-", "b"),
    (2, 3, "+--+---", "ggggggb"),
    (2, 3, "+---", "gggb"),
    (2, 3, "-+-++", "bbbbg"),
    (2, 3, "-++--+---", "bbgggggg" + "b"),
    (1, 3, "-+---", "bgggb"),
    (3, 1, "+-++-+++", "gbbbbbbg"),
    (9, 9, "--------+++++++++", "b" * 16 + "g"),
]
LETTERS = {Health.UNKNOWN: "?", Health.GOOD: "g", Health.BAD: "b"}


@pytest.mark.parametrize(("rise", "fall", "results", "states"), TABLE)
def test_states(rise: int, fall: int, results: str, states: str) -> None:
    monitor = Monitor(rise, fall)
    assert monitor.health is Health.UNKNOWN
    seen = ""
    for result in results:
        before = monitor.health
        assert monitor.note(good=result == "+") == (monitor.health is not before)
        seen += LETTERS[monitor.health]
    assert seen == states


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.booleans(), max_size=60))
def test_a_change_needs_that_many_in_a_row(rise: int, fall: int, results: list[bool]) -> None:
    monitor = Monitor(rise, fall)
    for number, good in enumerate(results):
        changed = monitor.note(good=good)
        if changed and number:
            needed = rise if good else fall
            assert set(results[number - needed + 1 : number + 1]) == {good}
            assert monitor.against == 0
        if monitor.health is (Health.GOOD if good else Health.BAD):
            assert monitor.against == 0
        else:
            assert 0 < monitor.against < (rise if good else fall)
