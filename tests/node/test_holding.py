"""The addresses of a group on a host that is made of words: their terms, and who takes them off."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from typing import cast

import pytest
from tests.support.virtual_loop import VirtualLoop
from tests.support.written import Written

from carpool.carp.auth import Address
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.node.guard import Guard
from carpool.node.holding import Holding
from carpool.node.host import AnyInterface, Done, Host, Interface
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.settings import GroupSettings

MS = SECOND // 1000
ONE, TWO = IPv4Interface("192.0.2.101/24"), IPv4Interface("192.0.2.102/24")
LATE = "www: the daemon was held up for 2.4 s and its addresses ran out; putting them on again"
NET0 = Interface("net0", 1, b"\2" * 6, carrier=True)


@dataclass
class FakeHost:
    loop: VirtualLoop
    there: set[AnyInterface] = field(default_factory=set)
    added: list[tuple[int, int | None]] = field(default_factory=list)
    """When, and for how many seconds."""
    renewed: list[tuple[int, int, int]] = field(default_factory=list)
    """When, how many of them, and for how many seconds."""
    problem: str | None = None

    def add_addresses(
        self,
        _interface: Interface,
        addresses: Sequence[AnyInterface],
        done: Done,
        *,
        lifetime: int | None = None,
    ) -> None:
        if self.problem is None:
            self.there |= set(addresses)
            self.added.append((self.loop.time, lifetime))
        done(self.problem)

    def renewal(
        self, _interface: Interface, addresses: Sequence[AnyInterface], lifetime: int
    ) -> Callable[[], None]:
        return lambda: self.renewed.append((self.loop.time, len(addresses), lifetime))

    def remove_addresses(
        self, _interface: Interface, addresses: Iterable[AnyInterface], done: Done
    ) -> None:
        if self.problem is None:
            self.there -= set(addresses)
        done(self.problem)

    def present(self) -> set[Address]:
        return {one.ip for one in self.there}


class Bench:
    """A holding that is master since second 100, with advbase 1, and so a patience of 3 s."""

    def __init__(self, *, fast: bool = False) -> None:
        self.loop = VirtualLoop()
        self.host = FakeHost(self.loop)
        self.lines = Written()
        self.restored: list[str | None] = []
        host, loop = cast("Host", self.host), cast("Loop", self.loop)
        log = Log(self.lines)
        self.guard = Guard([("www: ", [ONE, TWO])], host, loop, log)
        carp = Settings(1, (ONE.ip, TWO.ip), b"", fast=fast)
        settings = GroupSettings("www", carp, "net0", (ONE, TWO))
        self.holding = Holding(
            *(settings, self.guard.lease(0)),
            host=host,
            loop=loop,
            log=log,
            restored=self.restored.append,
        )
        self.holding.use_interface(NET0)
        self.loop.run(100 * SECOND)
        self.holding.put_on(SECOND, lambda _: None)

    @property
    def deadline(self) -> int:
        return self.guard._deadlines[0]

    @property
    def renewals(self) -> int:
        """The interface on which the guard is to renew, 0 for none."""
        return self.guard._renewals[0]

    def advertise(self) -> bool:
        ready = self.holding.ready(SECOND)
        if ready:
            self.holding.advertised(SECOND)
        return ready

    def lose(self, *addresses: IPv4Interface) -> None:
        """Take addresses off as somebody else would."""
        for address in addresses:
            self.host.there.remove(address)
            self.holding.lost(address.ip)

    def run(self, duration: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Let time pass, with an advertisement each second; look each tenth of a second."""
        for _ in range(duration * 10 // SECOND):
            self.loop.run(100 * MS)
            if self.loop.time % SECOND == 0:
                assert self.advertise()
            meanwhile()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_each_advertisement_is_a_new_term_with_the_kernel_and_with_the_guard(bench: Bench) -> None:
    assert bench.host.added == [(100 * SECOND, 2)]
    assert bench.deadline == 102 * SECOND + 750 * MS
    bench.run(2 * SECOND)
    assert bench.host.renewed == [(101 * SECOND, 2, 2), (102 * SECOND, 2, 2)]
    assert bench.deadline == 104 * SECOND + 750 * MS
    assert bench.lines == []


def test_the_kernel_is_not_told_of_every_answer_to_a_rival(bench: Bench) -> None:
    bench.loop.run(SECOND)
    for _ in range(3):
        assert bench.advertise()
        bench.loop.run(50 * MS)
    assert bench.host.renewed == [(101 * SECOND, 2, 2)]
    assert bench.deadline == 103 * SECOND + 850 * MS


def test_demoted_it_has_a_term_that_bridges_the_longer_interval(bench: Bench) -> None:
    interval = SECOND + SECOND * 240 // 256
    bench.holding.advertised(interval)
    bench.loop.run(interval)
    assert bench.holding.ready(interval)
    assert bench.host.added == [(100 * SECOND, 2)], "it has not run out"
    bench.holding.advertised(interval)
    assert bench.host.renewed[-1][2] == 3


def test_before_a_late_advertisement_the_addresses_are_put_on_again(bench: Bench) -> None:
    bench.host.there.clear()
    bench.loop.run(2400 * MS)
    assert bench.advertise()
    assert bench.host.added[1:] == [(102400 * MS, 2)]
    assert bench.restored == [None], "and so they are announced"
    assert bench.lines == [(Level.WARNING, LATE)]


def test_what_the_guard_takes_off_just_then_is_put_back_and_nobody_blamed(bench: Bench) -> None:
    bench.loop.run(2900 * MS)
    assert bench.advertise()
    bench.lose(ONE, TWO)
    bench.loop.run(0)
    assert bench.host.there == {ONE, TWO}
    assert "somebody else" not in bench.lines[-1][1]


def test_nothing_is_advertised_that_cannot_be_put_on_again(bench: Bench) -> None:
    bench.loop.run(2400 * MS)
    bench.host.problem = "no room"
    assert not bench.advertise()
    assert bench.restored == ["no room"]


def test_off_is_off(bench: Bench) -> None:
    ended: list[str | None] = []
    bench.host.problem = "ifconfig failed"
    bench.holding.take_off(ended.append)
    assert bench.deadline != 0, "the guard has a try, too"
    bench.host.problem = None
    bench.holding.take_off(ended.append)
    assert ended == ["ifconfig failed", None]
    assert bench.deadline == 0
    bench.holding.lost(ONE.ip)
    bench.holding.advertised(SECOND)
    bench.loop.run(10 * SECOND)
    assert bench.host.there == set()
    assert bench.host.renewed == []
    assert bench.deadline == 0


def test_what_somebody_takes_off_is_put_back_at_once_and_then_once_a_second(bench: Bench) -> None:
    bench.run(500 * MS)
    bench.lose(TWO)
    bench.loop.run(0)
    assert bench.host.added[-1] == (100500 * MS, 2)
    assert bench.restored == [None]
    assert bench.lines == [
        (
            Level.WARNING,
            "www: 192.0.2.102/24: taken off net0 by somebody else, putting it back",
        )
    ]
    bench.run(200 * MS)
    bench.lose(TWO)
    bench.run(700 * MS)
    # No renewal puts it on behind the back of the limit.
    assert bench.host.renewed[-1] == (101 * SECOND, 1, 2)
    assert bench.host.there == {ONE}
    bench.run(100 * MS)
    assert bench.host.there == {ONE, TWO}


def test_in_a_quarrel_another_node_had_better_hold_them(bench: Bench) -> None:
    def insist() -> None:
        if ONE in bench.host.there:
            bench.lose(ONE)

    bench.run(5 * SECOND, insist)
    assert [when // SECOND - 100 for when, _ in bench.host.added[1:]] == [0, 1, 2, 3]
    assert bench.restored[:4] == [None] * 4
    (problem,) = bench.restored[4:]
    assert problem is not None
    assert "192.0.2.101/24: taken off net0 by somebody else again and again" in problem
    bench.holding.take_off(lambda _: None)
    bench.holding.put_on(SECOND, lambda _: None)  # There is no other node.
    bench.run(9 * SECOND, insist)
    assert len(bench.restored) == 5, "the quarrel goes on slowly"
    bench.run(2 * SECOND)
    assert len(bench.restored) == 6
    bench.holding.take_off(lambda _: None)
    bench.loop.run(60 * SECOND)
    bench.holding.put_on(SECOND, lambda _: None)
    bench.lose(ONE)
    bench.loop.run(0)
    assert bench.host.there == {ONE, TWO}, "they had left it alone for a minute"


def test_an_event_of_an_earlier_removal_is_no_loss(bench: Bench) -> None:
    bench.holding.take_off(lambda _: None)
    bench.holding.put_on(SECOND, lambda _: None)
    bench.holding.lost(ONE.ip)
    bench.loop.run(SECOND)
    assert bench.lines == []


def test_a_node_that_advertises_more_slowly_tells_the_kernel_at_once() -> None:
    """Demotion adds to advskew; the next advertisement may come when the old lifetime has ended."""
    bench = Bench()
    bench.loop.run(100 * MS)
    bench.holding.advertised(SECOND)
    assert bench.host.renewed == []
    bench.holding.advertised(SECOND * 2)
    assert bench.host.renewed == [(bench.loop.time, 2, 3)]
    bench.loop.run(100 * MS)
    bench.holding.advertised(SECOND)
    assert len(bench.host.renewed) == 1


# The fast profile: the guard renews.


def test_in_the_fast_profile_the_guard_renews_what_is_on(guarded: Bench) -> None:
    assert guarded.host.added == [(100 * SECOND, 3)]
    guarded.run(5 * SECOND)
    assert guarded.host.renewed == [(101 * SECOND, 2, 3)], "the first only, when the interval began"
    assert guarded.renewals == NET0.index
    guarded.holding.take_off(lambda _: None)
    assert guarded.renewals == 0


def test_the_guard_does_not_put_back_what_somebody_has_taken_off(guarded: Bench) -> None:
    guarded.lose(ONE)
    assert guarded.renewals == 0
    guarded.run(2 * SECOND)
    assert guarded.host.there == {ONE, TWO}
    assert guarded.renewals == NET0.index


def test_the_guard_renews_nothing_on_an_interface_that_has_gone(guarded: Bench) -> None:
    guarded.holding.use_interface(None)
    assert guarded.renewals == 0


def test_the_guard_renews_nothing_that_could_not_be_put_on(guarded: Bench) -> None:
    guarded.holding.take_off(lambda _: None)
    guarded.host.problem = "no room"
    guarded.holding.put_on(SECOND, lambda _: guarded.holding.take_off(lambda _: None))
    assert guarded.renewals == 0


def test_in_another_profile_the_guard_renews_nothing(bench: Bench) -> None:
    bench.run(2 * SECOND)
    assert bench.renewals == 0


@pytest.fixture
def guarded() -> Bench:
    return Bench(fast=True)


@pytest.mark.parametrize(("interval", "told"), [(250, 1), (125, 2)])
def test_jitter_leaves_out_no_renewal(interval: int, told: int) -> None:
    """At a quarter of a second each advertisement renews, also one that is early by a little."""
    bench = Bench()
    start = bench.loop.time
    for number in range(1, 9):
        early = number % 2 * 4
        bench.loop.run(start + (number * interval - early) * MS - bench.loop.time)
        assert bench.advertise()
    assert len(bench.host.renewed) == 8 // told
