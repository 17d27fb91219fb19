"""What the bench makes of what it has seen."""

from typing import Any

import pytest
from bench.fault_list import FAULTS
from bench.faults_page import page
from bench.observer import RECORD, Kind, Seen, answering, read, time_with_two

A, B = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"


def asked(when: int) -> Seen:
    return Seen(when, Kind.ASKED, bytes(14))


def answered(when: int, mac: bytes) -> Seen:
    return Seen(when, Kind.ANSWERED, mac + bytes(8))


def test_records_are_read_as_they_were_written() -> None:
    written = RECORD.pack(7, Kind.ASKED, b"") + RECORD.pack(9, Kind.ANSWERED, A)
    assert list(read(written)) == [asked(7), answered(9, A)]


def test_two_count_from_a_question_that_both_answered_to_the_next() -> None:
    seen = [
        *(asked(0), answered(1, A)),
        *(asked(5), answered(6, A), answered(7, B), answered(8, B)),
        *(asked(10), answered(11, B), answered(11, A)),
        *(asked(17), answered(18, B)),
    ]
    slots = answering(seen, end=20)
    assert [(start, stop, set(macs)) for start, stop, macs in slots] == [
        (0, 5, {A}),
        (5, 10, {A, B}),
        (10, 17, {A, B}),
        (17, 20, {B}),
    ]
    assert time_with_two(slots, frozenset({A, B}), since=0) == 12
    assert time_with_two(slots, frozenset({A, B}), since=6) == 7
    assert time_with_two(slots, frozenset({A}), since=0) == 0, "the other is a stranger"


@pytest.mark.parametrize(
    ("packet", "farewell"),
    [
        ("21 2a ff 07 00 ff 0000", True),  # CARP's bow-out
        ("21 2a 00 07 00 01 0000", False),  # CARP's strongest claim
        ("21 2a ff 07 00 01 0000", False),
        ("21 2a 00 01 01 01 0000", True),  # VRRP, priority 0
        ("21 2a fe 01 01 01 0000", False),
    ],
)
def test_farewells_of_both_protocols(packet: str, farewell: bool) -> None:
    seen = Seen(0, Kind.ADVERTISED, bytes((10, 0, 0, 1)) + bytes.fromhex(packet) + bytes(2))
    assert seen.source == bytes((10, 0, 0, 1))
    assert seen.is_farewell is farewell


def cost(dark: float, *, recovered: bool) -> dict[str, Any]:
    return {"dark": dark, "two": 0.4, "stale": 1, "recovered": recovered}


def test_a_cell_has_medians_and_says_how_often_there_was_no_recovery() -> None:
    rounds = [cost(dark, recovered=dark < 3000) for dark in (1999.6, 3001, 10)]
    report: dict[str, Any] = {
        **dict.fromkeys(("command", "date", "kernel", "python", "rounds", "minutes"), "x"),
        **dict.fromkeys(("skew", "noise"), 50),
        "versions": {"ucarp": "1.5.2", "carpool": "1"},
        "costs": {"crash": {"ucarp": rounds, "carpool": [cost(5, recovered=False)]}},
    }
    title = FAULTS["crash"].title
    text = page(report, None)
    assert f"| {title} | 2,000 / 0 / 1 ✗ (1 of 3) | 5 / 0 / 1 ✗ |" in text
    assert f"- **{title}**: " in text
    assert "Soak" not in text
