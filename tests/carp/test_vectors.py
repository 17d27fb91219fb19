"""Our wire format and HMAC against captures of ucarp, NetBSD and (computed) OpenBSD."""

from dataclasses import replace
from ipaddress import ip_address
from itertools import groupby

import pytest
from tests.carp.vectors import CAPTURES, Capture, Captured

from carpool.carp import frames, packet, wire
from carpool.carp.auth import Authenticator
from carpool.carp.counters import Counters
from carpool.carp.packet import Datagram
from carpool.carp.receiver import Receiver
from carpool.carp.settings import Settings
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Advertisement, decode

ADVERTS = [
    pytest.param(capture, captured, id=f"{capture.name}-{index}")
    for capture in CAPTURES
    for index, captured in enumerate(capture.adverts)
]
FRAMES = [
    pytest.param(capture, captured.frame, captured.source, id=f"{capture.name}-{index}")
    for capture in CAPTURES
    for index, captured in enumerate(capture.adverts)
    if captured.frame
]
UCARP_ARPS = [
    pytest.param(arp, id=f"{capture.name}-{index}")
    for capture in CAPTURES
    if capture.sender.startswith("Debian ucarp")
    for index, arp in enumerate(capture.gratuitous_arps)
]
OUR_ADDRESS = {4: ip_address("192.0.2.250").packed, 6: ip_address("2001:db8::250").packed}


def advertisement(payload: bytes) -> Advertisement:
    decoded = decode(payload)
    assert isinstance(decoded, Advertisement)
    return decoded


def test_there_is_something_to_hold_ourselves_against() -> None:
    assert {capture.sender.split()[0] for capture in CAPTURES} == {
        *("NetBSD", "Debian", "ucarp", "derived")
    }
    assert len(ADVERTS) == 93
    assert len(UCARP_ARPS) == 4


@pytest.mark.parametrize(("capture", "captured"), ADVERTS)
def test_fields(capture: Capture, captured: Captured) -> None:
    decoded = advertisement(captured.payload)
    assert (decoded.vhid, decoded.advbase, decoded.advskew) == (
        *(capture.vhid, captured.advbase, captured.advskew),
    )
    assert (decoded.counter, decoded.demotion) == (captured.counter, captured.demotion)
    assert decoded.is_bow_out == ((captured.advbase, captured.advskew) == (255, 255))


@pytest.mark.parametrize(("capture", "captured"), ADVERTS)
def test_encoding_gives_the_same_bytes(capture: Capture, captured: Captured) -> None:
    assert advertisement(captured.payload).encode() == captured.payload


@pytest.mark.parametrize(("capture", "captured"), ADVERTS)
def test_digest(capture: Capture, captured: Captured) -> None:
    ours = Authenticator(capture.key, capture.vhid, capture.addresses)
    said = advertisement(captured.payload)
    assert ours.verify(said)
    if capture.sender != "derived from reading OpenBSD":
        assert ours.digest(said.counter) == said.digest


@pytest.mark.parametrize(("capture", "captured"), ADVERTS)
def test_digest_depends_on_key_vhid_addresses_and_counter(
    capture: Capture, captured: Captured
) -> None:
    key, vhid, addresses = capture.key, capture.vhid, capture.addresses
    said = advertisement(captured.payload)
    stranger = ip_address("192.0.2.77")
    assert not Authenticator(key + b"x", vhid, addresses).verify(said)
    assert not Authenticator(key.upper(), vhid, addresses).verify(said)
    assert not Authenticator(key, vhid + 1, addresses).verify(said)
    assert not Authenticator(key, vhid, (*addresses, stranger)).verify(said)
    assert not Authenticator(key, vhid, (stranger, *addresses[1:])).verify(said)
    ours = Authenticator(key, vhid, addresses)
    assert not ours.verify(replace(said, counter=said.counter ^ 1))


def test_digest_does_not_depend_on_the_order_of_addresses_nor_on_repetition() -> None:
    (capture,) = (capture for capture in CAPTURES if capture.name == "netbsd-carp-vhid42-2vip")
    said = advertisement(capture.adverts[0].payload)
    backwards = (*capture.addresses[::-1], *capture.addresses)
    assert Authenticator(capture.key, capture.vhid, backwards).verify(said)


def test_byte_identical_honest_adverts_exist() -> None:
    """Why a receiver cannot simply refuse a counter that it has seen: ucarp repeats itself."""
    (capture,) = (c for c in CAPTURES if c.name == "i3-ucarp-master-netbsd-backup")
    payloads = [captured.payload for captured in capture.adverts]
    assert any(len(list(same)) > 1 for _, same in groupby(payloads))


@pytest.mark.parametrize(("capture", "frame", "source"), FRAMES)
def test_ip_layer(capture: Capture, frame: bytes, source: str | None) -> None:
    ip = frame[14:]
    parsed = packet.parse_ipv4(ip) if ip[0] >> 4 == 4 else packet.parse_ipv6(ip)
    assert isinstance(parsed, Datagram)
    if source is not None:
        assert parsed.source == ip_address(source).packed
    assert parsed.ttl == packet.TTL
    assert parsed.payload == frame[-36:]
    assert parsed.destination == (packet.GROUP_V4 if parsed.family == 4 else packet.GROUP_V6)
    assert frame[:6] == frames.multicast_mac(parsed.destination)
    if parsed.family == 4:
        assert ip[1] == packet.TOS
        assert wire.internet_checksum(ip[:10] + b"\0\0" + ip[12:20]).to_bytes(2) == ip[10:12]


@pytest.mark.parametrize(("capture", "frame", "source"), FRAMES)
def test_our_packet_is_the_captured_one(capture: Capture, frame: bytes, source: str) -> None:
    """Byte for byte, but for ucarp's identification and the kernels' IPv6 flow label."""
    ip = frame[14:]
    if ip[0] >> 4 == 4:
        ours = packet.ipv4_packet(ip[12:16], ip[20:])
        if ip[4:6] == b"\0\0":
            assert ours == ip
        # The identification, and with it the header checksum, is the sender's own.
        assert (ours[:4], ours[6:10], ours[12:]) == (ip[:4], ip[6:10], ip[12:])
    else:
        assert packet.ipv6_packet(ip[8:24], ip[40:])[4:] == ip[4:]


@pytest.mark.parametrize(("capture", "frame", "source"), FRAMES)
def test_a_virtual_host_accepts_it(capture: Capture, frame: bytes, source: str) -> None:
    settings = Settings(capture.vhid, capture.addresses, capture.key)
    host = VirtualHost(settings, sources=OUR_ADDRESS, counters=Counters())
    host.start(0)
    receiver = Receiver()
    receiver.add(host)
    ip = frame[14:]
    parsed = packet.parse_ipv4(ip) if ip[0] >> 4 == 4 else packet.parse_ipv6(ip)
    assert receiver.receive(parsed, 1) is host
    assert not receiver.rejections
    assert not host.rejections


@pytest.mark.parametrize("theirs", UCARP_ARPS)
def test_gratuitous_arp_is_ucarps_field_by_field(theirs: bytes) -> None:
    mac, address = theirs[6:12], theirs[28:32]
    ours = frames.announcement(mac, address)
    fields = {
        "destination": slice(0, 6),
        "source": slice(6, 12),
        "ethertype": slice(12, 14),
        "hardware, protocol and their lengths": slice(14, 20),
        "operation": slice(20, 22),
        "sender MAC": slice(22, 28),
        "sender address": slice(28, 32),
        "target MAC": slice(32, 38),
        "target address": slice(38, 42),
    }
    for name, where in fields.items():
        assert ours[where] == theirs[where], name
    assert len(ours) == len(theirs) == 42


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
def test_kernels_send_from_the_virtual_mac(capture: Capture) -> None:
    kernel = [c.frame for c in capture.adverts if c.frame and c.frame[10] == 1]
    for frame in kernel:
        assert frame[6:12] == frames.virtual_mac(capture.vhid)
    if capture.sender.startswith("NetBSD"):
        assert len(kernel) == len(capture.adverts)
