"""Questions about who has an address, and what is an answer to one, byte by byte."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carpool.carp import frames
from carpool.carp.wire import internet_checksum

MAC = bytes.fromhex("020000000001")
THEIRS = bytes.fromhex("0200000000fe")
IPV4, ROUTER4 = ip_address("192.0.2.7").packed, ip_address("192.0.2.1").packed
IPV6, ROUTER6 = ip_address("2001:db8::7").packed, ip_address("fe80::a:b12c").packed


def arp(operation: int, sender: bytes, target: bytes) -> bytes:
    head = f"0001 0800 06 04 {operation:04x}"
    ethernet = MAC + THEIRS + b"\x08\x06"
    return ethernet + bytes.fromhex(head) + THEIRS + sender + MAC + target


def test_an_arp_request() -> None:
    assert frames.question(MAC, IPV4, ROUTER4) == bytes.fromhex(
        "ffffffffffff 020000000001 0806"
        "0001 0800 06 04 0001 020000000001 c0000207 000000000000 c0000201"
    )


def test_an_arp_probe_has_no_sender() -> None:
    assert frames.question(MAC, None, ROUTER4)[28:32] == bytes(4)


def checked(frame: bytes) -> bool:
    """Whether the checksum of an ICMPv6 frame is right (RFC 4443 section 2.3)."""
    body = frame[54:]
    pseudo_header = frame[22:54] + len(body).to_bytes(4) + (58).to_bytes(4)
    return internet_checksum(pseudo_header + body) == 0


def test_a_neighbour_solicitation() -> None:
    frame = frames.question(MAC, IPV6, ROUTER6)
    assert frame[:6] == bytes.fromhex("3333ff0ab12c")
    assert frame[38:54] == ip_address("ff02::1:ff0a:b12c").packed
    assert (len(frame), frame[20], frame[21], frame[54], frame[55]) == (86, 58, 255, 135, 0)
    assert frame[22:38] == IPV6
    assert frame[62:78] == ROUTER6
    assert frame[78:] == b"\x01\x01" + MAC
    assert checked(frame)


def test_a_solicitation_from_nobody_does_not_say_a_mac() -> None:
    frame = frames.question(MAC, None, ROUTER6)
    assert len(frame) == 78
    assert frame[22:38] == bytes(16)
    assert checked(frame)


def test_answers() -> None:
    assert frames.answerer(arp(2, ROUTER4, IPV4)) == ROUTER4
    assert frames.answerer(frames.neighbour_advertisement(THEIRS, ROUTER6)) == ROUTER6
    assert checked(frames.neighbour_advertisement(THEIRS, ROUTER6))


def routed(frame: bytes) -> bytes:
    return frame[:21] + b"\xfe" + frame[22:]


@pytest.mark.parametrize(
    "frame",
    [
        arp(1, ROUTER4, IPV4),
        arp(2, ROUTER4, IPV4)[:41],
        frames.question(THEIRS, ROUTER6, IPV6),
        frames.neighbour_advertisement(THEIRS, ROUTER6)[:77],
        routed(frames.neighbour_advertisement(THEIRS, ROUTER6)),
        b"",
    ],
)
def test_no_answers(frame: bytes) -> None:
    assert frames.answerer(frame) is None


@given(st.binary(max_size=120), st.sampled_from([b"\x08\x06", b"\x86\xdd"]))
def test_any_frame_is_an_answer_or_none(rest: bytes, kind: bytes) -> None:
    found = frames.answerer(MAC + THEIRS + kind + rest)
    assert found is None or len(found) in {4, 16}


def test_claims() -> None:
    claimed = frames.Claim(ROUTER4, THEIRS)
    assert frames.claim(arp(1, ROUTER4, IPV4)) == claimed
    assert frames.claim(arp(2, ROUTER4, IPV4)) == claimed
    assert frames.claim(frames.gratuitous_arp(THEIRS, ROUTER4)) == claimed
    told = frames.neighbour_advertisement(THEIRS, ROUTER6)
    assert frames.claim(told) == frames.Claim(ROUTER6, THEIRS)


@pytest.mark.parametrize(
    "frame",
    [
        frames.question(THEIRS, None, ROUTER4),
        arp(1, ROUTER4, IPV4)[:41],
        frames.question(THEIRS, ROUTER6, IPV6),
        frames.question(THEIRS, None, ROUTER6),
        routed(frames.neighbour_advertisement(THEIRS, ROUTER6)),
        b"",
    ],
)
def test_no_claims(frame: bytes) -> None:
    assert frames.claim(frame) is None


@given(st.binary(max_size=120), st.sampled_from([b"\x08\x06", b"\x86\xdd"]))
def test_any_frame_is_a_claim_or_none(rest: bytes, kind: bytes) -> None:
    found = frames.claim(MAC + THEIRS + kind + rest)
    assert found is None or (len(found.address) in {4, 16} and len(found.mac) == 6)
