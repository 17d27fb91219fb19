"""One master of a link looks for rivals on behalf of those that are on the same nodes."""

from collections.abc import Sequence
from typing import cast

import pytest
from tests.node.world import World

from carpool.carp.peers import Peer
from carpool.carp.seeking import PACE
from carpool.carp.timing import SECOND
from carpool.node.group import Group
from carpool.node.loop import Loop
from carpool.node.seeking import SHARE_AFTER, SPEAK_AT_ONCE, SPEAK_EVERY, Search

AB, BC = ("a", "b"), ("b", "c")


@pytest.fixture
def world() -> World:
    return World()


def masters(world: World, *nodes: tuple[str, ...]) -> tuple[Search, list[Group]]:
    """Return groups g1, g2 ... that have just become master, and what divides their search."""
    search = Search(cast("Loop", world.loop))
    groups = [
        world.make(f"g{vhid}", vhid, nodes=where, seek_rival=600 * SECOND)
        for vhid, where in enumerate(nodes, start=1)
    ]
    for group in groups:
        search.add(group)
        group.virtual_host.peers.note(Peer(bytes((192, 0, 2, 20)), 1, 0, 0, 0))
        group.start(carrier=True)
    world.loop.run(3 * SECOND + SHARE_AFTER)
    return search, groups


def looking(world: World, groups: Sequence[Group]) -> list[str]:
    """Return which groups advertise at the pace of those that look for rivals."""
    said = {group.settings.name: len(world.links[group.settings.name].said) for group in groups}
    world.loop.run(4 * PACE)
    return [name for name, before in said.items() if len(world.links[name].said) >= before + 4]


def test_one_of_many_looks(world: World) -> None:
    _, groups = masters(world, *20 * [AB])
    assert len(looking(world, groups)) == 1


def test_one_for_each_set_of_nodes(world: World) -> None:
    _, groups = masters(world, AB, BC, AB, BC)
    assert {group.settings.nodes for group in groups if looking(world, [group])} == {AB, BC}


def test_another_takes_over_when_it_yields(world: World) -> None:
    _, groups = masters(world, AB, AB)
    (first,) = (group for group in groups if looking(world, [group]))
    first.yield_mastership()
    world.loop.run(SHARE_AFTER)
    assert looking(world, groups) == [one.settings.name for one in groups if one is not first]


def test_when_one_finds_a_rival_all_other_masters_speak_up_at_once(world: World) -> None:
    search, groups = masters(world, *(2 * SPEAK_AT_ONCE + 3) * [AB])
    world.loop.run(PACE // 2)
    groups[3].yield_mastership()
    said = [len(world.links[group.settings.name].said) for group in groups]
    search.found_rival(groups[0])
    world.loop.run(0)
    spoke = [
        len(world.links[group.settings.name].said) - before
        for group, before in zip(groups, said, strict=True)
    ]
    assert spoke == [0, 1, 1, 0, *(2 * SPEAK_AT_ONCE - 1) * [1]]


def test_they_speak_up_once_per_second_at_most(world: World) -> None:
    search, groups = masters(world, AB, AB)
    for group in groups:
        group.virtual_host.seeking.end()
    link = world.links["g2"]
    search.found_rival(groups[0])
    said = len(link.said)
    world.loop.run(SPEAK_EVERY - 1)
    regular = len(link.said) - said
    search.found_rival(groups[0])
    assert len(link.said) == said + regular
    world.loop.run(1)
    said = len(link.said)
    search.found_rival(groups[0])
    assert len(link.said) == said + 1
