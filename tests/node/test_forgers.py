"""Whose forgeries are a flood, and who is heard whatever comes from its address."""

import pytest
from tests.support.waiting import turn

from carpool.carp.timing import SECOND
from carpool.node.forgers import FLOOD, MOST_MUTED, MUTED_FOR, Forgers
from carpool.node.loop import Loop

STRANGER, NODE = b"\x0a\0\x06\x06", b"\x0a\0\0\2"


class Ear:
    """The forgers of a segment with one other node, and whom they muted at each change."""

    def __init__(self, loop: Loop) -> None:
        self.told: list[set[bytes]] = []
        self.forgers = Forgers(
            loop,
            may_be_node=lambda source: source == NODE,
            on_change=lambda: self.told.append(set(self.forgers.muted)),
        )

    def hear(self, source: bytes, times: int, now: int) -> None:
        for _ in range(times):
            self.forgers.count(source, now)


@pytest.fixture
def ear(loop: Loop) -> Ear:
    return Ear(loop)


def test_who_floods_is_muted_once(ear: Ear) -> None:
    ear.hear(STRANGER, FLOOD - 1, SECOND)
    assert ear.told == []
    ear.hear(STRANGER, 2 * FLOOD, SECOND)
    assert ear.told == [{STRANGER}]


def test_what_comes_slowly_is_no_flood(ear: Ear) -> None:
    for second in range(1, 5):
        ear.hear(STRANGER, FLOOD - 1, second * SECOND)
    assert ear.told == []


def test_a_node_is_never_muted(ear: Ear) -> None:
    ear.hear(NODE, 3 * FLOOD, SECOND)
    assert ear.told == []


def test_whoever_says_something_valid_is_heard_again(ear: Ear) -> None:
    ear.hear(STRANGER, FLOOD, SECOND)
    ear.forgers.hear(NODE)
    assert ear.told == [{STRANGER}]
    ear.forgers.hear(STRANGER)
    assert ear.told == [{STRANGER}, set()]


def test_after_a_while_all_are_heard_again(ear: Ear, loop: Loop) -> None:
    ear.hear(STRANGER, FLOOD, loop.now() - MUTED_FOR + SECOND // 20)
    turn(loop, SECOND // 5)
    assert ear.told == [{STRANGER}, set()]


def test_what_a_forger_can_make_us_remember_is_bounded(ear: Ear) -> None:
    for number in range(MOST_MUTED + 5):
        ear.hear(number.to_bytes(4), FLOOD, SECOND)
    assert len(ear.forgers.muted) == MOST_MUTED
    for number in range(5000):
        ear.forgers.count(number.to_bytes(4), SECOND)
    assert len(ear.forgers._counts) < 2000
