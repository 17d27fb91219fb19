"""When a restart is refused, and what a program leaves to the next one."""

import json
import os
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Interface, ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.virtual_loop import VirtualLoop
from tests.support.waiting import turn

from carpool.carp.election import State
from carpool.carp.memory import Memory
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.node import handover, realtime, restart
from carpool.node.changes import Described
from carpool.node.commands import Result
from carpool.node.control import RequestError
from carpool.node.daemon import Daemon
from carpool.node.events import Events
from carpool.node.handover import (
    HELD_BACK,
    OLDEST,
    VERSION,
    GroupState,
    Handover,
    identity,
    receive,
)
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.maintenance import Maintenance
from carpool.node.restart import Restart
from carpool.node.rundir import claim
from carpool.node.settings import GroupSettings

VIP = IPv4Interface("192.0.2.100/24")


@pytest.fixture
def virtual() -> VirtualLoop:
    return VirtualLoop()


def settings(**keys: Any) -> GroupSettings:
    carp = Settings(42, (VIP.ip,), b"secret", advbase=1, advskew=keys.pop("advskew", 0))
    return GroupSettings(
        **{"name": "www", "carp": carp, "interface": "net0", **keys}, addresses=(VIP,)
    )


class Asked:
    """A restart whose trial the test brings about, of a daemon that is master of one group."""

    def __init__(
        self, loop: Loop | VirtualLoop, *, force: bool = False, runs: Described | None = None
    ) -> None:
        self.answers: list[Mapping[str, Any]] = []
        self.group = SimpleNamespace(
            settings=settings(),
            label="www: ",
            virtual_host=SimpleNamespace(state=State.MASTER, advskew=0),
            is_settled=True,
        )
        self.daemon = SimpleNamespace(
            groups=[self.group],
            is_stopping=False,
            notifying=None,
            punctuality=None,
            realtime=False,
        )
        self.restart = Restart(
            cast(Daemon, self.daemon),
            cast(Any, None),
            cast(Maintenance, None),
            cast(Loop, loop),
            Log(),
            running=cast(Any, runs and SimpleNamespace(describe=lambda _salt: iter([{}, runs]))),
        )
        self.restart._commands = cast(Any, SimpleNamespace(start=lambda *_: None))
        if runs is None:
            self.restart.request(self.answers.append, force=force)

    def found(self, output: str, problem: str | None = None, *, after: int = 0) -> None:
        """End the trial, as if it had taken `after` nanoseconds."""
        self.restart._asked_at -= after
        self.restart._tried(Result(output, problem))

    @property
    def refusal(self) -> str:
        (answer,) = self.answers
        assert not answer["ok"]
        return str(answer["error"])


FIT = json.dumps({"groups": {"www": identity(settings())}})


def test_an_unfit_program_says_why(virtual: VirtualLoop) -> None:
    asked = Asked(virtual)
    asked.found("a.toml:3: error: no\na.toml:4: error: no\n", "`x` failed: a.toml:3: error: no")
    assert asked.refusal == "a.toml:3: error: no\na.toml:4: error: no"


@pytest.mark.parametrize("output", ["", "rubbish\n", "[]\n", '{"groups": 5}\n'])
def test_a_program_that_makes_no_sense_is_refused(virtual: VirtualLoop, output: str) -> None:
    asked = Asked(virtual)
    asked.found(output)
    assert "does not say what it would run" in asked.refusal


def test_a_program_that_is_too_slow_for_the_backups_is_refused(virtual: VirtualLoop) -> None:
    asked = Asked(virtual)
    asked.found(FIT, after=1600 * SECOND // 1000)
    assert "needs about 1.60 s to start, and its backups wait 3.00 s" in asked.refusal
    assert "--force" in asked.refusal


@pytest.mark.parametrize(
    ("took", "state", "force"),
    [
        (SECOND, State.MASTER, False),
        (10 * SECOND, State.BACKUP, False),
        (10 * SECOND, State.MASTER, True),
    ],
)
def test_in_time_as_backup_or_by_force_it_goes_on(
    virtual: VirtualLoop, took: int, state: State, *, force: bool
) -> None:
    asked = Asked(virtual, force=force)
    asked.group.virtual_host.state = state
    became: list[bool] = []
    asked.restart._become = lambda: became.append(True)  # type: ignore[method-assign]
    asked.found(FIT, after=took)
    virtual.run(SECOND // 5)
    assert asked.answers == [{"ok": True, "applied": True, "restarts": 1}]
    assert became == [True]


def test_two_at_a_time_are_one_too_many(virtual: VirtualLoop) -> None:
    asked = Asked(virtual)
    with pytest.raises(RequestError, match="restart is under way already, for 0 s by now"):
        asked.restart.request(asked.answers.append, force=False)
    asked.found("", "no")
    asked.restart.request(asked.answers.append, force=False)


def test_scripts_are_waited_for_but_not_for_ever(
    virtual: VirtualLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart, "_SCRIPTS_LIMIT", SECOND // 5)
    asked = Asked(virtual)
    asked.group.is_settled = False
    asked.found(FIT)
    virtual.run(SECOND // 10)
    assert asked.answers == []
    virtual.run(SECOND // 5)
    assert "scripts of www are still running" in asked.refusal


def test_a_daemon_that_is_told_to_stop_stops(virtual: VirtualLoop) -> None:
    asked = Asked(virtual)
    asked.daemon.is_stopping = True
    asked.found(FIT)
    assert "is being stopped" in asked.refusal


def test_told_to_stop_at_the_last_moment_it_stops(loop: Loop) -> None:
    asked = Asked(loop)
    asked.daemon.is_stopping = True
    asked.restart._go()  # or it would fail without a claim


def test_a_signal_that_came_just_before_the_new_program_is_not_lost(loop: Loop) -> None:
    asked = Asked(loop)
    loop.on_signal(signal.SIGTERM, lambda: setattr(asked.daemon, "is_stopping", True))
    os.kill(os.getpid(), signal.SIGTERM)
    asked.restart._become()  # or it would fail without a claim
    assert asked.daemon.is_stopping
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & HELD_BACK


def test_a_mastership_that_ends_at_the_last_moment_has_its_scripts_seen_to(loop: Loop) -> None:
    asked = Asked(loop)
    asked.restart._wanted = json.loads(FIT)["groups"]
    asked.restart._began_at = loop.now()
    asked.group.virtual_host.slow_down = lambda _advskew: None
    asked.group.advertise_now = lambda: setattr(asked.group, "is_settled", False)
    asked.restart._become()  # or it would fail without a claim
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & HELD_BACK
    became = becoming(asked)
    turn(loop, SECOND // 10)
    assert became == []
    asked.group.is_settled = True
    turn(loop, SECOND // 5)
    assert became == [True]


def becoming(asked: Asked) -> list[bool]:
    """Let it become another program, but for that."""
    became: list[bool] = []
    asked.restart._become = lambda: became.append(True)  # type: ignore[method-assign]
    return became


def test_the_answer_is_taken_before_the_program_is_another(virtual: VirtualLoop) -> None:
    asked = Asked(virtual)
    became = becoming(asked)
    asked.restart.owes = lambda: bool(asked.answers)
    asked.found(FIT)
    virtual.run(SECOND // 5)
    assert asked.answers[0]["ok"]
    assert became == []
    asked.restart.owes = lambda: False
    virtual.run(SECOND // 5)
    assert became == [True]


def test_an_answer_that_is_not_taken_holds_nothing_up(
    virtual: VirtualLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart, "_ANSWER_LIMIT", SECOND // 10)
    asked = Asked(virtual)
    became = becoming(asked)
    asked.restart.owes = lambda: True
    asked.found(FIT)
    virtual.run(SECOND // 2)
    assert became == [True]


def test_a_script_that_begins_at_the_last_moment_is_waited_for(
    virtual: VirtualLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart, "_SCRIPTS_LIMIT", SECOND // 2)
    asked = Asked(virtual)
    became = becoming(asked)
    asked.restart._reply = lambda _answer: setattr(asked.group, "is_settled", False)
    asked.found(FIT)
    virtual.run(SECOND // 5)
    assert became == []
    asked.group.is_settled = True
    virtual.run(SECOND // 5)
    assert became == [True]
    asked.group.is_settled = False
    asked.restart._began_at = virtual.now() - SECOND
    asked.restart._go()
    assert became == [True]
    asked.restart.request(asked.answers.append, force=False)  # It has been given up.


def test_who_is_being_told_is_waited_for_a_moment(
    virtual: VirtualLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(virtual)
    became = becoming(asked)
    asked.daemon.notifying = SimpleNamespace(under_way=1)
    asked.found(FIT)
    virtual.run(SECOND // 5)
    assert became == []
    monkeypatch.setattr(restart, "_ANSWER_LIMIT", SECOND // 10)
    virtual.run(SECOND // 5)
    assert became == [True]


def test_what_notifiers_have_not_told_is_handed_over(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(loop)
    log = Log()
    events = Events(log)
    sent: list[Handover] = []

    def leave() -> dict[str, list[list[Any]]]:
        log.happened("notify", Level.NOTICE, "1 event is not told")
        return {"ops": [["www", "state", {"seq": 3}, 0]]}

    def send(handed: Handover) -> None:
        sent.append(handed)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Handover, "send", send)
    asked.daemon.notifying = SimpleNamespace(leave=leave)
    asked.daemon.punctuality, asked.daemon.children, asked.daemon.groups = None, (), []
    with tempfile.TemporaryDirectory(prefix="carpool-") as folder:
        claimed = claim([Path(folder)], "left")
        maintenance = cast(Maintenance, SimpleNamespace(saved=dict))
        daemon = cast(Daemon, asked.daemon)
        Restart(daemon, claimed, maintenance, loop, log, events=events)._become()
        claimed.release()
    (handed,) = sent
    assert handed.events["kept"][-1][1] == "1 event is not told"
    assert handed.notices == {"ops": [["www", "state", {"seq": 3}, 0]]}


# A reload.

RUNS: Described = {"group": {"www": {"advskew": "0"}}, "check": {}, "other": {}}
OTHER: Described = {"group": {"www": {"advskew": "9"}}, "check": {}, "other": {}}
CHANGE = {
    "what": "group",
    "name": "www",
    "change": "changed",
    "keys": {"advskew": ["0", "9"]},
}


def test_a_program_that_need_not_wait_for_the_processor_is_in_time_on_a_busy_machine(
    virtual: VirtualLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(virtual)
    became = becoming(asked)
    asked.daemon.realtime = True
    monkeypatch.setattr(realtime, "may_take_priority", lambda: True)
    busy = json.dumps({**json.loads(FIT), "processor_wait_seconds": 4.5})
    asked.found(busy, after=5 * SECOND)
    virtual.run(SECOND // 5)
    assert became == [True]


def test_where_it_would_have_to_wait_it_is_refused(virtual: VirtualLoop) -> None:
    asked = Asked(virtual)
    asked.found(json.dumps({**json.loads(FIT), "processor_wait_seconds": 4.5}), after=5 * SECOND)
    assert "needs about 5.0" in asked.refusal


@pytest.mark.parametrize(
    ("found", "dry_run", "applied"),
    [(RUNS, False, False), (OTHER, True, False), (OTHER, False, True)],
)
def test_a_reload_is_a_restart_if_anything_is_another(
    virtual: VirtualLoop, found: Described, *, dry_run: bool, applied: bool
) -> None:
    asked = Asked(virtual, runs=RUNS)
    asked.restart.reload(asked.answers.append, force=False, dry_run=dry_run)
    became: list[bool] = []
    asked.restart._become = lambda: became.append(True)  # type: ignore[method-assign]
    asked.found("a.toml:3: warning: so\n" + json.dumps({**json.loads(FIT), "described": found}))
    virtual.run(SECOND // 5)
    (answer,) = asked.answers
    assert answer["ok"]
    assert answer["warnings"] == ["a.toml:3: warning: so"]
    assert answer["changes"] == ([] if found is RUNS else [CHANGE])
    assert (answer["applied"], bool(became)) == (applied, applied)
    if not applied:
        asked.restart.reload(asked.answers.append, force=False, dry_run=True)


@pytest.mark.parametrize("described", [None, 5, {}, {"group": 5, "check": {}, "other": {}}])
def test_a_program_that_cannot_say_what_is_another_is_refused(
    virtual: VirtualLoop, described: object
) -> None:
    asked = Asked(virtual, runs=RUNS)
    asked.restart.reload(asked.answers.append, force=False, dry_run=False)
    more = {} if described is None else {"described": described}
    asked.found(json.dumps({**json.loads(FIT), **more}))
    virtual.run(SECOND // 50)
    assert "does not say what" in asked.refusal


# What is handed over.


def test_what_is_left_is_received_once_and_by_this_process_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with tempfile.TemporaryDirectory(prefix="carpool-") as folder:
        claimed = claim([Path(folder)], "left")
        memory = Memory(master=True, advertised_at=5, counter=1 << 63)
        group = GroupState("www", identity(settings()), (str(VIP),), memory, 1, "why", {"a": 3})
        sent = Handover(
            node="left",
            run_directory=folder,
            listener=claimed.listener.fileno(),
            lock=claimed.lock,
            restarts=2,
            maintenance={"whole": True, "groups": []},
            groups=(group,),
            children=(),
            events={"next": 4},
            notices={"ops": [["www", "state", {"seq": 3}, 0]]},
            lines=["3 <1>"],
        )
        sent.send()
        assert os.get_inheritable(claimed.lock)
        assert not (Path(folder) / "left.handover").exists()
        received = receive()
        assert received is not None
        assert received.groups[0].memory == memory
        assert (received.events, received.notices) == (sent.events, sent.notices)
        assert received.lines == sent.lines
        assert (received.node, received.restarts, received.maintenance) == (
            *("left", 2),
            {"whole": True, "groups": []},
        )
        assert received.addresses() == {ip_address("192.0.2.100")}
        assert received.state_of(settings()) is not None
        assert not os.get_inheritable(claimed.lock)
        assert receive() is None
        sent.send()
        monkeypatch.setattr(os, "getpid", lambda: 1)
        assert receive() is None
        monkeypatch.undo()
        monkeypatch.setattr(os, "environ", dict(os.environ))
        # From a program that is older, and to one that is.
        for version, received_by_us in ((OLDEST, True), (VERSION + 1, False)):
            replace(sent, version=version).send()
            assert (receive() is not None) is received_by_us
        claimed.release()


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_disk_is_needed_only_where_there_are_no_files_in_memory(
    monkeypatch: pytest.MonkeyPatch, *, in_memory: bool
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("this system has none")
    with tempfile.TemporaryDirectory(prefix="carpool-") as folder:
        claimed = claim([Path(folder)], "left")
        sent = Handover("left", folder, claimed.listener.fileno(), claimed.lock, 1, {}, ())
        sent.send()
        assert receive() is not None
        nowhere = replace(sent, run_directory="/nowhere")
        if in_memory:
            nowhere.send()
            assert receive() is not None
        else:
            with pytest.raises(FileNotFoundError):
                nowhere.send()
        claimed.release()


def test_rubbish_in_the_environment_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "x", "-1", "99999"):
        monkeypatch.setenv(handover._VARIABLE, value)
        assert receive() is None


def test_another_password_skew_or_script_is_the_same_group_another_address_is_not() -> None:
    same = settings(advskew=7, up=("/bin/true",))
    assert identity(same) == identity(settings())
    for other in (
        {"interface": "net1"},
        {"multicast": ip_address("224.0.0.19")},
        {"manage_addresses": False},
    ):
        assert identity(settings(**other)) != identity(settings())
