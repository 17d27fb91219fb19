"""The receive path never raises, and without the key nothing new can be said."""

import copy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.carp import fuzz
from tests.carp.support import VIP, VIP6, Bench, Peer

from carpool.carp import virtualhost, wire
from carpool.carp.auth import Authenticator
from carpool.carp.packet import (
    GROUP_V4,
    GROUP_V6,
    Datagram,
    ipv4_packet,
    ipv6_packet,
    parse_ipv4,
    parse_ipv6,
)
from carpool.carp.receiver import Receiver
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Advertisement, Rejection

PARSERS = {4: parse_ipv4, 6: parse_ipv6}
PEER = Peer(addresses=(VIP, VIP6))

steady = settings(deadline=None, derandomize=True, max_examples=300)
"""The suite tries the same examples each time; chance is the fuzz loop's, with its seed."""


@dataclass
class Target:
    bench: Bench
    receiver: Receiver

    @classmethod
    def fresh(cls) -> "Target":
        bench = Bench.of(100, preempt=True, addresses=(VIP, VIP6)).as_master()
        receiver = Receiver()
        receiver.add(bench.host)
        return cls(bench, receiver)

    def counted(self) -> int:
        return (self.receiver.rejections + self.bench.host.rejections).total()

    def everything(self) -> dict[str, Any]:
        """Return all that the virtual host remembers, but for the count of what it refused."""
        memory = dict(vars(self.bench.host))
        del memory["rejections"], memory["_authenticator"]
        counters = dict(vars(memory.pop("_counters")))
        memory["peers"] = list(memory["peers"])
        del counters["_refusals"], counters["_refused_at"], counters["_stuck_at"]
        return copy.deepcopy({**memory, "counters": counters})

    def takes(self, datagram: Datagram | Rejection) -> VirtualHost | Rejection:
        """Receive, and check what must hold for any input whatever."""
        before, count = self.everything(), self.counted()
        result = self.receiver.receive(datagram, self.bench.now)
        if isinstance(result, Rejection):
            assert self.counted() == count + 1
            assert self.everything() == before
        else:
            assert result is self.bench.host
            assert self.counted() == count
        return result


@steady
@given(data=st.binary(max_size=120), family=st.sampled_from([4, 6]))
def test_any_bytes_are_taken_or_rejected_by_name(data: bytes, family: int) -> None:
    Target.fresh().takes(PARSERS[family](data))


@steady
@given(
    payload=st.binary(max_size=80),
    source=st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
    ttl=st.sampled_from([255, 255, 255, 0, 254]),
)
def test_any_payload_is_taken_or_rejected_by_name(payload: bytes, source: bytes, ttl: int) -> None:
    group = GROUP_V4 if len(source) == 4 else GROUP_V6
    result = Target.fresh().takes(Datagram(source, group, ttl, payload))
    assert isinstance(result, Rejection)


@steady
@given(
    vhid=st.integers(0, 255),
    advbase=st.integers(0, 255),
    advskew=st.integers(0, 255),
    counter=st.integers(0, (1 << 64) - 1),
    digest=st.binary(min_size=20, max_size=20),
    demotion=st.integers(0, 255),
)
def test_every_advertisement_survives_the_wire(
    vhid: int, advbase: int, advskew: int, counter: int, digest: bytes, demotion: int
) -> None:
    said = Advertisement(vhid, advbase, advskew, counter, digest, demotion)
    payload = said.encode()
    assert len(payload) == wire.SIZE
    assert wire.decode(payload) == said


@st.composite
def frames(draw: st.DrawFn) -> tuple[bytes, int, bytes]:
    """Draw a valid frame, its family, and the advert in it."""
    family = draw(st.sampled_from([4, 6]))
    advbase, advskew = draw(st.tuples(st.integers(0, 255), st.integers(0, 255)))
    datagram, _ = PEER.says(advbase, advskew, family)
    build = ipv4_packet if family == 4 else ipv6_packet
    return build(datagram.source, datagram.payload), family, datagram.payload


@steady
@given(frames(), st.data())
def test_a_flipped_bit_is_rejected_unless_ip_leaves_it_unchecked(
    frame: tuple[bytes, int, bytes], data: st.DataObject
) -> None:
    whole, family, _ = frame
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    damaged = bytearray(whole)
    damaged[bit >> 3] ^= 1 << (bit & 7)
    result = Target.fresh().takes(PARSERS[family](bytes(damaged)))
    if isinstance(result, VirtualHost):
        # IPv6 has no header checksum: traffic class, flow label and source go unnoticed.
        assert family == 6
        assert bit >> 3 < 24


@steady
@given(frames(), st.integers(0, 120))
def test_a_truncated_frame_is_rejected(frame: tuple[bytes, int, bytes], size: int) -> None:
    whole, family, _ = frame
    result = Target.fresh().takes(PARSERS[family](whole[:size]))
    assert isinstance(result, Rejection) == (size < len(whole))


@steady
@given(frames(), st.data())
def test_without_the_key_only_the_unsigned_bytes_can_be_changed(
    frame: tuple[bytes, int, bytes], data: st.DataObject
) -> None:
    """CARP's known weakness, and its exact extent.

    The forger mends every checksum, so that nothing but the digest stands in the way.
    """
    whole, family, _ = frame
    forged = bytearray(whole)
    offset = data.draw(st.integers(0, 35))
    forged[len(whole) - 36 + offset] ^= data.draw(st.integers(1, 255))
    start = len(whole) - 36
    if offset not in {6, 7}:
        fuzz.filled_in(forged, start, start + 36, start + 6)
    result = Target.fresh().takes(PARSERS[family](bytes(forged)))
    assert isinstance(result, VirtualHost) == (offset in {2, 4, 5})  # advskew, demotion, advbase


# The loop of mutations.


def test_fuzz() -> None:
    results = fuzz.fuzz(200_000, seed=20260)
    elsewhere = {Rejection.INACTIVE, Rejection.UNSEQUENCED, Rejection.CONSTANT}
    reachable = set(Rejection) - elsewhere
    assert set(results) == {"accepted", *map(str, reachable)}
    assert results["accepted"] > 10_000
    assert min(results.values()) > 100


def _no_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "checksum_holds", lambda _: True)


def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Authenticator, "verify", lambda *_: True)


def _raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_is_vrrp", lambda payload: payload[200])


def _counts_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = VirtualHost._judge

    def count_too(host: VirtualHost, *arguments: Any) -> Rejection | None:
        rejection = judge(host, *arguments)
        if rejection:
            host.rejections[rejection] += 1
        return rejection

    monkeypatch.setattr(virtualhost.VirtualHost, "_judge", count_too)


@pytest.mark.parametrize("break_it", [_no_checksum, _no_key, _raises, _counts_twice])
def test_fuzz_finds_what_is_broken(
    monkeypatch: pytest.MonkeyPatch, break_it: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it(monkeypatch)
    monkeypatch.setattr("sys.argv", ["fuzz.py", "--frames", "5000", "--seed", "3"])
    assert fuzz.main() == 1
    assert "seed 3" in capsys.readouterr().out


def test_fuzz_with_one_seed_is_the_same_each_time() -> None:
    assert fuzz.fuzz(3000, seed=7) == fuzz.fuzz(3000, seed=7) != fuzz.fuzz(3000, seed=8)
