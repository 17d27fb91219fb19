"""Who is told what and when, in virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.virtual_loop import VirtualLoop

from carpool.node.events import Events, Kept
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.notify.delivery import Outcome
from carpool.node.notify.notifying import (
    BURST,
    GATHER,
    MOST_AT_ONCE,
    MOST_TOLD,
    MOST_WAITING,
    Notifying,
)
from carpool.node.notify.settings import NotifierSettings
from carpool.notify.job import Job

S = 1_000_000_000


def settings(name: str = "ops", **keys: Any) -> NotifierSettings:
    given: dict[str, Any] = {
        "name": name,
        "type": "mail",
        "states": frozenset({"MASTER", "BACKUP"}),
        "kinds": frozenset({"conflict"}),
        "groups": frozenset({"www", "db"}),
        "of_all": True,
        "timeout": 10 * S,
        "retries": 2,
        "every": 60 * S,
        "node": "web2",
        "hostname": "web2",
        "names": {},
        "keys": {"to": ["ops@example.com"]},
        "secret": "open-sesame",
    }
    return NotifierSettings(**{**given, **keys})


class Rig:
    """Notifiers whose deliveries take a second and end as they are told to."""

    def __init__(self, *notifiers: NotifierSettings) -> None:
        self.loop = VirtualLoop(7 * S)
        self.log = Log()
        self.events = Events(self.log, clock=lambda: 1_700_000_000 * S)
        self.jobs: list[tuple[int, Job]] = []
        self.outcome = Outcome(ok=True, said="taken", duration_ns=S)
        self.takes = S
        self.running = 0
        self.most_running = 0
        self.abandoned = 0
        self.state = "MASTER"
        self.told: list[Kept] = []
        self.notifying = Notifying(
            notifiers or (settings(),),
            loop=cast("Loop", self.loop),
            log=self.log,
            look=lambda group: {"state": self.state, "group": group},
            deliver=self.deliver,
        )
        self.events.subscribe(self.notifying.hear)
        self.events.subscribe(
            lambda event: self.told.append(event) if event.kind == "notify" else None
        )

    def deliver(self, _loop: Loop, job: Job, done: Callable[[Outcome], None]) -> Any:
        self.jobs.append((self.loop.time, job))
        self.running += 1
        self.most_running = max(self.most_running, self.running)

        def end() -> None:
            self.running -= 1
            done(self.outcome)

        self.loop.call_at(self.loop.time + self.takes, end)

        def abandon() -> None:
            self.abandoned += 1

        return SimpleNamespace(pid=77, abandon=abandon)

    def happen(self, to: str = "MASTER", group: str | None = "www", kind: str = "state") -> None:
        details = {"to": to, "from": "BACKUP"}
        self.log.happened(kind, Level.WARNING, f"{group}: {to}", group=group, details=details)

    def states(self) -> list[list[str]]:
        return [[notice.event["details"]["to"] for notice in job.notices] for _, job in self.jobs]


def test_what_happens_together_is_told_together() -> None:
    rig = Rig()
    began = rig.loop.time
    rig.happen(group="www")
    rig.loop.run(GATHER // 2)
    rig.happen(group="db")
    rig.loop.run(10 * S)
    ((when, job),) = rig.jobs
    assert when == began + GATHER
    assert [notice.group for notice in job.notices] == ["www", "db"]
    assert job.notices[0].now == {"state": "MASTER", "group": "www"}
    assert (job.secret, job.timeout, job.node) == ("open-sesame", 10.0, "web2")
    assert [event.text for event in rig.told] == ["notify ops: 2 events told: taken (1.00 s)"]
    assert "sesame" not in repr(settings())


def test_only_what_was_asked_for_is_told() -> None:
    rig = Rig(settings(states=frozenset({"MASTER"}), groups=frozenset({"www"}), of_all=False))
    rig.happen("BACKUP")
    rig.happen("MASTER", group="db")
    rig.happen("x", kind="demotion")
    rig.happen("x", group=None, kind="conflict")
    rig.loop.run(10 * S)
    assert rig.jobs == []
    rig.happen("x", kind="conflict")
    rig.loop.run(10 * S)
    assert rig.states() == [["x"]]


def test_of_a_group_that_flaps_the_latest_state_is_told_and_how_many_came_before() -> None:
    rig = Rig()
    for _ in range(600):
        rig.happen("MASTER")
        rig.loop.run(S // 2)
        rig.happen("BACKUP")
        rig.loop.run(S // 2)
    # Ten minutes: five in a row, and one in each minute.
    assert BURST + 9 <= len(rig.jobs) <= BURST + 10
    told = sum(1 + notice.more for _, job in rig.jobs for notice in job.notices)
    rig.loop.run(60 * S)
    told = sum(1 + notice.more for _, job in rig.jobs for notice in job.notices)
    assert told == 1200
    assert rig.states()[-1] == ["BACKUP"]


def test_without_a_limit_each_is_told() -> None:
    rig = Rig(settings(every=0))
    for _ in range(20):
        rig.happen("MASTER")
        rig.loop.run(2 * S)
    assert len(rig.jobs) == 20


def test_a_failure_is_tried_again_later_and_later_and_then_given_up() -> None:
    rig = Rig()
    rig.outcome = Outcome(ok=False, said="Connection refused", duration_ns=S)
    rig.happen()
    rig.loop.run(3600 * S)
    times = [when for when, _ in rig.jobs]
    # The pause counts from the end of a try, which takes a second.
    assert [after - before for before, after in pairwise(times)] == [6 * S, 11 * S]
    assert [(event.level, event.text) for event in rig.told] == [
        (Level.WARNING, "notify ops: Connection refused; trying again in 5 s"),
        (Level.WARNING, "notify ops: Connection refused; trying again in 10 s"),
        (
            Level.ERROR,
            "notify ops: given up after 3 tries: Connection refused; not told: www: MASTER",
        ),
    ]
    rig.outcome = Outcome(ok=True, said="taken")
    rig.happen("BACKUP")
    rig.loop.run(S)
    assert rig.states()[-1] == ["BACKUP"]


def test_a_failure_for_good_is_given_up_at_once() -> None:
    rig = Rig()
    rig.outcome = Outcome(ok=False, said="user or password is refused", lasting=True)
    rig.happen()
    rig.loop.run(3600 * S)
    assert len(rig.jobs) == 1
    assert rig.told[0].text.startswith("notify ops: given up after 1 try: user or password")


def test_what_has_come_since_replaces_what_is_tried_again() -> None:
    rig = Rig()
    rig.outcome = Outcome(ok=False, said="Connection refused")
    rig.happen("MASTER")
    rig.happen("MASTER", group="db")
    rig.loop.run(2 * S)
    rig.happen("BACKUP")
    rig.outcome = Outcome(ok=True, said="taken")
    rig.loop.run(60 * S)
    _, job = rig.jobs[-1]
    told = [(one.group, one.event["details"]["to"], one.more) for one in job.notices]
    assert told == [("db", "MASTER", 0), ("www", "BACKUP", 1)]
    assert len(rig.jobs) == 2


def test_the_children_are_few_and_everybody_is_told_in_the_end() -> None:
    rig = Rig(*(settings(f"n{number}") for number in range(3 * MOST_AT_ONCE)))
    rig.takes = 100 * S
    rig.happen()
    rig.loop.run(1000 * S)
    assert rig.most_running == MOST_AT_ONCE
    assert len(rig.jobs) == 3 * MOST_AT_ONCE


def test_what_waits_is_bounded_and_what_is_dropped_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_WAITING > 4 * 4080
    most = 3 * MOST_TOLD
    monkeypatch.setattr("carpool.node.notify.notifying.MOST_WAITING", most)
    names = [f"g{number}" for number in range(2 * most)]
    rig = Rig(settings(groups=frozenset(names), every=0))
    for name in names:
        rig.happen(group=name)
    rig.loop.run(1000 * S)
    assert max(len(job.notices) for _, job in rig.jobs) == MOST_TOLD
    told = [notice.group for _, job in rig.jobs for notice in job.notices]
    assert told == names[-most:]
    dropped = [one.text for one in rig.told if "not told" in one.text]
    assert dropped == [f"notify ops: {most} events are not told: more than {most} waited"]


def test_after_the_end_nothing_is_told() -> None:
    rig = Rig()
    rig.happen()
    rig.notifying.stop()
    rig.happen("BACKUP")
    rig.loop.run(60 * S)
    assert rig.jobs == []
    assert rig.told[-1].text == "notify ops: 1 event is not told: the daemon ends"


def handed(rig: Rig) -> Any:
    """Return what is left to another program, as that one gets it."""
    return json.loads(json.dumps(rig.notifying.leave()))


def test_what_is_not_told_yet_is_told_by_the_program_that_replaces_this_one() -> None:
    rig = Rig(settings(), settings("chat"))
    rig.outcome = Outcome(ok=False, said="no answer")
    rig.happen("MASTER")
    rig.loop.run(4 * S)  # has failed, and is to be tried again
    rig.happen("BACKUP", group="db")
    rig.happen("BACKUP")
    left = handed(rig)

    new = Rig(settings(), settings("other"))
    new.notifying.restore(left)
    new.loop.run(GATHER)
    ((_, job),) = new.jobs
    assert [(one.group, one.event["details"]["to"], one.more) for one in job.notices] == [
        ("db", "BACKUP", 0),
        ("www", "BACKUP", 1),
    ]
    # And by this one, should it not be replaced after all.
    rig.outcome = Outcome(ok=True, said="taken")
    rig.loop.run(60 * S)
    assert rig.states()[-1] == ["BACKUP", "BACKUP"]


def test_what_is_being_told_is_told_anew() -> None:
    rig = Rig()
    rig.takes = 60 * S
    rig.happen()
    rig.loop.run(S)
    assert rig.notifying.pids == (77,)
    left = handed(rig)
    assert rig.abandoned == 0
    rig.notifying.abandon()
    assert rig.abandoned == 1
    new = Rig()
    new.notifying.restore(left)
    new.loop.run(S)
    assert new.states() == [["MASTER"]]


def test_what_is_left_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carpool.node.notify.notifying.MOST_LEFT", 1000)
    names = [f"g{number}" for number in range(5)]
    rig = Rig(*(settings(one, groups=frozenset(names)) for one in ("ops", "chat")))
    for name in names:
        rig.happen(group=name)
    assert [[one[0] for one in left] for left in handed(rig).values()] == [names[-2:]] * 2
    assert [one.text for one in rig.told] == [
        f"notify {one}: 3 events are not told: too many waited at the restart"
        for one in ("ops", "chat")
    ]


def test_after_the_end_what_has_failed_is_not_tried_again() -> None:
    rig = Rig()
    rig.outcome = Outcome(ok=False, said="no answer")
    rig.happen()
    rig.loop.run(GATHER)
    assert len(rig.jobs) == 1
    rig.notifying.stop()
    rig.loop.run(600 * S)
    assert len(rig.jobs) == 1
    assert rig.told[-1].text.startswith("notify ops: given up after 1 try: no answer; not told: ")


@pytest.mark.parametrize(
    ("type_", "told"), [("mail", 1), ("webhook", 1), ("nrdp", 2), ("nagios", 2)]
)
def test_that_services_have_started_is_told_to_nagios_alone(type_: str, told: int) -> None:
    rig = Rig(settings(type=type_, kinds=frozenset({"service"})))
    for level in (Level.ERROR, Level.NOTICE):
        rig.log.happened("service", level, "www: services: ...", group="www", details={"to": ""})
        rig.loop.run(10 * S)
    assert len(rig.jobs) == told


@pytest.mark.parametrize("kind", ["notify", "script", "daemon"])
def test_a_notifier_is_never_told_of_itself(kind: str) -> None:
    rig = Rig()
    rig.happen(kind=kind)
    rig.loop.run(60 * S)
    assert rig.jobs == []
