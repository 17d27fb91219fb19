"""Takeovers and advertisements take turns."""

from typing import cast

from tests.node.world import World, state

from carpool.carp.election import State
from carpool.carp.timing import SECOND
from carpool.node.loop import Loop
from carpool.node.turns import Turns


class FakeLoop:
    def __init__(self) -> None:
        self.at_end: list[object] = []

    def at_end_of_round(self, callback: object) -> None:
        self.at_end.append(callback)


def test_a_round_has_so_many_turns_and_the_next_as_many() -> None:
    loop = FakeLoop()
    turns = Turns(cast("Loop", loop), most=2)
    for _ in range(3):
        assert [turns.take() for _ in range(4)] == [True, True, False, False]
        [end_of_round] = loop.at_end
        loop.at_end.clear()
        assert callable(end_of_round)
        end_of_round()


class Scripted(Turns):
    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)

    def take(self) -> bool:
        return self.answers.pop(0)


def test_a_takeover_waits_for_its_turn_and_advertisements_do_not() -> None:
    world = World()
    turns = Scripted(False, False, True)
    group = world.make("www", 1, turns=turns)
    group.start(carrier=True)
    world.loop.run(4 * SECOND)
    assert state(group) is State.MASTER
    assert not turns.answers
    said = len(world.links["www"].said)
    world.loop.run(3 * SECOND)
    assert len(world.links["www"].said) == said + 3
