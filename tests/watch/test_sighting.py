from ipaddress import ip_address

import pytest
from tests.carp.vectors import CAPTURES, Capture

from carpool.carp.packet import GROUP_V4, GROUP_V6, Datagram
from carpool.carp.timing import SECOND, TICK
from carpool.carp.wire import Advertisement, Rejection, internet_checksum
from carpool.watch.sighting import Protocol, sight

HERE = ip_address("192.0.2.1").packed
HERE6 = ip_address("fe80::1").packed
# RFC 3768: version and type, router, priority, one address, no authentication, 1 s.
VRRP_2 = bytes.fromhex("2105640100010000 c0000264") + bytes(8)
# RFC 9568: the last twelve bits are centiseconds.
VRRP_3 = bytes.fromhex("3106c80100320000 c0000265")
VRRP_3_IPV6 = bytes.fromhex("3107ff0200640000") + ip_address("fe80::100").packed * 2


def datagram(payload: bytes, source: bytes = HERE) -> Datagram:
    return Datagram(source, GROUP_V4 if len(source) == 4 else GROUP_V6, 255, payload)


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
def test_captures_are_read_without_their_passwords(capture: Capture) -> None:
    for advert in capture.adverts:
        seen = sight(datagram(advert.payload))
        assert not isinstance(seen, Rejection)
        assert (seen.protocol, seen.vhid, seen.counter) == (
            Protocol.CARP,
            capture.vhid,
            advert.counter,
        )
        assert seen.interval == (advert.advbase * 256 + advert.advskew) * TICK
        assert seen.strength == advert.advskew


def test_vrrp_2() -> None:
    seen = sight(datagram(VRRP_2))
    assert not isinstance(seen, Rejection)
    assert (seen.protocol, seen.vhid, seen.strength) == (Protocol.VRRP_2, 5, 100)
    assert (seen.interval, seen.addresses) == (SECOND, ("192.0.2.100",))
    # RFC 3768, 6.1: 3 x the interval, and a skew of (256 - priority) / 256 s.
    assert seen.patience == 3 * SECOND + 156 * SECOND // 256


@pytest.mark.parametrize("authentication", [bytes(8), b"secret12"])
def test_vrrp_2_of_seven_addresses_is_not_carp(authentication: bytes) -> None:
    # Its address count is CARP's authlen; without a password even the checksum fits CARP.
    addresses = [ip_address("192.0.2.100") + number for number in range(7)]
    packed = b"".join(address.packed for address in addresses)
    blank = bytes.fromhex("2105640700010000") + packed + bytes(8)
    checksum = internet_checksum(blank).to_bytes(2)
    seen = sight(datagram(blank[:6] + checksum + blank[8:-8] + authentication))
    assert not isinstance(seen, Rejection)
    assert (seen.protocol, seen.vhid, seen.interval) == (Protocol.VRRP_2, 5, SECOND)
    assert seen.addresses == tuple(map(str, addresses))


def test_vrrp_3() -> None:
    seen = sight(datagram(VRRP_3))
    assert not isinstance(seen, Rejection)
    assert (seen.protocol, seen.vhid, seen.strength) == (Protocol.VRRP_3, 6, 200)
    assert (seen.interval, seen.addresses) == (SECOND // 2, ("192.0.2.101",))
    # RFC 9568, 6.1: the skew is (256 - priority) x interval / 256.
    assert seen.patience == 3 * SECOND // 2 + 56 * SECOND // 2 // 256
    ipv6 = sight(datagram(VRRP_3_IPV6, HERE6))
    assert not isinstance(ipv6, Rejection)
    assert (ipv6.family, ipv6.addresses) == (6, ("fe80::100", "fe80::100"))


def test_farewells() -> None:
    bow_out = Advertisement(42, 255, 255, 1, bytes(20)).encode()
    for payload in (bow_out, VRRP_2[:2] + b"\0" + VRRP_2[3:]):
        seen = sight(datagram(payload))
        assert not isinstance(seen, Rejection)
        assert seen.leaving


@pytest.mark.parametrize(
    "payload", [b"", VRRP_3[:11], VRRP_3[:3] + b"\xff" + VRRP_3[4:], bytes(36), b"\x31\x01"]
)
def test_what_is_neither_is_named(payload: bytes) -> None:
    assert isinstance(sight(datagram(payload)), Rejection)


def test_vrrp_3_of_ipv6_cut_short() -> None:
    assert sight(datagram(VRRP_3_IPV6[:20], HERE6)) is Rejection.TRUNCATED
