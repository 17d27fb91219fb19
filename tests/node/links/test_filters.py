"""Socket filters, run by the kernel on a pair of Unix sockets."""

import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carpool.carp.packet import ipv4_packet
from carpool.node.links.filters import attach, vhid_filter

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_PACKET"), reason="Linux alone has these")

SOURCE = bytes([10, 0, 0, 1])


def advertisement(vhid: int) -> bytes:
    return bytes([0x21, vhid]) + bytes(34)


@contextmanager
def filtered(vhids: Collection[int], family: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        attach(receiver, vhid_filter(vhids, family))
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
