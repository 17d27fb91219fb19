"""When packets that are no CARP advertisements are a flood."""

from tests.support.waiting import turn

from carpool.carp.timing import SECOND
from carpool.carp.wire import Rejection
from carpool.node.floodgate import CLOSED_FOR, FLOOD, FloodGate
from carpool.node.loop import Loop


class Gate:
    """A gate on a loop of its own, and what it told."""

    def __init__(self, loop: Loop) -> None:
        self.told: list[bool] = []
        self.gate = FloodGate(loop, on_change=lambda: self.told.append(self.gate.is_closed))

    def hear(self, rejection: Rejection, times: int, now: int) -> None:
        for _ in range(times):
            self.gate.count(rejection, now)


def test_it_closes_once_when_a_flood_comes(loop: Loop) -> None:
    gate = Gate(loop)
    gate.hear(Rejection.VRRP, FLOOD - 1, SECOND)
    assert gate.told == []
    gate.hear(Rejection.TTL, FLOOD, SECOND + 1)
    assert gate.told == [True]


def test_what_comes_slowly_is_no_flood(loop: Loop) -> None:
    gate = Gate(loop)
    for second in range(1, 20):
        gate.hear(Rejection.VERSION, FLOOD - 1, second * SECOND)
    assert gate.told == []


def test_what_no_filter_can_foresee_does_not_count(loop: Loop) -> None:
    gate = Gate(loop)
    gate.hear(Rejection.AUTHENTICATION, 3 * FLOOD, SECOND)
    gate.hear(Rejection.REPLAY, 3 * FLOOD, SECOND)
    assert gate.told == []


def test_it_opens_again_by_itself(loop: Loop) -> None:
    gate = Gate(loop)
    gate.hear(Rejection.VRRP, FLOOD, loop.now() - CLOSED_FOR + SECOND // 20)
    turn(loop, SECOND // 5)
    assert gate.told == [True, False]
    gate.hear(Rejection.VRRP, FLOOD, loop.now())
    assert gate.told == [True, False, True]
