"""The fast profile on a host that is made of words: refused, raised, and said so."""

import gc
import time
from collections.abc import Iterator
from typing import cast

import pytest
from tests.node.world import World
from tests.support.virtual_loop import VirtualLoop

from carpool.carp.timing import SECOND, TICK
from carpool.cli.daemon_text import status_text
from carpool.node import punctuality, realtime
from carpool.node.group import Group
from carpool.node.lateness import Window
from carpool.node.log import Log
from carpool.node.loop import Loop
from carpool.node.punctuality import Punctuality, TooLateError

MS = SECOND // 1000


class MeasuringLoop(VirtualLoop):
    def on_late(self, note: object) -> None:
        self.note = note


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what was asked of the system."""
    asked: list[str] = []
    monkeypatch.setattr(realtime, "take_priority", lambda: asked.append("take"))
    monkeypatch.setattr(realtime, "drop_priority", lambda: asked.append("drop"))
    monkeypatch.setattr(realtime, "lock_memory", lambda: asked.append("lock"))
    return asked


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


@pytest.fixture
def world() -> World:
    return World(loop=MeasuringLoop())


def watched(
    world: World, *, allowed: bool = True, refuse_if_late: bool = False
) -> tuple[Punctuality, Group]:
    group = world.group("www", 1, advbase=0, advskew=1, fast=True, refuse_if_late=refuse_if_late)
    world.lines.clear()
    loop = cast("Loop", world.loop)
    return Punctuality(loop=loop, log=Log(world.lines), allowed=allowed), group


def late(by: int) -> Window:
    window = Window()
    window.note(by)
    return window


def test_what_is_permitted_is_taken_and_garbage_is_collected_when_it_suits(
    world: World, taken: list[str]
) -> None:
    watch, group = watched(world)
    watch.start([group], None)
    assert taken == ["take", "lock"]
    assert not gc.isenabled()
    assert world.lines.texts == [
        "www: fast: an advertisement every 3.9 ms (1/256 s), a dead master is noticed after 11.7 ms"
    ]
    watch.pause()
    assert taken[2:] == []  # A program that is to replace this one keeps it.
    watch.end()
    assert taken[2:] == ["drop"]


def test_what_is_forbidden_is_not(world: World, taken: list[str]) -> None:
    watch, group = watched(world, allowed=False)
    watch.start([group], None)
    assert taken == []
    assert watch.status()["realtime_problem"] == "realtime = false"


def test_what_the_system_refuses_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, taken: list[str]
) -> None:
    monkeypatch.setattr(realtime, "take_priority", lambda: "not permitted")
    watch, group = watched(world)
    watch.start([group], None)
    assert world.lines.texts[0] == "fast profile without a real-time priority: not permitted"
    assert watch.status()["realtime"] is False


def test_an_interval_that_the_machine_cannot_hold_is_raised_from_the_start(
    world: World, taken: list[str]
) -> None:
    watch, group = watched(world)
    watch.start([group], late(20 * MS))
    assert group.virtual_host.interval == 4 * TICK
    assert world.lines.texts[0] == (
        "www: this machine wakes up to 20.0 ms late (1 of 1 times clearly), which is too late for "
        "an interval of 3.9 ms; advertising every 15.6 ms"
    )
    (told,) = watch.status()["groups"]
    assert told == {
        "group": "www",
        "configured_interval": 0.003906,
        "interval": 0.015625,
        "raised": True,
    }


def test_a_group_may_refuse_such_a_machine(
    world: World, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(punctuality, "measured", lambda _duration, _step: late(20 * MS))
    watch, group = watched(world, refuse_if_late=True)
    with pytest.raises(TooLateError, match=r"it needs interval = \"15.6ms\" here"):
        watch.probe([group.settings])
    monkeypatch.setattr(punctuality, "measured", lambda _duration, _step: late(MS))
    assert watch.probe([group.settings]).worst == MS


def test_it_is_raised_while_it_runs_and_lowered_when_the_machine_is_calm(
    world: World, taken: list[str]
) -> None:
    watch, group = watched(world)
    watch.start([group], None)
    watch.lateness.note(30 * MS)
    world.loop.run(2 * SECOND)
    assert group.virtual_host.interval == 2 * TICK
    assert world.links["www"].said[-1].advskew == 2
    world.loop.run(130 * SECOND)
    assert group.virtual_host.interval == TICK
    assert world.lines.texts[-1] == "www: this machine is on time again; advertising every 3.9 ms"


def test_what_was_raised_stays_so_when_the_program_is_replaced(
    world: World, taken: list[str]
) -> None:
    before, group = watched(world)
    before.start([group], late(20 * MS))
    saved = before.saved()
    after, group = watched(World(loop=MeasuringLoop()))
    after.start([group], None, saved)
    assert group.virtual_host.interval == 4 * TICK
    assert after.saved() == saved == {"www": (4, 60)}
    assert after.status()["groups"][0]["raised"]
    calm, group = watched(World(loop=MeasuringLoop()))
    calm.start([group], None, {"other": (4, 60)})
    assert group.virtual_host.interval == TICK
    assert calm.saved() == {}


def test_where_it_must_not_be_raised_a_running_daemon_says_so(
    world: World, taken: list[str]
) -> None:
    watch, group = watched(world, refuse_if_late=True)
    watch.start([group], None)
    watch.lateness.note(30 * MS)
    world.loop.run(2 * SECOND)
    assert group.virtual_host.interval == TICK
    assert 'on_late = "refuse" forbids' in world.lines.texts[-1]


def test_a_daemon_that_takes_a_whole_processor_gives_its_priority_up_for_a_minute(
    world: World, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    used = 0
    monkeypatch.setattr(time, "process_time_ns", lambda: used)
    watch, group = watched(world)
    watch.start([group], None)
    used = 9 * SECOND // 10
    world.loop.run(2 * SECOND)
    assert taken == ["take", "lock", "drop"]
    assert "given up" in str(watch.status()["realtime_problem"])
    world.loop.run(61 * SECOND)
    assert taken == ["take", "lock", "drop", "take"]
    assert watch.status()["realtime"] is True


def test_all_garbage_is_looked_through_only_while_the_node_is_a_backup(
    world: World, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, group = watched(world)
    watch.start([group], None)
    collected: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda generation=2: collected.append(generation))
    monkeypatch.setattr(gc, "get_count", lambda: (701, 3, 0))
    monkeypatch.setattr(punctuality, "_COLLECT_EVERY", 6 * SECOND)
    world.loop.run(10 * SECOND)
    assert set(collected) == {0}
    group.demote("maintenance", 255)
    world.loop.run(10 * SECOND)
    assert collected.count(2) == 2


def test_what_may_take_its_time_is_put_off_but_not_for_long(world: World, taken: list[str]) -> None:
    watch, group = watched(world)
    watch.start([group], None)
    done: list[int] = []
    watch.put_off(lambda: done.append(world.loop.now()))
    asked = world.loop.now()
    world.loop.run(SECOND)
    assert len(done) == 1
    assert 0 < done[0] - asked <= SECOND // 10
    watch.put_off(lambda: done.append(0))
    watch.catch_up()
    assert done[-1] == 0


def test_the_text_of_a_status_names_what_is_late(world: World, taken: list[str]) -> None:
    watch, group = watched(world)
    watch.start([group], late(20 * MS))
    watch.lateness.note(7 * MS)
    status = {
        "node": "a",
        "program": "1",
        "pid": 1,
        "uptime_seconds": 1.0,
        "groups": [],
        "interfaces": [],
        "checks": [],
        "punctuality": watch.status(),
    }
    text = status_text(status)
    assert "wakes up to 7.0 ms late in 10 s, 7.0 ms since the start\n" in text
    assert "www: interval raised to 15.6 ms: too late for 3.9 ms\n" in text
