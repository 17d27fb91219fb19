"""How late a process wakes up, and which interval follows from it."""

import pytest

from carpool.carp.timing import SECOND, TICK
from carpool.node.lateness import EDGES, Lateness, Window, merged
from carpool.node.pace import Pace
from carpool.node.punctuality import measured

MS = SECOND // 1000
N = 256


def window(*lates: int, on_time: int = N) -> Window:
    made = Window()
    for late in (*lates, *[100_000] * on_time):
        made.note(late)
    return made


def test_each_class_ends_where_it_says() -> None:
    for number, edge in enumerate(EDGES):
        one = window(edge - 1, edge, on_time=0)
        assert (one.counts[number], one.counts[number + 1]) == (1, 1)
    assert window(1 << 60, on_time=0).counts[-1] == 1


def test_beyond_counts_whole_classes() -> None:
    edge = EDGES[4]
    one = window(edge - 1, edge, 3 * edge, on_time=0)
    assert one.beyond(edge) == 2
    assert one.beyond(edge - 1) == one.beyond(edge // 2 + 1) == 2
    assert one.beyond(edge + 1) == 1
    assert one.beyond(1 << 60) == 0


def test_the_sum_of_windows_is_all_that_was_ever_noted() -> None:
    lateness = Lateness()
    for number in range(100):
        lateness.note(number * MS)
        assert lateness.roll().worst == number * MS
    assert len(lateness.last) == 60
    assert lateness.all.total == 100
    assert lateness.all.worst == merged(lateness.last).worst == 99 * MS


@pytest.mark.parametrize(
    ("lates", "holds"),
    [
        ([], True),
        ([7 * MS], True),
        ([8 * MS], False),  # two intervals: with another of delay a backup is impatient
        ([3 * MS] * 12, True),
        ([5 * MS] * 20, False),  # one in twenty is late by more than half an interval
    ],
)
def test_what_holds_4_ms(lates: list[int], holds: bool) -> None:
    assert window(*lates).holds(TICK, 3) is holds


def test_more_patience_holds_more() -> None:
    assert not window(20 * MS).holds(TICK, 5)
    assert window(20 * MS).holds(TICK, 7)


def test_a_good_machine_keeps_what_is_configured() -> None:
    pace = Pace(1, 3)
    assert not pace.begin(window())
    assert not any(pace.after(window()) for _ in range(100))
    assert pace.advskew == 1


def test_a_bad_machine_begins_with_the_shortest_that_holds() -> None:
    pace = Pace(1, 3)
    assert pace.begin(window(20 * MS))
    assert pace.advskew == 4
    assert window(20 * MS).holds(4 * TICK, 3)


def test_three_bad_seconds_of_ten_double_it() -> None:
    pace = Pace(1, 3)
    bad, good = window(*[3 * MS] * 20), window()
    changed = [pace.after(one) for one in (bad, good, good, bad, good, good, bad)]
    assert changed == [False] * 6 + [True]
    assert pace.advskew == 2


def test_bad_seconds_far_apart_do_not() -> None:
    pace = Pace(1, 3)
    for _ in range(20):
        bad = window(*[3 * MS] * 20)
        assert not any(pace.after(one) for one in [bad, *[window()] * 4])


def test_one_wake_up_that_costs_mastership_doubles_it() -> None:
    pace = Pace(1, 3)
    assert not pace.after(window(7 * MS))
    assert pace.after(window(8 * MS))
    assert pace.advskew == 2


def test_a_calm_minute_halves_it_and_the_next_calm_has_to_be_longer() -> None:
    pace = Pace(2, 3)
    spans = []
    for _ in range(3):
        assert pace.after(window(SECOND))
        seconds = 1
        while not pace.after(window()):
            seconds += 1
        spans.append(seconds)
        assert pace.advskew == 2
    assert spans == [120, 240, 480]


def test_own_work_counts_but_one_long_piece_of_it_raises_nothing() -> None:
    pace = Pace(1, 3)
    busy = window()
    busy.note(20 * MS, busy=True)
    assert not busy.holds(TICK, 3)
    assert [pace.after(busy) for _ in range(3)] == [False, False, True]


def test_it_never_leaves_what_an_advertisement_can_say() -> None:
    pace = Pace(100, 3)
    assert pace.begin(window(3600 * SECOND))
    assert pace.advskew == 255
    assert not pace.after(window(3600 * SECOND))


def test_a_measurement_is_of_this_machine() -> None:
    seen = measured(30 * MS, 2 * MS)
    assert 1 <= seen.total <= 16
    assert seen.worst > 0
