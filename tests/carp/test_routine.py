"""The short ways for what happens each second do what the long ways would."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.carp.support import MS, PASSWORD, VHID, VIP, VIP6, packed

from carpool.carp.auth import Authenticator
from carpool.carp.counters import Counters, Replay
from carpool.carp.effects import Advertise, Effect
from carpool.carp.election import NEVER_MASTER, State
from carpool.carp.packet import Datagram, ipv4_packet, ipv6_packet, parse_ipv4, parse_ipv6
from carpool.carp.peers import MOST_PEERS
from carpool.carp.phase import Phase
from carpool.carp.receiver import Receiver
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.carp.wire import Advertisement, Rejection
from carpool.recorder.recorded import Recorded
from carpool.recorder.snapshot import capture

BOTH = (VIP, VIP6)
SIGN = Authenticator(PASSWORD, VHID, BOTH).digest
IPV4 = {"addresses": (VIP,)}
FAST = {"advbase": 0, "fast": True}


class Side:
    """A virtual host behind a receiver, which takes the short way or never does."""

    def __init__(self, *, short: bool, **more: Any) -> None:
        self.short = short
        self.shortened = 0
        self.said: list[Effect] = []
        phase = more.pop("phase", None)
        given = {"addresses": BOTH, "advbase": 1, "advskew": 20, **more}
        self.host = Recorded(
            Settings(VHID, password=PASSWORD, **given),
            sources={4: packed("192.0.2.10"), 6: packed("2001:db8::10")},
            counters=Counters(given.get("replay", Replay.WINDOW), seed=5),
            phase=phase,
        )
        self.receiver = Receiver()
        self.receiver.add(self.host)
        self.host.start(0)

    def hears(self, packet: bytes, now: int) -> None:
        if self.short and packet[0] >> 4 == 4 and self.receiver.hears_again(packet, now):
            self.shortened += 1
            return
        parse = parse_ipv4 if packet[0] >> 4 == 4 else parse_ipv6
        self.receiver.receive(parse(packet), now)

    def runs(self, now: int) -> None:
        """Let the timer run."""
        payload = self.host.speak_again(now) if self.short else None
        if payload is None:
            self.host.handle_timer(now)
        else:
            self.shortened += 1
            self.said.append(Advertise(4, payload))

    def effects(self) -> list[Effect]:
        found, self.said = self.said, []
        while (effect := self.host.next_effect()) is not None:
            found.append(effect)
        return found

    def all_of_it(self) -> object:
        """Return what can be seen of the host, and what cannot."""
        state = capture(self.host)
        del state["peers"]  # Their last words are kept in two ways.
        host = self.host
        entries = [(one.begins, bytes(one.records)) for one in host.tape.segments]
        return state, list(host.peers), host.timer(), host.rejections, self.effects(), entries


class Twins:
    """Two that are told the same, and three other nodes that speak to them."""

    def __init__(self, **more: Any) -> None:
        self.sides = (Side(short=True, **more), Side(short=False, **more))
        self.now = 0
        self.sign = Authenticator(PASSWORD, VHID, more.get("addresses", BOTH)).digest
        self.counters = [Counters(seed=number) for number in range(3)]
        self.packets: list[bytes] = []

    @property
    def shortened(self) -> int:
        return self.sides[0].shortened

    def do(self, deed: Callable[[Side], object]) -> None:
        for side in self.sides:
            deed(side)
        one, other = (side.all_of_it() for side in self.sides)
        assert one == other

    def hear(self, who: int, advbase: int, advskew: int, demotion: int, family: int) -> None:
        counter = self.counters[who].next(self.now)
        digest = self.sign(counter)
        said = Advertisement(VHID, advbase, advskew, counter, digest, demotion).encode()
        if family == 4:
            packet = ipv4_packet(packed(f"192.0.2.{who + 9}"), said)
        else:
            packet = ipv6_packet(packed(f"2001:db8::{who + 9}"), said)
        self.packets.append(packet)
        self.do(lambda side: side.hears(packet, self.now))

    def hear_old(self, back: int, flipped: int) -> None:
        """Hear again a packet that was heard, with one bit changed, if any."""
        if self.packets:
            packet = bytearray(self.packets[-1 - back % len(self.packets)])
            if flipped < 8 * len(packet):
                packet[flipped // 8] ^= 1 << flipped % 8
            if packet[0] >> 4 in {4, 6}:
                self.do(lambda side: side.hears(bytes(packet), self.now))

    def wait(self, time: int) -> None:
        end = self.now + time
        while True:
            due = self.sides[0].host.timer()
            assert due == self.sides[1].host.timer()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.do(lambda side: side.runs(self.now))
        self.now = end

    def be_late(self, by: int) -> None:
        """Let the timer run so late."""
        due = self.sides[0].host.timer()
        if due is not None:
            self.now = max(self.now, due) + by
            self.do(lambda side: side.runs(self.now))


Deed = Callable[[Twins], object]


def _hearing(times: int, apart: int, *said: int) -> Deed:
    def hear(twins: Twins) -> None:
        for _ in range(times):
            twins.hear(*said)
            twins.wait(apart)

    return hear


DEEDS: st.SearchStrategy[Deed] = st.one_of(
    st.builds(
        _hearing,
        st.integers(1, 4),
        st.sampled_from([MS, SECOND // 4]),
        st.integers(0, 2),
        st.sampled_from([0, 1, 1, 1, 255]),
        st.sampled_from([0, 3, 20, 20, 100, 255]),
        st.sampled_from([0, 0, 0, 1, 240]),
        st.sampled_from([4, 4, 4, 6]),
    ),
    st.builds(
        lambda back, flipped: lambda twins: twins.hear_old(back, flipped),
        st.integers(0, 5),
        st.one_of(st.just(1 << 20), st.integers(0, 56 * 8)),
    ),
    st.sampled_from(["start", "stop", "link_lost", "link_back", "yield_mastership", "woke"]).map(
        lambda told: lambda twins: twins.do(lambda side: getattr(side.host, told)(twins.now))
    ),
    st.sampled_from([0, 1, 240, NEVER_MASTER]).map(
        lambda demotion: (
            lambda twins: twins.do(lambda side: side.host.set_demotion(demotion, twins.now))
        )
    ),
    st.sampled_from(["192.0.2.1", "192.0.2.10", "192.0.2.99"]).map(
        lambda own: (
            lambda twins: twins.do(lambda side: side.host.use_sources({4: packed(own)}, twins.now))
        )
    ),
    st.sampled_from([0, 5, 100]).map(
        lambda advskew: lambda twins: twins.do(lambda side: side.host.slow_down(advskew))
    ),
    st.sampled_from([0, MS, SECOND // 2, SECOND, 3 * SECOND, 40 * SECOND]).map(
        lambda time: lambda twins: twins.wait(time)
    ),
    st.sampled_from([MS, 30 * MS]).map(lambda by: lambda twins: twins.be_late(by)),
)


@pytest.mark.parametrize(
    "more",
    [
        *({}, {"preempt": True}, {"replay": Replay.STRICT}, {"replay": Replay.OFF}, FAST),
        IPV4,
        {**IPV4, **FAST, "seek_rival": SECOND // 4},
        {**IPV4, "announce_every": 4 * SECOND, "phase": Phase(SECOND // 3, 1, 2)},
    ],
    ids=["plain", "preempting", "strict", "off", "fast", "ipv4", "fast ipv4", "in a bunch"],
)
@settings(max_examples=60, deadline=None)
@given(st.lists(DEEDS, max_size=25))
def test_both_ways_lead_to_the_same(more: dict[str, Any], deeds: list[Deed]) -> None:
    twins = Twins(**more)
    for deed in deeds:
        deed(twins)


def following(advskew: int = 0, family: int = 4, **more: Any) -> Twins:
    """Return twins that have heard the same master four times."""
    twins = Twins(**more)
    _hearing(4, MS, 0, more.get("advbase", 1), advskew, 0, family)(twins)
    return twins


@pytest.mark.parametrize(
    ("advskew", "more"),
    [(0, {}), (100, {}), (20, {}), (3, FAST), (0, {"replay": Replay.OFF})],
    ids=["faster", "slower", "equal", "fast", "unchecked"],
)
def test_the_third_advertisement_of_a_master_is_routine(advskew: int, more: dict[str, Any]) -> None:
    twins = following(advskew, **more)
    assert twins.sides[0].host.state is State.BACKUP
    # The first is of no sequence yet, and the second proves that it was none by chance.
    assert twins.shortened == 2


def test_what_is_no_routine() -> None:
    assert following(family=6).shortened == 0
    # It is the hour that decides whether to preempt.
    assert following(100, preempt=True).shortened == 0
    twins = following()
    twins.do(lambda side: side.host.set_demotion(7, twins.now))
    twins.hear(0, 1, 0, 0, 4)
    assert twins.shortened == 2
    twins.hear(0, 1, 0, 0, 4)
    assert twins.shortened == 3
    twins.hear(0, 1, 1, 0, 4)
    assert twins.shortened == 3


def test_whom_a_node_obeys_while_it_stands_back_is_no_routine() -> None:
    twins = Twins(preempt=True)
    _hearing(2, MS, 2, 1, 100, 0, 4)(twins)
    twins.wait(4 * SECOND)
    twins.do(lambda side: side.host.yield_mastership(twins.now))
    _hearing(3, MS, 2, 1, 100, 0, 4)(twins)
    assert (twins.shortened, twins.sides[0].host.state) == (0, State.BACKUP)
    twins.wait(3 * SECOND)
    _hearing(1, 10 * MS, 2, 1, 100, 0, 4)(twins)
    assert twins.sides[0].host.state is State.MASTER


def test_how_fast_the_master_is_and_how_late_the_backup_is_told_anew_each_time() -> None:
    twins = following(3, **FAST)
    # Over IPv6 the master is slower, and is given more time.
    _hearing(2, MS, 0, 0, 9, 0, 6)(twins)
    _hearing(1, MS, 0, 0, 3, 0, 4)(twins)
    twins.be_late(30 * MS)
    twins.be_late(30 * MS)
    _hearing(1, MS, 0, 0, 3, 0, 4)(twins)
    assert twins.shortened == 4
    twins.be_late(30 * MS)
    twins.be_late(30 * MS)
    twins.be_late(30 * MS)


def test_a_replay_or_a_forgery_of_what_is_routine_goes_the_long_way_and_is_counted() -> None:
    twins = following()
    twins.hear_old(0, 1 << 20)
    twins.hear_old(0, 8 * 55)
    assert twins.shortened == 2
    rejections = twins.sides[0].host.rejections
    assert rejections == {Rejection.REPLAY: 1}
    assert twins.sides[0].receiver.rejections == {Rejection.CHECKSUM: 1}
    forged = Advertisement(VHID, 1, 0, twins.counters[0].next(twins.now), bytes(20)).encode()
    packet = ipv4_packet(packed("192.0.2.9"), forged)
    twins.do(lambda side: side.hears(packet, twins.now))
    assert twins.shortened == 2
    assert rejections[Rejection.AUTHENTICATION] == 1


def test_a_master_that_was_forgotten_among_many_over_ipv6_goes_the_long_way() -> None:
    twins = following()
    twins.counters.extend(Counters(seed=number) for number in range(3, 4 + MOST_PEERS))
    for who in range(3, 3 + MOST_PEERS):
        twins.hear(who, 1, 0, 0, 6)
    assert packed("192.0.2.9") not in twins.sides[0].host.peers
    twins.hear(0, 1, 0, 0, 4)
    assert twins.shortened == 2
    assert packed("192.0.2.9") in twins.sides[0].host.peers


def ruling(**more: Any) -> Twins:
    """Return twins that have become master and announced the second time."""
    twins = Twins(**more)
    twins.wait(5 * SECOND + SECOND // 2)
    assert twins.sides[0].host.state is State.MASTER
    twins.sides[0].shortened = 0
    return twins


def test_what_a_master_says_each_second_over_ipv4_is_routine() -> None:
    twins = ruling(**IPV4)
    twins.wait(6 * SECOND)
    assert twins.shortened == 5  # One comes each 1.08 s.
    assert ruling().shortened == 0


def test_a_late_advertisement_is_no_routine_from_the_next_one_on() -> None:
    interval = SECOND + 20 * SECOND // 256
    twins = ruling(**IPV4)
    twins.be_late(interval - 1)
    assert twins.shortened == 1
    twins.be_late(interval)
    assert twins.shortened == 1
    twins.be_late(3 * SECOND)
    assert (twins.shortened, twins.sides[0].host.state) == (1, State.BACKUP)


def test_who_is_no_master_or_not_alone_says_nothing_in_the_short_way() -> None:
    twins = ruling(**IPV4, announce_every=2 * SECOND)
    for side in twins.sides:
        assert side.host.speak_again(twins.now) is None  # Nothing is due yet.
    twins.wait(8 * SECOND)
    assert 0 < twins.shortened < 8  # Every other one goes with an announcement.
    done, host = twins.shortened, twins.sides[0].host
    due = host.timer()
    assert due is not None
    twins.do(lambda side: side.host.stop(twins.now))
    assert host.speak_again(due) is None
    assert twins.shortened == done


def test_the_short_way_is_for_whole_ipv4_packets_of_our_group() -> None:
    twins = following()
    side = twins.sides[0]
    counter = twins.counters[0].next(twins.now)
    said = Advertisement(VHID, 1, 0, counter, SIGN(counter)).encode()
    packet = ipv4_packet(packed("192.0.2.9"), said)
    for other in (
        packet[:-1],
        packet + b"\0",
        ipv4_packet(packed("192.0.2.9"), said, packed("224.0.0.19")),
        ipv4_packet(packed("192.0.2.8"), said),
        packet[:8] + b"\xfe" + packet[9:],
    ):
        assert side.receiver.hears_again(other, twins.now) is None
    assert side.receiver.hears_again(packet, twins.now) is side.host
    assert isinstance(parse_ipv4(packet), Datagram)
