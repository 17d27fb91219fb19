"""Where news comes from: real daemons over their sockets, and what a zone answers over SSH."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.pair import Pair

from carpool.deploy.errors import DeployError, SilentError
from carpool.deploy.ssh import Output
from carpool.node.rundir import socket_path
from carpool.web.sources import (
    RefusalError,
    SocketSource,
    SourceError,
    lab_directories,
    local_sockets,
)
from carpool.web.zones import Hypervisor, ZoneSource


@pytest.mark.namespaces
def test_a_daemon_of_this_host_is_asked_followed_and_told(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        found = local_sockets([lan.run_directory])
        assert list(found) == ["left", "right"]
        source = SocketSource("left", found["left"])
        assert source.ask()["groups"][0]["state"] == "MASTER"

        events = source.follow()
        before = [event["text"] for event in iter(lambda: next(events), None)]
        assert any("to state: MASTER" in text for text in before)
        with pytest.raises(RefusalError, match="no group 'wwww'"):
            source.act("yield", {"groups": ["wwww"]})
        source.act("yield", {"groups": ["www"], "by": "carpool web, 192.0.2.7"})
        asked = next(event for event in events if event and event["kind"] == "control")
        assert asked["text"] == "control: yield www: asked for by carpool web, 192.0.2.7"
        assert asked["group"] == "www"
        changed = next(event for event in events if event and event["kind"] == "state")
        assert (changed["details"]["from"], changed["details"]["to"]) == ("MASTER", "BACKUP")
        for by in ("x" * 101, "two\nlines", 3):
            with pytest.raises(RefusalError, match="by is a text"):
                source.act("yield", {"groups": ["www"], "by": by})

        source.close()
        with pytest.raises(SourceError):
            list(events)
        again = source.follow()
        left.send(signal.SIGKILL)
        left.process.wait()
        with pytest.raises(SourceError):
            list(again)
        with pytest.raises(SourceError, match="no daemon runs there") as caught:
            source.ask()
        assert caught.value.gone
        assert socket_path(lan.run_directory, "left").exists()


def test_a_directory_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    assert local_sockets([tmp_path / "nowhere"]) == {}
    if os.geteuid():
        with pytest.raises(SourceError, match="run it as root"):
            local_sockets([closed])


def test_labs_are_found_by_their_mounts(tmp_path: Path) -> None:
    for name, mounts, sockets in (
        ("self", "mnt:[1]", False),
        ("1", "mnt:[1]", True),
        ("20", "mnt:[2]", True),
        ("21", "mnt:[2]", True),
        ("100", "mnt:[2]", True),
        ("30", "mnt:[3]", False),
    ):
        process = tmp_path / name
        (process / "ns").mkdir(parents=True)
        (process / "ns" / "mnt").symlink_to(mounts)
        if sockets:
            for node in ("web1", "web2"):
                directory = process / "root" / "dev" / "shm" / "run" / node
                directory.mkdir(parents=True)
                (directory / f"{node}.sock").touch()
    lab = tmp_path / "20" / "root" / "dev" / "shm" / "run"
    assert lab_directories(tmp_path) == [lab / "web1", lab / "web2"]


class FakeTalk:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self.closed = False

    def lines(self) -> Iterator[str]:
        yield from self._lines
        raise DeployError("gz1", "run", "the connection is cut", "see")

    def close(self) -> None:
        self.closed = True


class FakeRemote:
    """A global zone that answers each command with what the test has for it."""

    def __init__(self, answers: dict[str, Output | Exception], lines: list[str]) -> None:
        self._answers = answers
        self.scripts: list[str] = []
        self.talk = FakeTalk(lines)
        self.closed = False

    def run(self, script: str, data: bytes = b"", *, patience: float = 0) -> Output:
        self.scripts.append(script)
        answer = next(one for word, one in self._answers.items() if f" {word} " in f"{script} ")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def start(self, script: str) -> FakeTalk:
        self.scripts.append(script)
        return self.talk

    def close(self) -> None:
        self.closed = True


def zone(
    answers: dict[str, Output | Exception],
    lines: list[str] = [],  # noqa: B006 - not changed
) -> tuple[ZoneSource, FakeRemote]:
    remote = FakeRemote(answers, lines)
    node: Any = SimpleNamespace(name="web1", uuid="1234-5678", zone=None)
    return ZoneSource(node, Hypervisor("gz1", lambda _name: remote)), remote


def event(seq: int) -> str:
    return json.dumps({"seq": seq, "epoch": "e1", "text": f"event {seq}"})


SILENT = SilentError("gz1", "run", "no answer for 10 s", "see whether the host is up")
CUT = DeployError("gz1", "run", "the connection is cut", "see whether the host is up")


def test_a_zone_is_asked_by_the_carpool_in_it() -> None:
    document = {"daemons": [{"node": "web1", "groups": []}], "problems": []}
    source, remote = zone({"status": Output(1, json.dumps(document), "")})
    assert source.ask() == document["daemons"][0]
    (script,) = remote.scripts
    assert script.endswith(
        "exec zlogin 1234-5678 '/usr/bin/python3 -IS /opt/carpool/carpool.pyz status --node web1 "
        "--json' </dev/null"
    )


@pytest.mark.parametrize(
    ("answer", "gone", "text"),
    [
        (Output(3, '{"daemons": []}', "carpool status: no daemon has a socket"), True, "no daemon"),
        (Output(4, "", "carpool status: is it frozen?"), False, "is it frozen"),
        (Output(0, "rubbish", ""), False, "rubbish"),
        (Output(1, "", "zlogin: zone '1234-5678' unknown"), False, "unknown"),
        (CUT, False, "the connection is cut"),
    ],
)
def test_a_zone_that_cannot_be_asked(answer: Output | Exception, gone: bool, text: str) -> None:
    source, remote = zone({"status": answer})
    with pytest.raises(SourceError, match=text) as caught:
        source.ask()
    assert caught.value.gone == gone
    assert remote.closed == isinstance(answer, Exception)


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("yield", {}, "yield --node web1 www"),
        ("demote", {"amount": 100}, "demote --node web1 --by 100 www"),
        ("promote", {}, "promote --node web1 www"),
        ("maintenance", {"on": True}, "maintenance --node web1 on www"),
        ("maintenance", {"on": False}, "maintenance --node web1 off www"),
    ],
)
def test_a_zone_is_told(command: str, arguments: dict[str, object], words: str) -> None:
    source, remote = zone({command: Output(0, "", "")})
    source.act(command, {"groups": ["www"], "by": "carpool web, 192.0.2.7", **arguments})
    assert f"carpool.pyz {words}' </dev/null" in remote.scripts[0]


@pytest.mark.parametrize(
    ("answer", "cut"), [(Output(0, "", ""), False), (CUT, True), (SILENT, True)]
)
def test_a_zone_that_hangs_does_not_cut_off_the_others(
    answer: Output | Exception, cut: bool
) -> None:
    source, remote = zone({"status": SILENT, "0": answer})
    with pytest.raises(SourceError, match="no answer for 10 s"):
        source.ask()
    assert remote.closed == cut


def test_a_zone_that_refuses() -> None:
    source, _ = zone({"yield": Output(1, "", "carpool yield: not now")})
    with pytest.raises(RefusalError, match="not now"):
        source.act("yield", {"groups": ["www"]})


def test_a_zone_is_followed_from_what_it_has_kept_on() -> None:
    kept = Output(0, f"{event(1)}\n{event(2)}\n", "")
    source, remote = zone({"events": kept}, ["rubbish", "{}", event(3)])
    told: list[Any] = []
    with pytest.raises(SourceError, match="the connection is cut"):
        told.extend(one and one["text"] for one in source.follow())
    assert told == ["event 1", "event 2", None, "event 3"]
    assert "events --node web1 --json'" in remote.scripts[0]
    assert "events --node web1 --follow --json --since e1/2 &\n" in remote.scripts[1]
    assert "</dev/null" not in remote.scripts[1]
    assert remote.talk.closed
    assert remote.closed
    with pytest.raises(SourceError):
        list(source.follow())
    assert remote.scripts[2].endswith("events --node web1 --json --since e1/3' </dev/null")


def test_one_connection_brings_the_events_of_a_few_zones() -> None:
    one, remote = zone({"events": Output(0, "", "")}, [])
    node: Any = SimpleNamespace(name="web2", uuid="9", zone=None)
    zones = [ZoneSource(node, one._hypervisor) for _ in range(5)]
    following = [source.follow() for source in zones]
    assert [next(events) for events in following[:4]] == [None] * 4
    with pytest.raises(SourceError, match="enough zones"):
        next(following[4])
    with pytest.raises(SourceError, match="cut"):
        next(following[0])
    assert next(zones[4].follow()) is None
    assert remote.closed
