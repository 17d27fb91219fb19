"""Socket filters, run by the kernel on a pair of Unix sockets."""

import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carpool.carp.packet import ipv4_packet
from carpool.node.links.filters import FORGER_SAMPLE, SAMPLE, attach, vhid_filter

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_PACKET"), reason="Linux alone has these")

SOURCE = bytes([10, 0, 0, 1])


def advertisement(vhid: int) -> bytes:
    return bytes([0x21, vhid]) + bytes(34)


@contextmanager
def filtered(
    vhids: Collection[int], family: int, *, sample: bool = False, muted: Collection[bytes] = ()
) -> Iterator[tuple[socket.socket, socket.socket]]:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        attach(receiver, vhid_filter(vhids, family, sample=sample, muted=muted))
        receiver.setblocking(False)
        yield sender, receiver


def passes(vhids: Collection[int], family: int, packet: bytes) -> bool:
    with filtered(vhids, family) as (sender, receiver):
        sender.send(packet)
        try:
            return receiver.recv(2048) == packet
        except BlockingIOError:
            return False


@pytest.mark.parametrize("family", [4, 6])
@settings(max_examples=60, deadline=None)
@given(vhids=st.sets(st.integers(1, 255), min_size=1))
def test_what_is_for_our_vhids_passes_and_nothing_else(family: int, vhids: set[int]) -> None:
    heard: set[int] = set()
    with filtered(vhids, family) as (sender, receiver):
        for vhid in range(256):
            payload = advertisement(vhid)
            sender.send(payload if family == 6 else ipv4_packet(SOURCE, payload))
            try:
                heard.add(receiver.recv(2048)[-35])
            except BlockingIOError:
                continue
    assert heard == vhids


def test_the_vhid_is_found_behind_ip_options() -> None:
    header = bytearray(ipv4_packet(SOURCE, b""))
    header[0] = 0x46
    packet = bytes(header) + bytes(4) + advertisement(7)
    assert passes({7}, 4, packet)
    assert not passes({8}, 4, packet)


@pytest.mark.parametrize("family", [4, 6])
def test_what_is_too_short_for_a_vhid_is_turned_away(family: int) -> None:
    payload = advertisement(7)[:1]
    assert not passes({7}, family, payload if family == 6 else ipv4_packet(SOURCE, payload))


MANY = 20 * SAMPLE


def share(family: int, packet: bytes, *, muted: Collection[bytes] = ()) -> float:
    """How much passes of what a filter that samples hears often."""
    passed = 0
    with filtered({7}, family, sample=True, muted=muted) as (sender, receiver):
        for _ in range(MANY):
            sender.send(packet)
            try:
                receiver.recv(2048)
            except BlockingIOError:
                continue
            passed += 1
    return passed / MANY


def changed(packet: bytes, at: int, value: int) -> bytes:
    return packet[:at] + bytes([value]) + packet[at + 1 :]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(("at", "value"), [(0, 0x31), (0, 0x22), (3, 1), (3, 6), (3, 8)])
def test_a_sample_of_what_is_not_carp_passes(family: int, at: int, value: int) -> None:
    good = changed(advertisement(7), 3, 7)
    packets = [good, changed(good, at, value)]
    if family == 4:
        packets = [ipv4_packet(SOURCE, payload) for payload in packets]
    assert share(family, packets[0]) == 1
    assert 0 < share(family, packets[1]) < 8 / SAMPLE


def test_a_sample_of_what_was_routed_passes() -> None:
    good = ipv4_packet(SOURCE, changed(advertisement(7), 3, 7))
    assert 0 < share(4, changed(good, 8, 254)) < 8 / SAMPLE


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("options", [b"", bytes(8)])
def test_a_sample_of_what_is_too_short_passes(family: int, options: bytes) -> None:
    packet = changed(advertisement(7), 3, 7)
    if family == 4:
        packet = ipv4_packet(SOURCE, options + packet)
        packet = changed(packet, 0, 0x45 + len(options) // 4)
    assert share(family, packet) == 1
    assert 0 < share(family, packet[:-1]) < 8 / SAMPLE


def test_no_sample_is_taken_of_others() -> None:
    assert share(4, ipv4_packet(SOURCE, changed(advertisement(8), 3, 7))) == 0


def address(number: int) -> bytes:
    return bytes([10, 0, 9, number])


@pytest.mark.parametrize("muted", [1, 2, 16])
def test_a_sample_of_whoever_is_muted_passes(muted: int) -> None:
    sources = [address(number) for number in range(muted)]
    payload = changed(advertisement(7), 3, 7)
    for source in (sources[0], sources[-1]):
        assert 0 < share(4, ipv4_packet(source, payload), muted=sources) < 4 / FORGER_SAMPLE
    assert share(4, ipv4_packet(address(muted), payload), muted=sources) == 1
    assert share(6, payload, muted=sources) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.integers(1, 255), min_size=1),
    st.sets(st.binary(min_size=4, max_size=4), max_size=16),
    st.binary(min_size=4, max_size=4),
    st.booleans(),
    st.binary(min_size=32, max_size=40),
    st.data(),
)
def test_no_filter_turns_away_what_may_be_valid(
    vhids: set[int],
    muted: set[bytes],
    source: bytes,
    sample: bool,
    rest: bytes,
    data: st.DataObject,
) -> None:
    """Whatever it has where advskew, counter, digest and the rest are."""
    vhid = data.draw(st.sampled_from(sorted(vhids)))
    payload = bytes([0x21, vhid, rest[0], 7]) + rest[:32] + rest[32:]
    packet = ipv4_packet(source, payload)
    with filtered(vhids, 4, sample=sample, muted=muted - {source}) as (sender, receiver):
        sender.send(packet)
        assert receiver.recv(2048) == packet
    with filtered(vhids, 6, sample=sample, muted=muted) as (sender, receiver):
        sender.send(payload)
        assert receiver.recv(2048) == payload
