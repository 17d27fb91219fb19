"""The virtual LAN's parts: clocks that drift, wires that lose, nodes of other kinds."""

import random
from ipaddress import ip_address

import pytest
from tests.sim.support import MS, VHID, cluster, settled, states

from carpool.carp.auth import Authenticator
from carpool.carp.counters import Counters
from carpool.carp.effects import Advertise, Announce, Effect
from carpool.carp.election import State
from carpool.carp.packet import GROUP_V4, Datagram
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND, TICK
from carpool.carp.wire import Advertisement, decode
from carpool.sim.clock import Clock
from carpool.sim.network import DELAY, Network
from carpool.sim.peers import Kind, Peer

# Clocks.


@pytest.mark.parametrize("ppm", [0, 1, 50, 5_000, -5_000, 333_333])
def test_a_clock_reads_what_it_was_waited_for(ppm: int) -> None:
    clock = Clock(ppm)
    for reading in (1, 999, 1_000_003, 3 * SECOND, 86_400 * SECOND + 7):
        instant = clock.when(reading)
        assert clock.read(instant) >= reading
        assert clock.read(instant - 1) < reading


def test_a_fast_clock_is_early_and_does_not_jump() -> None:
    clock = Clock(10_000)
    assert clock.when(SECOND) == 990_099_010
    clock.set_rate(-10_000, 100 * SECOND)
    assert clock.read(100 * SECOND) == 101 * SECOND
    assert clock.read(200 * SECOND) == 200 * SECOND


def test_a_fast_clock_advertises_fast() -> None:
    lan = cluster({"a": 0})
    lan.drift("a", 100_000)
    lan.run(14 * SECOND)
    adverts = lan.record.adverts["a", VHID]
    assert adverts[0] == pytest.approx(3 * SECOND / 1.1, rel=1e-6)
    assert adverts[1] - adverts[0] == pytest.approx(SECOND / 1.1, rel=1e-6)


# Wires.


def network(seed: int = 1) -> Network:
    return Network(random.Random(seed), delay=DELAY, loss=0.0)


def arrivals(wires: Network, frames: int = 1000) -> list[int]:
    return [at for n in range(frames) for at in wires.arrivals("a", "b", n * MS)]


def test_wires_deliver_once_in_order_and_soon() -> None:
    found = arrivals(network())
    assert len(found) == 1000
    assert found == sorted(found)
    assert all(DELAY[0] <= at - n * MS <= DELAY[1] for n, at in enumerate(found))


def test_wires_lose_double_delay_and_disorder_as_told() -> None:
    wires = network()
    wires.loss = 0.3
    assert 600 < len(arrivals(wires)) < 800
    wires.calm()
    wires.duplicates = 0.5
    assert 1400 < len(arrivals(wires)) < 1600
    wires.calm()
    wires.delay = (0, 100 * MS)
    found = arrivals(wires)
    assert max(at - n * MS for n, at in enumerate(found)) > 90 * MS
    assert found == sorted(found)
    wires.ordered = False
    found = arrivals(wires)
    assert found != sorted(found)


def test_calm_comes_when_the_last_late_frame_has_arrived() -> None:
    wires = network()
    assert wires.is_calm(0)
    wires.delay = (SECOND, SECOND)
    assert not wires.is_calm(0)
    assert list(wires.arrivals("a", "b", 0)) == [SECOND]
    wires.calm()
    assert not wires.is_calm(SECOND - 1)
    assert wires.is_calm(SECOND)


def test_a_cut_is_one_way_and_a_partition_both() -> None:
    wires = network()
    wires.cut("a", "b")
    assert not wires.connects("a", "b")
    assert wires.connects("b", "a")
    wires.heal()
    wires.partition(["a"])
    assert not wires.connects("a", "b")
    assert not wires.connects("b", "a")
    assert wires.connects("b", "c")
    wires.heal()
    assert list(wires.arrivals("a", "b", 0))


def test_who_does_not_hear_takes_over_beside_the_master_until_it_hears() -> None:
    lan = settled(cluster({"a": 0, "b": 100}))
    lan.deafen("b", "a")
    lan.run(5 * SECOND)
    assert states(lan) == {"a": State.MASTER, "b": State.MASTER}
    lan.heal()
    lan.run(2 * SECOND)
    assert states(lan) == {"a": State.MASTER, "b": State.BACKUP}


# Addresses that expire.


def test_addresses_with_a_lifetime_go_before_a_backup_takes_over() -> None:
    for fault in ("kill", "freeze"):
        lan = cluster({"a": 0, "b": 100})
        for node in lan.nodes.values():
            node.lifetime = 2 * SECOND
        settled(lan)
        advert = lan.record.adverts["a", VHID][-1]
        getattr(lan, fault)("a")
        lan.run(5 * SECOND)
        gone = next(span for span in lan.record.dark(VHID, advert))
        assert 2 * SECOND <= gone.start - advert <= 2300 * MS
        assert not lan.record.doubled(VHID)


def test_a_short_pause_costs_no_address_and_a_longer_one_ends_in_an_announcement() -> None:
    for pause, expires in ((1500, False), (2800, True)):
        lan = cluster({"a": 0, "b": 254})
        lan.nodes["a"].lifetime = 2 * SECOND
        settled(lan)
        lan.run(SECOND - lan.now % SECOND + 1)
        start = lan.now
        lan.freeze("a")
        lan.run(pause * MS)
        lan.thaw("a")
        lan.run(SECOND)
        assert bool(lan.record.dark(VHID, start)) is expires
        assert lan.record.holders(VHID) == {"a"}
        said = [one for one in lan.record.announcements if one.instant >= start]
        assert bool(said) is expires


# Other kinds, by the election table.

OURS, LOWER, HIGHER = (ip_address(text).packed for text in ("10.0.0.5", "10.0.0.4", "10.0.0.6"))


class Bench:
    """A peer of a kind at 10.0.0.5, and what it does."""

    def __init__(self, kind: Kind, advskew: int = 100, *, preempt: bool = False) -> None:
        settings = Settings(VHID, (ip_address("10.0.0.1"),), b"x", 1, advskew, preempt=preempt)
        self.peer = Peer(kind, settings, {4: OURS}, Counters())
        self.now = 0
        self.peer.start(0)
        self.did()

    def did(self) -> list[Effect]:
        done: list[Effect] = []
        while (effect := self.peer.next_effect()) is not None:
            done.append(effect)
        return done

    def said(self) -> list[Advertisement]:
        words = [decode(one.payload) for one in self.did() if isinstance(one, Advertise)]
        return [word for word in words if isinstance(word, Advertisement)]

    def hears(self, advbase: int, advskew: int, source: bytes = LOWER, demotion: int = 0) -> State:
        digest = Authenticator(b"x", VHID, ()).digest(1)
        word = Advertisement(VHID, advbase, advskew, 1, digest, demotion)
        self.now += MS
        self.peer.receive(Datagram(source, GROUP_V4, 255, b""), word, self.now)
        return self.peer.state

    def as_master(self) -> "Bench":
        due = self.peer.timer()
        assert due is not None
        self.now = due
        self.peer.handle_timer(self.now)
        assert self.peer.state is State.MASTER
        self.did()
        return self


KINDS = pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)


@KINDS
def test_every_kind_is_backup_first_and_takes_over_after_3_s_and_its_skew(kind: Kind) -> None:
    bench = Bench(kind)
    assert bench.peer.state is State.BACKUP
    assert bench.peer.timer() == 3 * SECOND + 100 * TICK
    assert bench.hears(1, 0) is State.BACKUP
    assert bench.peer.timer() == bench.now + 3 * SECOND + 100 * TICK


@KINDS
def test_every_kind_preempts_the_slower_only_if_told_to(kind: Kind) -> None:
    assert Bench(kind).hears(1, 200) is State.BACKUP
    assert Bench(kind, preempt=True).hears(1, 200) is State.MASTER


@KINDS
def test_every_kind_takes_over_at_once_on_a_bow_out(kind: Kind) -> None:
    assert Bench(kind).hears(255, 255) is State.MASTER


@KINDS
def test_every_kind_yields_to_the_faster_and_not_to_the_slower(kind: Kind) -> None:
    bench = Bench(kind).as_master()
    assert bench.hears(1, 101) is State.MASTER
    assert any(isinstance(effect, Announce) for effect in bench.did())
    assert bench.hears(1, 99) is State.BACKUP
    assert bool(bench.said()) is (kind is Kind.UCARP)  # One last word.


@pytest.mark.parametrize(
    ("kind", "source", "state"),
    [
        (Kind.UCARP, LOWER, State.BACKUP),
        (Kind.UCARP, HIGHER, State.MASTER),
        (Kind.NETBSD, LOWER, State.BACKUP),
        (Kind.NETBSD, HIGHER, State.BACKUP),
        (Kind.OPENBSD, LOWER, State.BACKUP),
        (Kind.OPENBSD, HIGHER, State.BACKUP),
    ],
)
def test_of_equal_interval(kind: Kind, source: bytes, state: State) -> None:
    assert Bench(kind).as_master().hears(1, 100, source) is state


def test_openbsd_does_not_yield_to_a_more_demoted_equal() -> None:
    assert Bench(Kind.OPENBSD).as_master().hears(1, 100, demotion=1) is State.MASTER


@KINDS
def test_demotion_outranks_the_interval_for_openbsd_alone(kind: Kind) -> None:
    heeds = kind is Kind.OPENBSD
    assert (Bench(kind).hears(1, 0, demotion=1) is State.MASTER) is heeds
    bench = Bench(kind).as_master()
    bench.peer.set_demotion(1, bench.now)
    bench.peer.handle_timer(bench.now + 2 * SECOND)
    (word,) = bench.said()
    assert (word.advskew, word.demotion) == ((100, 1) if heeds else (240, 0))


@KINDS
def test_kernels_bow_out_and_ucarp_does_not(kind: Kind) -> None:
    bench = Bench(kind).as_master()
    bench.peer.stop(bench.now)
    bows_out = [word.is_bow_out for word in bench.said()]
    assert bows_out == ([] if kind is Kind.UCARP else [True])
    assert bench.peer.timer() is None


@KINDS
def test_counters(kind: Kind) -> None:
    bench = Bench(kind).as_master()
    for _ in range(3):
        bench.now += 2 * SECOND
        bench.peer.handle_timer(bench.now)
    counters = {word.counter for word in bench.said()}
    assert len(counters) == (1 if kind is Kind.OPENBSD else 3)
    bench.hears(1, 200)
    bench.did()
    bench.peer.handle_timer(bench.now + 2 * SECOND)
    (word,) = bench.said()
    assert word.counter == (counters.pop() if kind is Kind.OPENBSD else 2)  # The peer's and 1.
