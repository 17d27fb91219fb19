"""The guard, a real process, in front of a host that writes down what it is asked to take off."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
from typing import cast

import pytest
from tests.support.waiting import until

from carpool.carp.auth import Address
from carpool.node import guard
from carpool.node.guard import Guard, Lease
from carpool.node.host import AnyInterface, Host, HostError, Interface
from carpool.node.log import Log, StreamSink
from carpool.node.loop import Loop

MS = 1_000_000
ONE, TWO = ip_interface("192.0.2.1/24"), ip_interface("2001:db8::1/64")


@dataclass
class FakeHost:
    """Has every address, and fails as long as a file is there."""

    taken_off: Path
    fails: Path
    tried: Path
    """Has a byte for each failure."""
    renewed: Path
    during_renewal: Callable[[], None] = lambda: None

    def for_child(self, _loop: Loop) -> "FakeHost":
        return self

    def sweep(self, addresses: Iterable[Address]) -> list[AnyInterface]:
        if self.fails.exists():
            with self.tried.open("a") as file:
                file.write("x")
            raise HostError("cannot remove it")
        wanted = set(addresses)
        found = [one for one in (ONE, TWO) if one.ip in wanted]
        with self.taken_off.open("a") as file:
            file.writelines(f"{one.ip}\n" for one in found)
        return found

    def renewal(
        self, interface: Interface, addresses: Iterable[AnyInterface], lifetime: int
    ) -> Callable[[], None]:
        def renew() -> None:
            with self.renewed.open("a") as file:
                file.writelines(f"{one.ip} {interface.index} {lifetime}\n" for one in addresses)
            self.during_renewal()

        return renew


class Bench:
    """A guard of two groups, each with an address."""

    def __init__(self, folder: Path, output: pytest.CaptureFixture[str]) -> None:
        self.loop = Loop()
        self.host = FakeHost(
            *(folder / "taken_off", folder / "fails", folder / "tried", folder / "renewed")
        )
        self.host.taken_off.touch()
        self.host.tried.touch()
        self._output = output
        self._said = ""
        holdings = [("a: ", [ONE]), ("b: ", [TWO])]
        self.host.renewed.touch()
        log = Log(StreamSink(2))
        self.guard = Guard(holdings, cast("Host", self.host), self.loop, log, lambda: None)
        self.a, self.b = self.guard.lease(0), self.guard.lease(1)

    def start(self) -> int:
        self.guard.start()
        assert self.guard.pid is not None
        return self.guard.pid

    def close(self) -> None:
        pid = self.guard.pid
        self.guard.dismiss(keep_addresses=True)
        self.loop.close()
        if pid is not None:
            os.waitpid(pid, 0)

    def renew(self, lease: Lease, deadline: int) -> None:
        lease.renew(deadline)
        self.loop.end_round()

    def taken_off(self) -> list[str]:
        return self.host.taken_off.read_text().split()

    def says(self, text: str) -> bool:
        self._said += self._output.readouterr().err
        return text in self._said


@pytest.fixture
def bench(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Bench]:
    made = Bench(tmp_path, capfd)
    yield made
    made.close()


def soon(milliseconds: int) -> int:
    return time.monotonic_ns() + milliseconds * MS


def test_there_is_one_however_often_it_is_started(bench: Bench) -> None:
    # As when one has ended just before a change of program that fails.
    pid = bench.start()
    assert bench.start() == pid


def test_it_takes_off_what_has_run_out_and_that_only(bench: Bench) -> None:
    bench.start()
    bench.renew(bench.a, soon(50))
    bench.renew(bench.b, soon(60_000))
    until(lambda: bench.taken_off() == ["192.0.2.1"])
    until(lambda: bench.says("a: guard: the daemon does not advertise: 192.0.2.1/24 taken off"))
    bench.renew(bench.a, soon(20))
    until(lambda: bench.taken_off() == ["192.0.2.1", "192.0.2.1"])


def test_a_term_that_is_renewed_does_not_end(bench: Bench) -> None:
    bench.start()
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        bench.renew(bench.a, soon(5_000))
        time.sleep(0.01)
    bench.a.end()
    bench.renew(bench.b, soon(0))
    until(lambda: bool(bench.taken_off()))
    assert bench.taken_off() == ["2001:db8::1"]


def test_what_was_held_before_it_began_is_guarded(bench: Bench) -> None:
    bench.renew(bench.a, soon(0))
    bench.start()
    until(lambda: bench.taken_off() == ["192.0.2.1"])


def test_what_does_not_go_is_tried_again(bench: Bench) -> None:
    bench.host.fails.touch()
    bench.start()
    bench.renew(bench.a, soon(0))
    until(lambda: bench.says("guard: cannot remove it; two nodes may hold it now"))
    bench.host.fails.unlink()
    until(lambda: bench.taken_off() == ["192.0.2.1"])


def dismissed(bench: Bench, pid: int, *, keep_addresses: bool = False) -> None:
    """Let the guard end, as if the daemon had, and wait for that."""
    bench.guard.dismiss(keep_addresses=keep_addresses)
    assert os.waitpid(pid, 0) == (pid, 0)


def test_alone_it_waits_for_the_end_of_the_term(bench: Bench) -> None:
    # Before it begins, and so long: it is to know that it is alone before the term ends.
    deadline = soon(1_500)
    bench.renew(bench.a, deadline)
    pid = bench.start()
    dismissed(bench, pid)
    assert time.monotonic_ns() >= deadline
    assert bench.taken_off() == ["192.0.2.1"]
    assert bench.says("the daemon has ended without a farewell")


def test_with_nothing_held_it_ends_at_once(bench: Bench) -> None:
    pid = bench.start()
    bench.renew(bench.a, soon(60_000))
    bench.a.end()
    dismissed(bench, pid)
    assert bench.taken_off() == []


def test_a_successor_that_goes_on_holding_may_do_so(bench: Bench) -> None:
    pid = bench.start()
    bench.renew(bench.a, soon(60_000))
    dismissed(bench, pid, keep_addresses=True)
    assert bench.taken_off() == []


def test_alone_it_does_not_try_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_MOST_FAILURES", 2)
    bench.host.fails.touch()
    pid = bench.start()
    bench.renew(bench.a, soon(0))
    # However often it has failed before.
    until(lambda: bench.host.tried.stat().st_size > 3)
    dismissed(bench, pid)
    assert bench.taken_off() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGABRT])
def test_told_to_end_it_takes_all_off_as_soon_as_the_daemon_has_ended(
    bench: Bench, number: signal.Signals
) -> None:
    pid = bench.start()
    bench.renew(bench.a, soon(0))
    until(lambda: bool(bench.taken_off()))  # It is all there now.
    bench.renew(bench.b, soon(60_000))
    os.kill(pid, number)
    time.sleep(0.1)
    assert bench.taken_off() == ["192.0.2.1"], "the daemon lives"
    dismissed(bench, pid)
    assert bench.taken_off() == ["192.0.2.1", "2001:db8::1"]


# Renewals, for the fast profile.


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "FAST_RENEW_EVERY", 20 * MS)


def test_it_renews_what_it_is_asked_to_while_that_is_on_time(bench: Bench, often: None) -> None:
    bench.a.let_renew(7)
    bench.renew(bench.a, soon(60_000))
    bench.renew(bench.b, soon(60_000))
    bench.start()
    until(lambda: bench.host.renewed.read_text().count("\n") >= 2)
    assert set(bench.host.renewed.read_text().splitlines()) == {"192.0.2.1 7 3"}
    bench.a.end()
    bench.b.let_renew(8)
    until(lambda: "2001:db8::1 8 3" in bench.host.renewed.read_text())
    assert bench.taken_off() == []


def test_what_the_daemon_takes_off_meanwhile_it_does_not_leave_on(
    bench: Bench, often: None
) -> None:
    bench.host.during_renewal = lambda: bench.a.let_renew(0)
    bench.a.let_renew(7)
    bench.renew(bench.a, soon(60_000))
    bench.start()
    until(lambda: bench.taken_off() == ["192.0.2.1"])
    assert bench.host.renewed.read_text() == "192.0.2.1 7 3\n"
