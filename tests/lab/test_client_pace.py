"""When the lab's client asks, and what it says of itself; in virtual time."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from carpool.lab import client
from carpool.lab.client import RECORD, Pace

MS = 1_000_000


class Machine:
    """A clock, and a `select` that sleeps as told and then for a while longer."""

    def __init__(self) -> None:
        self.now = 1000 * MS
        self.late = 0
        self.answer_after: int | None = None

    def select(
        self, sockets: list[object], _write: object, _errors: object, seconds: float
    ) -> tuple[list[object], ...]:
        asleep = round(seconds * 1e9)
        ready = self.answer_after is not None and self.answer_after <= asleep
        self.now += (self.answer_after or 0) if ready else asleep
        self.now += self.late
        return (sockets if ready else [], [], [])


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic_ns=lambda: made.now))
    monkeypatch.setattr(client, "select", SimpleNamespace(select=made.select))
    return made


@pytest.fixture
def pace(machine: Machine) -> Iterator[Pace]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hearing:
        yield Pace(hearing, 2 * MS)


def stalled(record: bytes) -> int:
    return int(RECORD.unpack(record)[3])


def test_it_asks_at_an_even_pace_however_often_it_is_answered(machine: Machine, pace: Pace) -> None:
    asked = []
    for answer_after in (None, MS // 2, MS // 2, None, None):
        machine.answer_after = answer_after
        assert pace.hears() is (answer_after is not None)
        asked.append(pace.question())
    start = 1000 * MS
    assert asked == [start, None, None, start + 2 * MS, start + 4 * MS]


def test_a_late_one_makes_up_for_one_question_and_no_more(machine: Machine, pace: Pace) -> None:
    machine.late = 7 * MS
    pace.hears()
    asked = [pace.question()]
    machine.late = 0
    for _ in range(3):
        pace.hears()
        asked.append(pace.question())
    assert asked == [1007 * MS, 1007 * MS, 1009 * MS, 1011 * MS]


def test_it_says_for_how_long_it_stood_still_and_that_once(machine: Machine, pace: Pace) -> None:
    machine.late = 564 * MS
    pace.hears()
    first = pace.record(sent=999 * MS, zone=3)
    assert RECORD.unpack(first) == (999 * MS, 1564 * MS, 3, 564 * MS)
    assert stalled(pace.record(sent=999 * MS, zone=3)) == 0


def test_it_stands_still_while_it_works_as_well(machine: Machine, pace: Pace) -> None:
    pace.hears()
    pace.question()
    machine.now += 30 * MS
    pace.hears()
    assert stalled(pace.record(sent=machine.now, zone=1)) == 28 * MS  # 2 of them it had to wait


def test_moments_are_the_noise_of_a_machine(machine: Machine, pace: Pace) -> None:
    machine.late = 9 * MS
    for _ in range(5):
        pace.hears()
        pace.question()
    assert stalled(pace.record(sent=machine.now, zone=1)) == 0


def test_waiting_for_an_answer_is_not_standing_still(machine: Machine, pace: Pace) -> None:
    for _ in range(500):
        pace.hears()
        pace.question()
    assert machine.now > 1900 * MS
    assert stalled(pace.record(sent=machine.now, zone=1)) == 0


def test_nobody_waits_for_an_answer_after_a_second(machine: Machine, pace: Pace) -> None:
    machine.late = 1000 * MS
    pace.hears()
    assert pace.record(sent=machine.now - 1000 * MS, zone=1) == b""
    assert stalled(pace.record(sent=machine.now, zone=1)) == 1000 * MS
