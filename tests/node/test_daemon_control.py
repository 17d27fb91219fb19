"""A daemon's control socket: what it says, what it does, and that nobody disturbs it."""

import json
import random
import signal
import socket
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.support import status as made_up
from tests.support.lan import VIP, carpool, run_carpool
from tests.support.pair import BOW_OUT, DOWN_TIME, INTERVAL, LEFT_SKEW, MARGIN, Pair
from tests.support.processes import memory_kib
from tests.support.waiting import PATIENCE

from carpool.carp.timing import interval
from carpool.node.follower import Follower
from carpool.node.rundir import socket_path

pytestmark = pytest.mark.namespaces

MISBEHAVING = 100
MISBEHAVING_SECONDS = 3.0
OFTEN = 26
"""advskew of a master that advertises every 0.1 s."""
SELDOM = 128
"""Every 0.5 s: what else a busy machine does makes it late by less than that."""
MOST_KIB = 4096
"""By which a daemon's memory may grow: all of its clients' buffers are less."""


def test_each_node_says_who_is_master_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pair(tmp_path) as lan:
        left, right = lan.run_both()
        lan.until_logged(right, "to state: BACKUP")
        lan.until(lambda: bool(lan.ask("right", "status")["groups"][0]["master"]))

        said = lan.ask("left", "status")
        assert (said["node"], said["pid"]) == ("left", left.pid)
        assert said.keys() == made_up.document().keys() | {"version", "ok"}
        (group,) = said["groups"]
        assert group.keys() == made_up.group("www", "MASTER").keys()
        assert group["state"] == "MASTER"
        assert group["addresses"] == [f"{VIP}/16"]
        assert group["why"].startswith("no master heard for ")
        assert 0 < group["state_seconds"] < 60
        assert (group["advbase"], group["advskew"]) == (0, LEFT_SKEW)
        assert group["master"] is None
        assert "10.0.0.9" in group["sources"]

        (group,) = lan.ask("right", "status")["groups"]
        assert (group["state"], group["why"]) == ("BACKUP", "started")
        assert group["master"].keys() == made_up.peer().keys()
        assert group["master"]["address"] == "10.0.0.9"
        assert group["master"]["advskew"] == LEFT_SKEW
        assert group["master"]["interval"] == INTERVAL / 1e9
        assert 0 <= group["master"]["heard_seconds"] < MARGIN

        done = lan.carpool("status", "--node", "left")
        assert done.returncode == 0, done.stderr
        assert "www    MASTER" in done.stdout
        done = lan.carpool("status", "--node", "right", "--json")
        assert done.returncode == 1, done.stderr
        assert json.loads(done.stdout)["daemons"][0]["groups"][0]["state"] == "BACKUP"
        done = lan.carpool("status")
        assert done.returncode == 5, done.stderr
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(lan.run_directory))
        done = run_carpool("completion", "--list", "groups")
        assert (done.stdout.split(), done.stderr) == (["www", "all"], "")

        right.send(signal.SIGKILL)
        right.process.wait()
        done = lan.carpool("status")
        assert done.returncode == 3
        assert "node right: not running" in done.stderr
        assert left.stop() == 0
        assert not socket_path(lan.run_directory, "left").exists()


def test_told_to_yield_it_yields_what_it_is_told(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        lan.run_both()
        done = lan.carpool("yield", "--node", "left", "wwww")
        assert done.returncode == 1
        assert "no group 'wwww' on this node; it has www" in done.stderr
        done = lan.carpool("yield", "www")
        assert done.returncode == 2
        assert "left, right; name one with --node" in done.stderr
        told = time.monotonic_ns()
        done = lan.carpool("yield", "--node", "left", "www")
        assert (done.returncode, done.stdout) == (0, "yielded www\n")
        lan.until_holders("right", seconds=MARGIN)
        assert BOW_OUT in [sent.strength for sent in lan.adverts_of(lan.left, since=told)]


def test_a_second_daemon_of_the_node_is_refused(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        again = lan.start(lan.left, carpool("run", str(lan.file()), "--node", "left"))
        assert again.process.wait(PATIENCE) == 2
        assert "on this host already" in again.text()
        lan.during(0.5, "left")
        left.send(signal.SIGKILL)
        left.process.wait()
        anew = lan.run(lan.left, lan.file())
        assert lan.ask("left", "status")["pid"] == anew.pid


STATUS = b'{"version": 1, "command": "status"}\n'
FOLLOW = b'{"version": 1, "command": "events", "follow": true}\n'


def nuisance(chance: random.Random) -> bytes:
    """Return something that breaks servers; whoever sends it never reads."""
    return (
        b"{" * chance.randrange(1, 100_000),
        b"[" * 30_000 + b"\n",
        chance.randbytes(5000) + b"\n",
        STATUS * 1000,
        FOLLOW,
        b"GET /metrics HTTP/1.1\r\n\r\n" * 100,
        b"GET /" + b"x" * chance.randrange(1, 100_000),  # never whole
        b"",
    )[chance.randrange(8)]


def misbehave(path: Path, chance: random.Random, held: list[socket.socket]) -> None:
    """Connect and do one of the things that break servers; some connections stay open."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.setblocking(False)
    with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
        client.connect(str(path))
        match chance.randrange(10):
            case 0:
                client.send(STATUS)
                client.close()
                return
            case 1:
                client.send(FOLLOW)
                client.shutdown(socket.SHUT_WR)
            case _:
                client.send(nuisance(chance))
    held.append(client)
    if len(held) > MISBEHAVING:
        held.pop(chance.randrange(len(held))).close()


def drip(held: list[socket.socket], chance: random.Random) -> None:
    """Let some of those that are connected write one byte more, or read one."""
    for client in chance.sample(held, min(len(held), MISBEHAVING // 4)):
        with suppress(OSError):
            client.send(b" ")
            client.recv(1)


@pytest.mark.parametrize("skew", [SELDOM, pytest.param(OFTEN, marks=pytest.mark.slow)])
def test_a_hundred_misbehaving_clients_delay_nothing(tmp_path: Path, skew: int) -> None:
    chance = random.Random(1)
    skews = {"left": skew, "right": skew + 16}
    with Pair(tmp_path) as lan:
        left, right = lan.run_both(advskew=skews)
        path = socket_path(lan.run_directory, "left")
        lan.ask("left", "status")
        memory = memory_kib(left.pid)
        held: list[socket.socket] = []
        answered = 0
        told: list[dict[str, Any]] = []
        since = time.monotonic_ns()
        # For so long, and until there are as many, which a busy machine may take longer for.
        while time.monotonic_ns() < since + MISBEHAVING_SECONDS * 1e9 or not told:
            for _ in range(10):
                misbehave(path, chance, held)
            drip(held, chance)
            lan.look(0.01)
            # Who behaves is served beside them.
            assert lan.ask("left", "status")["groups"][0]["state"] == "MASTER"
            lan.ask("left", "maintenance", on=False)  # something to tell those who follow
            answered += 1
            if len(held) >= MISBEHAVING and not told:
                told = list(Follower(path).read())
        adverts = lan.adverts_of(lan.left, since=since)
        assert len(held) >= MISBEHAVING
        assert answered >= 5
        assert [one["seq"] for one in told] == list(range(1, len(told) + 1))
        for client in held:
            client.close()
        assert lan.holders() == ["left"]
        interval_ns = interval(0, skew)
        gaps = [after.when - before.when for before, after in pairwise(adverts)]
        assert max(gaps) < 2 * interval_ns
        assert len(adverts) >= MISBEHAVING_SECONDS * 1e9 // interval_ns - 1
        assert memory_kib(left.pid) - memory < MOST_KIB
        assert "MASTER" not in right.text()


def test_maintenance_hands_over_and_survives_a_restart(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, right = lan.run_both(preempt=True)
        done = lan.carpool("maintenance", "on", "--node", "left")
        assert (done.returncode, done.stdout) == (0, "in maintenance: www\n"), done.stderr
        lan.until_holders("right", seconds=MARGIN)
        assert left.stop() == 0
        left = lan.run(lan.left, lan.file(preempt=True))
        lan.until_logged(left, "must not be master: maintenance")
        assert right.stop() == 0
        lan.during(2 * DOWN_TIME)
        assert lan.ask("left", "status")["groups"][0]["demotions"] == {"maintenance": 255}
        done = lan.carpool("maintenance", "off", "www")
        assert done.returncode == 1
        assert "the whole node is in maintenance" in done.stderr
        done = lan.carpool("maintenance", "off")
        assert (done.returncode, done.stdout) == (0, "in maintenance: nothing\n"), done.stderr
        lan.until_holders("left", seconds=DOWN_TIME + MARGIN)


def test_demoted_it_is_master_only_while_there_is_no_better_node(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        _, right = lan.run_both()
        done = lan.carpool("demote", "--node", "left", "www", "--by", "3")
        assert (done.returncode, done.stdout) == (
            0,
            "www: demoted by 3 (told so by carpool demote)\n",
        )
        lan.until_holders("right", seconds=MARGIN)
        assert right.stop() == 0
        lan.until_holders("left", seconds=2 + MARGIN)
        done = lan.carpool("promote", "all")
        assert (done.returncode, done.stdout) == (0, "www: not demoted\n")
