"""Services of a group: in order, in time, and again if they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest
from tests.support.waiting import turn_until

from carpool.carp.settings import Settings
from carpool.node import services as module
from carpool.node.events import Events, Kept
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.services import REASON, Services, command
from carpool.node.settings import GroupSettings

MS = 1_000_000
SECOND = 1000 * MS


class Rig:
    """Groups whose services are scripts that write down what they were told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = Loop()
        self.log = Log()
        self.events: list[Kept] = []
        Events(self.log).subscribe(self.events.append)
        self.demotions: dict[str, int] = {}
        self.stopped: list[str] = []

    def script(self, name: str, text: str = "") -> str:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\necho {name} $1 $CARPOOL_GROUP >>{self.folder}/done\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def group(self, *services: str, name: str = "www", **keys: Any) -> Services:
        address = ip_interface("192.0.2.1/24")
        carp = Settings(vhid=1, addresses=(address.ip,), password=b"x")
        settings = GroupSettings(name, carp, "net0", (address,), services=services, **keys)
        return Services(
            settings,
            f"{name}: ",
            loop=self.loop,
            log=self.log,
            settled=lambda: None,
            demote=self.demotions.__setitem__,
        )

    def until(self, condition: Callable[[], bool]) -> None:
        turn_until(self.loop, condition, self.done)

    def done(self) -> list[str]:
        path = self.folder / "done"
        return path.read_text().splitlines() if path.exists() else []

    def told(self) -> list[str]:
        return [event.text for event in self.events if event.kind == "service"]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    module._services.clear()
    made = Rig(tmp_path)
    yield made
    made.loop.close()
    module._services.clear()


def test_they_start_in_order_and_stop_in_reverse(rig: Rig) -> None:
    group = rig.group(rig.script("db", "sleep 0.1"), rig.script("web"), name="shop")
    group.start()
    assert not group.idle
    assert rig.done() == [], "nothing is run within the takeover itself"
    rig.until(lambda: bool(rig.told()))
    assert rig.done() == ["db start shop", "web start shop"]
    assert rig.told()[0].startswith("shop: services: started: ")
    ended: list[bool] = []
    group.stop(lambda: ended.append(True))
    rig.until(lambda: bool(ended))
    assert rig.done()[2:] == ["web stop shop", "db stop shop"]
    assert group.idle


def test_a_change_of_mind_waits_for_the_step_and_turns_back_there(rig: Rig) -> None:
    gate = rig.folder / "gate"
    waits = f"while ! test -e {gate}; do sleep 0.01; done"
    first = rig.script("one", f'if [ "$1" = start ]; then {waits}; fi')
    group = rig.group(first, rig.script("two"))
    group.start()
    rig.until(lambda: rig.done() == ["one start www"])
    ended: list[bool] = []
    group.stop(lambda: ended.append(True))
    gate.touch()
    rig.until(lambda: bool(ended))
    # Nobody knows whether two runs: it is stopped to make sure.
    assert rig.done() == ["one start www", "two stop www", "one stop www"]
    assert not [text for text in rig.told() if "started" in text]


def test_what_does_not_start_is_tried_again_and_demotes_until_it_does(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE", 20 * MS)
    flag = rig.folder / "mended"
    db = rig.script("db", f'[ "$1" = stop ] || [ -e {flag} ] || exit 3')
    group = rig.group(db, rig.script("web"), service_demote=20)
    group.start()
    rig.until(lambda: len(rig.told()) >= 2)
    assert rig.told()[0].startswith(
        f"www: services: {db} does not start: exit code 3; trying again"
    )
    assert rig.demotions == {REASON: 20}
    assert group.problem == f"{db} does not start: exit code 3"
    assert "web start www" not in rig.done(), "what comes after it waits for it"
    flag.touch()
    rig.until(lambda: group.problem is None)
    assert rig.demotions == {REASON: 0}
    assert rig.done()[-2:] == ["db start www", "web start www"]
    levels = {event.level for event in rig.events if event.kind == "service"}
    assert levels == {Level.ERROR, Level.NOTICE}


def test_a_backup_is_forgiven_after_a_while(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORGIVEN_AFTER", 50 * MS)
    group = rig.group(rig.script("db", '[ "$1" = stop ]'), service_demote=20)
    group.start()
    rig.until(lambda: rig.demotions == {REASON: 20})
    group.stop(lambda: None)
    rig.until(lambda: rig.demotions == {REASON: 0})


def test_a_demotion_of_an_earlier_mastership_is_forgiven_too(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FORGIVEN_AFTER", 50 * MS)
    group = rig.group(rig.script("db", "sleep 0.2; exit 1"), service_demote=20)
    group.start()
    rig.until(lambda: rig.demotions == {REASON: 20})
    group.stop(lambda: None)
    group.start()
    group.stop(lambda: None)  # before anything has failed again
    rig.until(lambda: rig.demotions == {REASON: 0})


def test_the_failure_is_told_after_the_demotion(rig: Rig) -> None:
    known: list[dict[str, int]] = []
    rig.group(rig.script("db", "exit 1"), service_demote=20).start()
    Events(rig.log).subscribe(lambda event: known.append(dict(rig.demotions)))
    rig.until(lambda: bool(rig.demotions))
    assert known[-1] == {REASON: 20}


def test_as_many_pipes_may_linger_as_there_are_services(rig: Rig) -> None:
    services = [rig.script(f"s{number}", "sleep 60 &") for number in range(6)]
    group = rig.group(*services)
    group.start()
    rig.until(lambda: bool(rig.told()))
    assert len(group.open_outputs) == 6
    group._hooks.close()


def test_a_service_that_hangs_is_given_up(rig: Rig) -> None:
    group = rig.group(rig.script("db", "exec sleep 60"), service_timeout=100 * MS)
    group.start()
    rig.until(lambda: any("timed out" in text for text in rig.told()))


def test_a_service_of_two_groups_runs_as_long_as_one_is_master(rig: Rig) -> None:
    web = rig.script("web")
    one, two = rig.group(web, name="one"), rig.group(web, name="two")
    for group in (one, two):
        group.start()
    rig.until(lambda: len(rig.told()) == 2)
    ended: list[str] = []
    one.stop(lambda: ended.append("one"))
    rig.until(lambda: ended == ["one"])
    assert not [line for line in rig.done() if " stop " in line]
    two.stop(lambda: ended.append("two"))
    rig.until(lambda: ended == ["one", "two"])
    assert rig.done()[-1] == "web stop two"


def test_a_service_of_two_groups_is_told_one_thing_at_a_time(rig: Rig) -> None:
    web = rig.script(
        "web", f'if [ "$1" = stop ]; then sleep 0.3; fi; echo end $1 >>{rig.folder}/done'
    )
    one, two = rig.group(web, name="one"), rig.group(web, name="two")
    two.start()
    rig.until(lambda: len(rig.told()) == 1)
    ended: list[bool] = []
    two.stop(lambda: ended.append(True))
    rig.until(lambda: "web stop two" in rig.done())
    one.start()
    rig.until(lambda: len(rig.told()) == 2)
    assert ended == [True]
    assert rig.done()[2:] == ["web stop two", "end stop", "web start one", "end start"]
    assert one.idle
    assert two.idle


def test_a_stop_that_systemd_cuts_short_is_run_once_more(rig: Rig) -> None:
    flag = rig.folder / "again"
    cut = f'if [ "$1" = stop ] && [ ! -e {flag} ]; then touch {flag}; kill $$; fi'
    group = rig.group(rig.script("web", cut))
    group.start()
    rig.until(lambda: bool(rig.told()))
    ended: list[bool] = []
    group.stop(lambda: ended.append(True))
    rig.until(lambda: bool(ended))
    assert rig.done()[1:] == ["web stop www", "web stop www"]
    assert len(rig.told()) == 1


def test_a_failed_stop_is_told_and_the_others_are_stopped(rig: Rig) -> None:
    group = rig.group(rig.script("one"), rig.script("two", '[ "$1" = start ]'))
    group.start()
    rig.until(lambda: bool(rig.told()))
    ended: list[bool] = []
    group.stop(lambda: ended.append(True))
    rig.until(lambda: bool(ended))
    assert rig.done()[2:] == ["two stop www", "one stop www"]
    assert rig.told()[1].endswith("two does not stop: exit code 1")
    assert group.problem is not None
    assert group.problem.endswith("two does not stop: exit code 1")
    group.start()
    assert group.problem is None


def test_after_a_restart_of_the_program_scripts_are_left_alone(rig: Rig) -> None:
    web = rig.script("web")
    before = rig.group(web)
    before.start()
    rig.until(lambda: bool(rig.told()))
    started = before.started
    assert started == (web,)
    restarted(rig)
    group = rig.group(web)
    group.take_over(started)
    assert list(group.started) == [web]
    group.start()
    rig.until(lambda: len(rig.told()) == 2)
    assert rig.done() == ["web start www"]
    group.stop(lambda: None)
    assert list(group.started) == []
    rig.until(lambda: rig.done() == ["web start www", "web stop www"])


def test_after_a_reload_what_is_new_is_started_and_what_is_gone_is_stopped(rig: Rig) -> None:
    old, both, new = (rig.script(name) for name in ("old", "both", "new"))
    before = rig.group(old, both)
    before.start()
    rig.until(lambda: bool(rig.told()))
    started = before.started
    restarted(rig)
    group = rig.group(new, both)
    group.take_over(started)
    group.start()
    rig.until(lambda: len(rig.told()) == 2)
    assert rig.done()[2:] == ["old stop www", "new start www"]
    assert set(group.started) == {new, both}


def test_after_a_reload_what_another_group_has_is_not_stopped(rig: Rig) -> None:
    web = rig.script("web")
    one, two = rig.group(name="one"), rig.group(web, name="two")
    one.take_over([web])
    two.take_over([web])
    one.start()
    two.start()
    rig.until(lambda: one.idle and two.idle)
    assert rig.done() == []


def test_after_a_restart_what_had_not_started_is_tried_again(rig: Rig) -> None:
    flag = rig.folder / "mended"
    db, web = rig.script("db"), rig.script("web", f"[ -e {flag} ]")
    before = rig.group(db, web)
    before.start()
    rig.until(lambda: bool(rig.told()))
    assert before.idle
    assert before.started == (db,)
    started = before.started
    restarted(rig)
    flag.touch()
    group = rig.group(db, web)
    group.take_over(started)
    group.start()
    rig.until(lambda: set(group.started) == {db, web})
    assert rig.done() == ["db start www", "web start www", "web start www"]


def restarted(rig: Rig) -> None:
    """Forget what the groups know together, as another program does."""
    module._services.clear()
    rig.demotions.clear()


@pytest.mark.parametrize(
    ("system", "start", "stop"),
    [
        (
            "systemd",
            "/usr/bin/systemctl --no-ask-password start -- apache2",
            "/usr/bin/systemctl --no-ask-password stop -- apache2",
        ),
        (
            "smf",
            "/usr/sbin/svcadm enable -s -t apache2",
            "/usr/sbin/svcadm disable -s -t apache2",
        ),
    ],
)
def test_the_commands_of_service_managers(
    monkeypatch: pytest.MonkeyPatch, system: str, start: str, stop: str
) -> None:
    there = {"/usr/bin/systemctl"} if system == "systemd" else {"/usr/sbin/svcadm"}
    monkeypatch.setattr("os.path.isdir", lambda _: system == "systemd")
    monkeypatch.setattr("os.path.exists", there.__contains__)
    assert " ".join(command("apache2", start=True)) == start
    assert " ".join(command("apache2", start=False)) == stop
    assert command("/etc/init.d/app", start=True) == ("/etc/init.d/app", "start")


def test_a_system_without_a_service_manager(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.isdir", lambda _: False)
    monkeypatch.setattr(module, "_SVCADM", "/nowhere/svcadm")
    group = rig.group("apache2")
    group.start()
    rig.until(lambda: bool(rig.told()))
    assert "apache2 does not start: this system has neither systemd nor SMF" in rig.told()[0]
