"""Who held what when, in virtual time."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from carpool.web.timeline import RESOLUTION, Kind, Stretch, Timeline

NODES = ("web1", "web2")


def told(line: Timeline, start: float, end: float, alive: tuple[str, ...] = ()) -> list[str]:
    """Return the stretches as "START-END WHO"."""
    return [
        f"{one.start:g}-{one.end:g} {'+'.join(one.holders) or one.kind.value}"
        for one in line.stretches("www", NODES, start, end, alive)
    ]


def both(line: Timeline, until: float) -> None:
    line.say("www", "web1", "MASTER", 0, until)
    line.say("www", "web2", "BACKUP", 0, until)


def test_what_a_node_says_holds_from_when_it_began_to_when_it_was_asked() -> None:
    line = Timeline()
    both(line, 10)
    assert told(line, 0, 10) == ["0-10 web1"]
    assert told(line, 0, 15) == ["0-10 web1", "10-15 unknown"]
    assert told(line, 0, 15, alive=NODES) == ["0-15 web1"]


def test_a_takeover_after_a_death_is_an_outage_from_the_last_word_on() -> None:
    line = Timeline()
    both(line, 10)
    line.say("www", "web2", "MASTER", 13, 14)
    assert told(line, 0, 14) == ["0-10 web1", "10-13 outage", "13-14 web2"]


def test_before_the_takeover_it_is_not_known() -> None:
    line = Timeline()
    both(line, 10)
    line.say("www", "web2", "BACKUP", 0, 12)
    assert told(line, 0, 12) == ["0-10 web1", "10-12 unknown"]


def test_where_all_can_be_asked_it_is_an_outage_at_once() -> None:
    line = Timeline()
    both(line, 10)
    line.say("www", "web1", "DOWN", 10, 12)
    line.say("www", "web2", "BACKUP", 0, 12)
    assert told(line, 0, 12) == ["0-10 web1", "10-12 outage"]


def test_a_handover_is_neither_outage_nor_overlap() -> None:
    for gap in (-RESOLUTION / 2, RESOLUTION / 2):
        line = Timeline()
        both(line, 9)
        line.say("www", "web1", "BACKUP", 10, 12)
        line.say("www", "web2", "MASTER", 10 + gap, 12)
        assert [one.split()[1] for one in told(line, 0, 12)] == ["web1", "web2"]


def test_two_masters_are_an_overlap() -> None:
    line = Timeline()
    both(line, 14)
    line.say("www", "web1", "MASTER", 0, 20)
    line.say("www", "web2", "MASTER", 15, 20)
    assert told(line, 0, 20) == ["0-15 web1", "15-20 web1+web2"]


def test_a_node_that_was_master_all_along_fills_the_gap() -> None:
    line = Timeline()
    both(line, 10)
    line.say("www", "web2", "BACKUP", 0, 100)
    line.say("www", "web1", "MASTER", 0, 100, changes=0)
    assert told(line, 0, 100) == ["0-100 web1"]


def test_a_master_that_only_others_hear_holds_it() -> None:
    line = Timeline()
    both(line, 10)
    for now in range(11, 60):
        line.say("www", "web2", "BACKUP", 0, now)
        line.hear("www", "web1", now - 0.5)
    line.say("www", "web2", "MASTER", 62, 70)
    assert told(line, 0, 70) == ["0-58.5 web1", "58.5-62 outage", "62-70 web2"]


def test_where_nobody_could_be_asked_nothing_is_known() -> None:
    line = Timeline()
    both(line, 10)
    line.say("www", "web2", "MASTER", 500, 600, changes=1)
    line.say("www", "web1", "BACKUP", 500, 600, changes=1)
    assert told(line, 0, 600) == ["0-10 web1", "10-500 unknown", "500-600 web2"]


def test_events_tell_what_came_between_two_answers() -> None:
    line = Timeline()
    both(line, 10)
    line.change("www", "web1", "MASTER", "BACKUP", 11)
    line.change("www", "web2", "BACKUP", "MASTER", 11)
    line.change("www", "web2", "MASTER", "BACKUP", 14)
    line.change("www", "web1", "BACKUP", "MASTER", 14)
    line.say("www", "web1", "MASTER", 14.01, 20, changes=2)
    line.say("www", "web2", "BACKUP", 14.01, 20, changes=2)
    assert told(line, 0, 20) == ["0-11 web1", "11-14 web2", "14-20 web1"]


def test_old_news_changes_nothing() -> None:
    line = Timeline()
    both(line, 100)
    line.change("www", "web1", "BACKUP", "MASTER", 5)
    line.change("www", "web2", "MASTER", "BACKUP", 5)
    assert told(line, 0, 100) == ["0-100 web1"]


def test_it_is_bounded_in_time_and_in_number() -> None:
    line = Timeline(seconds=100, most=10)
    for second in range(1000):
        state = "MASTER" if second % 2 else "BACKUP"
        line.say("www", "web1", state, second, second + 1)
    assert told(line, 900, 1000)[0] == "900-991 unknown"
    line.prune(1150)
    assert told(line, 0, 1000) == ["0-1000 unknown"]


SAYINGS = st.lists(
    st.tuples(
        st.sampled_from(NODES),
        st.sampled_from(["MASTER", "BACKUP", "INIT", "DOWN"]),
        st.floats(0, 100),
        st.floats(0, 100),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=30,
)


@given(SAYINGS)
def test_whatever_is_said_the_stretches_cover_the_time_without_gaps(
    sayings: list[tuple[str, str, float, float, int, bool]],
) -> None:
    line = Timeline(most=8)
    for node, state, a, b, changes, is_event in sayings:
        if is_event:
            line.change("www", node, "BACKUP", state, a)
        else:
            line.say("www", node, state, min(a, b), max(a, b), changes=changes)
    found: list[Stretch] = line.stretches("www", NODES, 0, 100, NODES)
    assert found[0].start == 0
    assert found[-1].end == 100
    for one, after in pairwise(found):
        assert one.end == after.start
        assert (one.kind, one.holders) != (after.kind, after.holders)
    for one in found:
        assert one.seconds > 0
        assert (one.kind is Kind.OVERLAP) == (len(one.holders) > 1)
        assert (one.kind is Kind.HELD) == (len(one.holders) == 1)
