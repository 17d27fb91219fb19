"""What the lab makes of a client's answers; needs no namespaces."""

from carpool.lab.probe import Answer, Outage, Tenure, longest, outages, tenures

MS = 1_000_000


def answers(*rows: tuple[int, str]) -> list[Answer]:
    return [Answer(sent=(ms - 1) * MS, received=ms * MS, zone=zone) for ms, zone in rows]


SWITCH = answers((10, "a"), (12, "a"), (14, "a"), (64, "b"), (66, "b"), (76, "b"), (78, "b"))


def test_an_outage_is_from_the_last_answer_to_the_next() -> None:
    expected = Outage(start=14 * MS, end=64 * MS, before="a", after="b")
    assert outages(SWITCH, at_least=20 * MS) == [expected]
    assert expected.duration == 50 * MS


def test_outages_come_in_order() -> None:
    assert [gap.duration for gap in outages(SWITCH, at_least=10 * MS)] == [50 * MS, 10 * MS]


def test_the_longest_is_of_those_that_ended_after_an_instant() -> None:
    gap = longest(SWITCH, since=20 * MS)
    assert gap is not None
    assert gap.start == 14 * MS
    later = longest(SWITCH, since=64 * MS)
    assert later is not None
    assert later.start == 66 * MS


def test_what_the_client_slept_is_no_wait() -> None:
    slept = [Answer(10 * MS, 11 * MS, "a"), Answer(12 * MS, 575 * MS, "a", stalled=560 * MS)]
    waited = [Answer(574 * MS, 576 * MS, "a"), Answer(578 * MS, 583 * MS, "a")]
    (asleep, *_) = outages([*slept, *waited], at_least=0)
    assert (asleep.duration, asleep.waited) == (564 * MS, 4 * MS)
    gap = longest([*slept, *waited], since=0)
    assert gap is not None
    assert (gap.start, gap.waited) == (576 * MS, 7 * MS)


def test_without_two_answers_there_is_no_outage() -> None:
    assert longest([], since=0) is None
    assert longest(answers((10, "a")), since=0) is None


def test_tenures_tell_a_switch_from_a_quarrel() -> None:
    assert tenures(SWITCH) == [Tenure("a", 10 * MS, 14 * MS, 3), Tenure("b", 64 * MS, 78 * MS, 4)]
    quarrel = answers((1, "a"), (2, "b"), (3, "a"))
    assert [tenure.zone for tenure in tenures(quarrel)] == ["a", "b", "a"]
    assert tenures([]) == []
