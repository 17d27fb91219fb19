"""The codec, on bytes alone."""

import struct
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from socket import AF_BRIDGE, AF_INET, AF_INET6, AF_UNSPEC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carpool.netlink import AddressGone, AddressInfo, LinkGone, LinkInfo, messages
from carpool.netlink.messages import Message, Verdict

MAC = bytes.fromhex("02005e000001")


def link(family: int = AF_UNSPEC, index: int = 7, flags: int = 0) -> bytes:
    return (
        struct.pack("=BxHiII", family, 1, index, flags, 0)
        + messages.encode_attribute(3, b"net0\0")
        + messages.encode_attribute(1, MAC)
        + messages.encode_attribute(4, struct.pack("=I", 1500))
    )


def address(family: int, prefix: int, *attributes: tuple[int, bytes]) -> bytes:
    body = struct.pack("=BBBBI", family, prefix, 0x80, 253, 7)
    return body + b"".join(messages.encode_attribute(*attribute) for attribute in attributes)


def event(kind: int, body: bytes) -> object:
    return messages.decode_event(Message(kind, 0, 0, body))


def test_a_message_is_its_header_and_a_padded_body() -> None:
    data = messages.encode_message(kind=20, flags=0x4, sequence=9, body=b"abcde")
    assert data == struct.pack("=IHHII", 21, 20, 0x5, 9, 0) + b"abcde\0\0\0"
    assert list(messages.decode_messages(data)) == [Message(20, 0x5, 9, b"abcde")]


def test_a_datagram_may_hold_many_messages() -> None:
    parts = [messages.encode_message(16, 0, number, bytes(number)) for number in range(5)]
    found = list(messages.decode_messages(b"".join(parts)))
    assert [message.sequence for message in found] == list(range(5))


@pytest.mark.parametrize("length", [0, 15, 24, 2**32 - 1])
def test_a_false_length_ends_the_datagram(length: int) -> None:
    good = messages.encode_message(16, 0, 1, b"")
    bad = struct.pack("=IHHII", length, 16, 0, 2, 0)
    assert [message.sequence for message in messages.decode_messages(good + bad)] == [1]


def test_attributes_lose_their_flag_bits_and_padding() -> None:
    data = messages.encode_attribute(0x8000 | 18, b"abc") + messages.encode_attribute(1, b"")
    assert messages.decode_attributes(data) == {18: b"abc", 1: b""}


def test_a_false_attribute_length_ends_the_row() -> None:
    good = messages.encode_attribute(1, b"abcd")
    assert messages.decode_attributes(good + struct.pack("=HH", 3, 2)) == {1: b"abcd"}
    assert messages.decode_attributes(good + struct.pack("=HH", 9, 2) + b"abcd") == {1: b"abcd"}


@pytest.mark.parametrize(
    ("flags", "up", "carrier"),
    [
        (0, False, False),
        (0x1, True, False),
        (0x1 | 0x10000, True, False),  # cable in, not operational: 802.1X, a bond without members
        (0x1 | 0x40, True, False),  # cable just out, the operational state not yet recomputed
        (0x1 | 0x40 | 0x10000, True, True),
    ],
)
def test_a_link(flags: int, up: bool, carrier: bool) -> None:
    expected = LinkInfo(7, "net0", MAC, up, carrier, 1500, messages.OPER_UNKNOWN)
    assert event(16, link(flags=flags)) == expected


def test_a_link_that_goes() -> None:
    assert event(17, link()) == LinkGone(7)


def test_a_port_that_leaves_its_bridge_is_not_a_link_that_goes() -> None:
    assert event(17, link(family=AF_BRIDGE)) is None
    assert event(16, link(family=AF_BRIDGE)) is None


def test_an_ipv4_address_is_the_local_one_of_a_pair() -> None:
    far, near = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    body = address(AF_INET, 24, (1, far), (2, near), (8, struct.pack("=I", 0x280)))
    expected = AddressInfo(7, IPv4Interface("10.0.0.2/24"), 0x280, 253)
    assert event(20, body) == expected
    assert event(21, body) == AddressGone(expected)


def test_an_ipv6_address_without_wide_flags() -> None:
    interface = IPv6Interface("fe80::1/64")
    body = address(AF_INET6, 64, (1, interface.packed))
    assert event(20, body) == AddressInfo(7, interface, 0x80, 253)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        address(AF_INET, 24),
        address(AF_INET, 33, (2, bytes(4))),
        address(AF_INET, 24, (2, bytes(3))),
        address(AF_INET6, 129, (1, bytes(16))),
        address(AF_INET6, 64, (1, bytes(4))),
        address(AF_BRIDGE, 24, (2, bytes(4))),
    ],
)
def test_a_malformed_address_is_none(body: bytes) -> None:
    assert event(20, body) is None


@pytest.mark.parametrize("text", ["192.0.2.9/24", "192.0.2.9/32", "2001:db8::9/64", "fe80::9/128"])
def test_an_address_request_reads_back(text: str) -> None:
    interface = ip_interface(text)
    found = messages.decode_address(messages.address_body(3, interface, None))
    assert found is not None
    assert (found.index, found.interface) == (3, interface)
    assert found.flags == (0 if interface.version == 4 else messages.IFA_F_NODAD)


def test_a_lifetime_is_both_preferred_and_valid() -> None:
    body = messages.address_body(3, IPv4Interface("192.0.2.9/24"), 30)
    assert messages.decode_attributes(body, 8)[6] == struct.pack("=IIII", 30, 30, 0, 0)


def test_an_ack_with_the_kernels_words() -> None:
    echo = struct.pack("=IHHII", 40, 20, 5, 9, 0)
    words = messages.encode_attribute(1, b"Invalid prefix length\0")
    assert messages.decode_ack(struct.pack("=i", -22) + echo + words) == Verdict(
        22, "Invalid prefix length"
    )
    assert messages.decode_ack(struct.pack("=i", 0) + echo) == Verdict(0, "")
    assert messages.decode_ack(b"\0\0\0") is None


@given(st.binary(max_size=200), st.sampled_from([2, 3, 16, 17, 20, 21, 99]))
def test_nothing_makes_a_decoder_raise(body: bytes, kind: int) -> None:
    for message in messages.decode_messages(messages.encode_message(kind, 0, 0, body)):
        messages.decode_event(message)
        messages.decode_ack(message.body)
    list(messages.decode_messages(body))


@given(st.data())
def test_nothing_near_the_truth_makes_a_decoder_raise(data: st.DataObject) -> None:
    good = messages.encode_message(16, 0, 0, link()) + messages.encode_message(
        20, 0, 0, address(AF_INET, 24, (2, bytes(4)))
    )
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    for message in messages.decode_messages(bytes(changed)):
        messages.decode_event(message)
