"""What systemd is told: sd_notify(3), by a stand-in for its socket."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.lan import carpool
from tests.support.pair import Pair
from tests.support.waiting import turn, turn_until

from carpool.carp.election import State
from carpool.node.daemon import Daemon
from carpool.node.events import Events
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.service_manager import ServiceManager, find

MS = 1_000_000


class Systemd:
    """Its notification socket, by path or, if the address begins with @, by an abstract name."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[tuple[int, dict[str, str]]] = []
        self.told_by: list[ServiceManager] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()
        for manager in self.told_by:
            manager.close()

    def read(self) -> list[dict[str, str]]:
        """Return all that has been told so far."""
        with suppress(BlockingIOError):
            while True:
                lines = self._socket.recv(4096).decode().split("\n")
                told = dict(line.split("=", 1) for line in lines)
                self.heard.append((time.monotonic_ns(), told))
        return [told for _, told in self.heard]

    def last(self, key: str) -> str | None:
        return next((told[key] for told in reversed(self.read()) if key in told), None)

    def fed(self, since: int = 0) -> int:
        self.read()
        return sum("WATCHDOG" in told for when, told in self.heard if when > since)


class Served:
    """A manager that tells of a daemon that is master of some of its groups."""

    def __init__(self, loop: Loop, systemd: Systemd, groups: int, **more: str) -> None:
        found = find(loop, {"NOTIFY_SOCKET": systemd.address, **more})
        assert isinstance(found, ServiceManager)
        self.loop, self.systemd = loop, systemd
        self.groups = [
            SimpleNamespace(
                settings=SimpleNamespace(name=f"g{number}"),
                virtual_host=SimpleNamespace(state=State.BACKUP),
            )
            for number in range(groups)
        ]
        self.on_stop: list[Callable[[], None]] = []
        self.log = Log()
        systemd.told_by.append(found)
        found.tell_of(cast(Daemon, self), Events(self.log))

    def until(self, condition: Callable[[], Any]) -> None:
        turn_until(self.loop, condition, self.systemd.read)

    def happened(self, kind: str, **details: str) -> None:
        self.log.happened(kind, Level.NOTICE, "x", details=details)


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    abstract = request.param == "abstract"
    made = Systemd(f"@carpool-test-{os.getpid()}" if abstract else str(tmp_path / "notify"))
    yield made
    made.close()


def fill(systemd: Systemd) -> None:
    """Leave no room in its queue."""
    address = f"\0{systemd.address[1:]}" if systemd.address[0] == "@" else systemd.address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, suppress(BlockingIOError):
        while True:
            other.sendto(b"STATUS=other", socket.MSG_DONTWAIT, address)


def test_that_it_is_ready_waits_for_room(loop: Loop, systemd: Systemd) -> None:
    fill(systemd)
    served = Served(loop, systemd, 1)
    tried = loop.now() + 50 * MS
    served.until(lambda: loop.now() > tried)  # In vain: nothing has been read.
    served.until(lambda: systemd.last("READY"))


def test_it_is_told_what_happens(loop: Loop, systemd: Systemd) -> None:
    served = Served(loop, systemd, 2)
    assert systemd.read() == []  # Not before the loop runs.
    served.until(lambda: systemd.last("READY"))
    assert systemd.read() == [{"READY": "1", "STATUS": "g0 BACKUP, g1 BACKUP"}]
    served.groups[1].virtual_host.state = State.MASTER
    served.happened("state")
    served.happened("state")
    served.until(lambda: systemd.last("STATUS") == "g0 BACKUP, g1 MASTER")
    served.happened("daemon", phase="replacing")
    reloading = systemd.read()[-1]
    assert reloading["RELOADING"] == "1"
    assert 0 <= time.monotonic_ns() // 1000 - int(reloading["MONOTONIC_USEC"]) < 5_000_000
    served.happened("daemon", phase="failed")
    assert systemd.read()[-1]["READY"] == "1"
    (stop,) = served.on_stop
    stop()
    assert systemd.read()[-1] == {"STOPPING": "1", "STATUS": "stopping"}
    assert systemd.fed() == 0  # It has not asked for that.
    assert not any("MAINPID" in told for told in systemd.read())


def test_many_groups_are_counted(loop: Loop, systemd: Systemd) -> None:
    served = Served(loop, systemd, 9)
    served.groups[1].virtual_host.state = State.MASTER
    served.until(lambda: systemd.last("STATUS") == "master of 1 of 9 groups")


def test_the_watchdog_is_fed_twice_in_its_time_by_a_loop_that_turns(
    loop: Loop, systemd: Systemd
) -> None:
    began = time.monotonic_ns()
    served = Served(loop, systemd, 1, WATCHDOG_USEC="40000", WATCHDOG_PID=str(os.getpid()))
    served.until(lambda: systemd.fed() >= 5)
    # By when this process has read of it, which may be late.
    fifth = [when for when, told in systemd.heard if "WATCHDOG" in told][4]
    assert fifth - began >= 4 * 20 * MS
    stuck = time.monotonic_ns()
    time.sleep(0.1)  # The loop does not turn.
    assert systemd.fed(since=stuck) == 0


def test_the_watchdog_is_fed_as_soon_as_there_is_room(loop: Loop, systemd: Systemd) -> None:
    served = Served(loop, systemd, 1, WATCHDOG_USEC="60000000", WATCHDOG_PID=str(os.getpid()))
    served.until(lambda: systemd.last("READY"))
    fill(systemd)
    full = time.monotonic_ns()
    (manager,) = systemd.told_by
    manager._feed_watchdog()
    assert systemd.fed(since=full) == 0
    served.until(lambda: systemd.fed(since=full))


@pytest.mark.parametrize(
    "more",
    [{"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}, {}],
)
def test_no_watchdog_or_somebody_elses(loop: Loop, systemd: Systemd, more: dict[str, str]) -> None:
    served = Served(loop, systemd, 1, **more)
    turn(served.loop, 100 * MS)
    assert systemd.fed() == 0


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_nobody_wants_to_know(loop: Loop, environment: dict[str, str]) -> None:
    assert find(loop, environment) is None


def test_one_that_does_not_listen_holds_up_nobody(loop: Loop, systemd: Systemd) -> None:
    served = Served(loop, systemd, 1, WATCHDOG_USEC="1")
    turn(served.loop, 200 * MS)  # Its queue is full for long.
    systemd._socket.close()
    turn(served.loop, 20 * MS)


@pytest.mark.namespaces
def test_a_daemon_is_ready_lives_restarts_and_stops(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        systemd = Systemd(str(lan.run_directory / "notify"))
        own = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
        environment = {**own, "NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "400000"}
        command = carpool("run", str(lan.file(nodes=["left"], advskew=48)), "--node", "left")
        left = lan.start(lan.left, command, environment)
        lan.until(lambda: systemd.last("READY") == "1")
        lan.until(lambda: systemd.last("STATUS") == "www MASTER")
        lan.until(lambda: systemd.fed() >= 2)

        left.send(signal.SIGSTOP)
        stat = Path(f"/proc/{left.pid}/stat")
        lan.until(lambda: " T " in stat.read_text())
        systemd.read()  # What it told before counts as heard before.
        frozen = time.monotonic_ns()
        lan.until(lambda: time.monotonic_ns() > frozen + 600 * MS)
        assert systemd.fed(since=frozen) == 0
        left.send(signal.SIGCONT)
        lan.until(lambda: systemd.fed(since=frozen) >= 1)

        before = len(systemd.read())
        with ThreadPoolExecutor(1) as pool:
            restart = pool.submit(lan.carpool, "restart", "--force")
            # Reading: there is room for ten datagrams.
            lan.until(lambda: systemd.last("") is None and restart.done(), seconds=30)
        done = restart.result()
        assert done.returncode == 0, done.stderr
        lan.until(lambda: any("READY" in told for told in systemd.read()[before:]))
        new = systemd.read()[before:]
        assert [
            key for told in new for key in told if key in ("RELOADING", "READY", "MAINPID")
        ] == [*("RELOADING", "READY")]
        again = time.monotonic_ns()
        lan.until(lambda: systemd.fed(since=again) >= 2)
        assert left.stop() == 0
        assert systemd.last("STOPPING") == "1"
        systemd.close()
