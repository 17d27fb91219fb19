"""When checks look, and what they make of it, in virtual time."""

from dataclasses import replace
from itertools import pairwise
from typing import cast

import pytest
from tests.support.virtual_loop import VirtualLoop, VirtualTimer
from tests.support.written import Written

from carpool.node.health import checks as module
from carpool.node.health.checks import Check, Checks
from carpool.node.health.monitor import Health
from carpool.node.health.probe import Done, Probe
from carpool.node.health.settings import Carrier, CheckSettings
from carpool.node.log import Level, Log
from carpool.node.loop import Loop

MS = 1_000_000
SECOND = 1000 * MS


class Scripted:
    """A probe that finds what it is told to, after a time; it never answers if that is None."""

    pid = None

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.problem: str | None = None
        self.takes: int | None = 0
        self.started: list[int] = []
        self.cancelled = 0
        self.closed = False
        self.timer: VirtualTimer | None = None

    def start(self, done: Done) -> None:
        self.started.append(self.loop.time)
        problem = self.problem
        if self.takes == 0:
            done(problem)
        elif self.takes is not None:
            self.timer = self.loop.call_at(self.loop.time + self.takes, lambda: done(problem))

    def cancel(self) -> None:
        self.cancelled += 1
        if self.timer:
            self.timer.cancel()

    def close(self) -> None:
        self.cancel()
        self.closed = True


class Bench:
    """Checks with scripted probes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *settings: CheckSettings) -> None:
        self.loop = VirtualLoop(7 * SECOND)
        self.begun = self.loop.time
        self.lines = Written()
        self.changes: list[tuple[int, str, bool]] = []
        self.probes: dict[str, Scripted] = {}

        def make(check: CheckSettings, *_: object) -> Probe:
            return self.probes.setdefault(check.name, Scripted(self.loop))

        monkeypatch.setattr(module, "make_probe", make)
        self.checks = Checks(
            settings,
            loop=cast("Loop", self.loop),
            log=Log(self.lines, clock=self.loop.now, level=Level.DEBUG),
            interfaces=lambda _name: None,
            on_change=self.note,
        )

    def note(self, check: Check) -> None:
        when = self.loop.time - self.begun
        self.changes.append((when, check.settings.name, check.health is Health.GOOD))


def check(
    name: str = "web",
    *,
    interval: int = 2 * SECOND,
    timeout: int = SECOND,
    rise: int = 2,
    fall: int = 3,
) -> CheckSettings:
    return CheckSettings(name, Carrier("net0"), ("www",), interval, timeout, rise, fall, 1)


def test_nothing_follows_before_the_first_result(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, check())
    bench.probes["web"].takes = 900 * MS
    bench.checks.start()
    bench.loop.run(899 * MS)
    assert bench.changes == []
    assert bench.checks.each[0].health is Health.UNKNOWN
    bench.loop.run(2 * MS)
    assert bench.changes == [(900 * MS, "web", True)]


def test_a_bad_start_is_known_before_a_master_can_be_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = [check(f"check{number}") for number in range(50)]
    bench = Bench(monkeypatch, *settings)
    for probe in bench.probes.values():
        probe.takes = None
    bench.checks.start()
    bench.loop.run(2 * SECOND)
    assert sorted(name for _, name, _ in bench.changes) == sorted(bench.probes)
    assert not any(good for *_, good in bench.changes)


def test_it_falls_after_three_and_rises_after_two(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, check())
    probe = bench.probes["web"]
    bench.checks.start()
    bench.loop.run(3 * SECOND)
    probe.problem = "on fire"
    bench.loop.run(6 * SECOND)
    assert bench.changes == [(0, "web", True), (8 * SECOND, "web", False)]
    assert bench.checks.each[0].status_line == "check web: bad, the last time: on fire"
    probe.problem = None
    bench.loop.run(4 * SECOND)
    assert bench.changes[2:] == [(12 * SECOND, "web", True)]
    assert bench.checks.each[0].status_line == "check web: good"
    assert bench.lines == [
        (Level.NOTICE, "check web: good"),
        (Level.INFO, "check web: on fire (1 of 3)"),
        (Level.INFO, "check web: on fire (2 of 3)"),
        (Level.WARNING, "check web: bad: on fire"),
        (Level.INFO, "check web: good again (1 of 2)"),
        (Level.NOTICE, "check web: good"),
    ]


@pytest.mark.parametrize(("demote", "demotion"), [(7, 7), (None, 255)])
def test_what_a_bad_check_amounts_to(
    monkeypatch: pytest.MonkeyPatch, demote: int | None, demotion: int
) -> None:
    bench = Bench(monkeypatch, replace(check(rise=1), demote=demote))
    (made,) = bench.checks.each
    assert made.demotion == 0
    bench.probes["web"].problem = "on fire"
    bench.checks.start()
    bench.loop.run(SECOND)
    assert made.demotion == demotion
    bench.probes["web"].problem = None
    bench.loop.run(2 * SECOND)
    assert made.demotion == 0


def test_no_result_in_time_is_a_bad_one(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, check(fall=1))
    probe = bench.probes["web"]
    bench.checks.start()
    bench.loop.run(SECOND)
    probe.takes = None
    bench.loop.run(2 * SECOND)
    assert bench.changes == [(0, "web", True), (3 * SECOND, "web", False)]
    assert bench.lines[-1] == (Level.WARNING, "check web: bad: no result within 1 s")
    assert probe.cancelled == 1


def test_fifty_checks_are_spread_and_stay_so(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, *(check(f"check{number}") for number in range(50)))
    bench.checks.start()
    bench.loop.run(60 * SECOND)
    starts = sorted(when for probe in bench.probes.values() for when in probe.started)
    assert min(after - before for before, after in pairwise(starts)) == 20 * MS
    for probe in bench.probes.values():
        assert {after - before for before, after in pairwise(probe.started)} == {2 * SECOND}


def test_fast_groups_have_their_checks_look_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, *(check(f"check{number}") for number in range(4)))
    bench.checks.start(within=400 * MS)
    bench.loop.run(SECOND)
    starts = [when - bench.begun for probe in bench.probes.values() for when in probe.started]
    assert starts == [0, 100 * MS, 200 * MS, 300 * MS]


def test_what_a_pause_missed_is_not_caught_up_with(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, check(), check("other"))
    bench.checks.start()
    bench.loop.run(3 * SECOND)
    bench.loop.time += 60 * SECOND + 300 * MS
    bench.loop.run(4 * SECOND)
    for number, probe in enumerate(bench.probes.values()):
        late = [when - bench.begun for when in probe.started if when > bench.begun + 3 * SECOND]
        assert late[0] == 63 * SECOND + 300 * MS
        assert [when % (2 * SECOND) for when in late[1:]] == [number * SECOND // 2] * 2


def test_a_look_that_a_pause_made_late_is_not_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, check())
    probe = bench.probes["web"]
    bench.checks.start()
    bench.loop.run(SECOND)
    probe.takes = 800 * MS
    bench.loop.time += 2 * SECOND + 700 * MS  # the look of 2 s happens at 3.7 s
    bench.loop.run(4 * SECOND)
    assert [when - bench.begun for when in probe.started] == [
        0,
        3700 * MS,
        6 * SECOND,
    ]
    assert bench.changes == [(0, "web", True)]


def test_stopped_checks_look_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, check())
    probe = bench.probes["web"]
    probe.takes = 500 * MS
    bench.checks.start()
    bench.loop.run(100 * MS)
    bench.checks.stop()
    bench.loop.run(10 * SECOND)
    assert probe.closed
    assert len(probe.started) == 1
    assert bench.changes == []
    bench.checks.start()
    bench.loop.run(SECOND)
    assert len(probe.started) == 2
    assert [good for *_, good in bench.changes] == [True]
