"""Every interleaving of what can happen to two and three nodes, to a depth."""

import pytest

from carpool.carp import virtualhost
from carpool.carp.election import TABLE, Action, Event, State
from carpool.carp.timing import SECOND
from carpool.sim.__main__ import CLUSTERS, main
from carpool.sim.explorer import BEGIN, IRRELEVANT, Explorer, World, relative


@pytest.mark.parametrize(
    ("advskews", "preempt", "depth", "least"),
    [
        ((0, 100), False, 10, 1500),
        ((0, 100), True, 10, 1500),
        ((7, 7), False, 9, 1000),
        ((0, 100, 200), False, 6, 500),
        pytest.param((0, 100), False, 12, 3000, marks=pytest.mark.slow),
        pytest.param((0, 100), True, 12, 3000, marks=pytest.mark.slow),
        pytest.param((7, 7), False, 10, 2000, marks=pytest.mark.slow),
        pytest.param((0, 100, 200), False, 7, 1000, marks=pytest.mark.slow),
    ],
)
def test_whatever_happens_there_is_one_master_in_the_end(
    advskews: tuple[int, ...], preempt: bool, depth: int, least: int
) -> None:
    found = Explorer(advskews, preempt=preempt).explore(depth)
    assert found.faults == []
    assert found.states > least
    assert found.choices > found.states > found.ends > 0


def broken(monkeypatch: pytest.MonkeyPatch, state: State, event: Event) -> list[str]:
    table = {key: row for key, row in TABLE.items() if key != (state, event)}
    monkeypatch.setattr(virtualhost, "TABLE", table)
    return Explorer((0, 100)).explore(9).faults


def test_it_finds_masters_that_do_not_yield(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = broken(monkeypatch, State.MASTER, Event.FASTER)
    assert any("no one master after 6.2 s" in fault for fault in faults)
    assert any("('cut off', " in fault for fault in faults)


def test_it_finds_addresses_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    row = TABLE[State.MASTER, Event.FASTER]
    kept = tuple(action for action in row.actions if action is not Action.REMOVE_ADDRESSES)
    table = {**TABLE, (row.state, row.event): type(row)(row.state, row.event, row.next, kept)}
    monkeypatch.setattr(virtualhost, "TABLE", table)
    faults = Explorer((0, 100)).explore(9).faults
    assert any("is BACKUP, and holds" in fault for fault in faults)


def test_states_that_differ_in_when_they_happen_are_one() -> None:
    assert relative([BEGIN + 5, 7, BEGIN - 60 * SECOND], BEGIN) == relative(
        [BEGIN + 9, 7, BEGIN - 90 * SECOND], BEGIN + 4
    )
    assert relative(BEGIN + 5, BEGIN) != relative(BEGIN + 6, BEGIN)


def run(explorer: Explorer, seconds: int) -> World:
    world = explorer.beginning(0)
    while world.now < BEGIN + seconds * SECOND:
        paths = [path for path, queue in world.frames.items() if queue]
        if paths:
            world = explorer.chosen(world, ("deliver", *paths[0]))
        else:
            world = explorer.chosen(world, ("fire", explorer.due(world)[0], 0))
    return world


def test_a_cluster_at_rest_is_in_few_states() -> None:
    explorer = Explorer((0, 100))
    keys = {run(explorer, seconds).key() for seconds in range(20, 40)}
    assert len(keys) == 1


def test_what_is_left_out_of_a_state_is_there() -> None:
    (host, _) = Explorer((0, 100)).beginning(0).hosts
    assert set(IRRELEVANT) <= set(vars(host))


def test_it_says_how_many_states_it_visited(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--explore", "3", "--faults", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CLUSTERS)
    assert lines[0].startswith("advskews 0, 100: ")
    assert " states by " in lines[0]
    assert lines[0].endswith(" ends, 0 of them wrong")
