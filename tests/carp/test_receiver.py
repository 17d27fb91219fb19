"""What is accepted, and the name of each reason why something is not."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.carp.support import VIP, VIP6, Bench, Peer, packed
from tests.carp.vectors import NETBSD_INPUT_CHECKS

from carpool.carp import packet
from carpool.carp.counters import Counters
from carpool.carp.election import State
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
from carpool.carp.wire import Rejection, checksum_holds, internet_checksum


def changed(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def summed(payload: bytes) -> bytes:
    """Return an advert with the checksum that fits its first 36 bytes."""
    checksum = internet_checksum(changed(payload[:36], 6, b"\0\0"))
    return changed(payload, 6, checksum.to_bytes(2))


def ip_summed(ip: bytes) -> bytes:
    header = ip[: (ip[0] & 15) * 4]
    return changed(ip, 10, internet_checksum(changed(header, 10, b"\0\0")).to_bytes(2))


@dataclass
class Ear:
    """A receiver with one virtual host on it, advskew 100."""

    bench: Bench
    receiver: Receiver

    def hears(self, ip: bytes) -> VirtualHost | Rejection:
        parsed = parse_ipv4(ip) if ip[:1] and ip[0] >> 4 == 4 else parse_ipv6(ip)
        return self.receiver.receive(parsed, self.bench.now)

    def counted(self) -> dict[Rejection, int]:
        return dict(self.receiver.rejections + self.bench.host.rejections)


@pytest.fixture
def ear() -> Ear:
    bench = Bench.of(100, preempt=True, addresses=(VIP, VIP6)).as_master()
    receiver = Receiver()
    receiver.add(bench.host)
    return Ear(bench, receiver)


PEER = Peer(addresses=(VIP, VIP6))


def v4(advbase: int = 1, advskew: int = 0, peer: Peer = PEER) -> bytes:
    datagram, _ = peer.says(advbase, advskew)
    return ipv4_packet(datagram.source, datagram.payload)


def v6() -> bytes:
    datagram, _ = PEER.says(1, 0, family=6)
    return ipv6_packet(datagram.source, datagram.payload)


def with_payload(ip: bytes, payload: bytes) -> bytes:
    return ipv4_packet(ip[12:16], payload)


def to(ip: bytes, destination: bytes) -> bytes:
    return ip_summed(changed(ip, 16, destination))


VRRP2 = bytes.fromhex("2101640100010000c0000201") + bytes(8)
VRRP3 = bytes.fromhex("310164010064 0000 c0000201")

REJECTED = [
    ("nothing", b"", Rejection.TRUNCATED),
    ("one byte", b"\x45", Rejection.TRUNCATED),
    ("an IPv4 header cut short", v4()[:19], Rejection.TRUNCATED),
    ("an IPv4 packet cut short", v4()[:-1], Rejection.TRUNCATED),
    ("an IPv4 header length below 20", changed(v4(), 0, b"\x44"), Rejection.TRUNCATED),
    ("a total length below the header", changed(v4(), 2, b"\0\x13"), Rejection.TRUNCATED),
    ("options that are not there", changed(v4(), 0, b"\x4f"), Rejection.TRUNCATED),
    ("a damaged IPv4 header", changed(v4(), 8, b"\xfe"), Rejection.IP_CHECKSUM),
    ("UDP", ip_summed(changed(v4(), 9, b"\x11")), Rejection.PROTOCOL),
    ("UDP over IPv6", changed(v6(), 6, b"\x11"), Rejection.PROTOCOL),
    ("an extension header", changed(v6(), 6, b"\0"), Rejection.PROTOCOL),
    ("more fragments", ip_summed(changed(v4(), 6, b"\x20\0")), Rejection.FRAGMENT),
    ("a last fragment", ip_summed(changed(v4(), 6, b"\0\x01")), Rejection.FRAGMENT),
    ("an IPv6 header cut short", v6()[:39], Rejection.TRUNCATED),
    ("an IPv6 packet cut short", v6()[:-1], Rejection.TRUNCATED),
    ("TTL 254", ip_summed(changed(v4(), 8, b"\xfe")), Rejection.TTL),
    ("TTL 0", ip_summed(changed(v4(), 8, b"\0")), Rejection.TTL),
    ("hop limit 254", changed(v6(), 7, b"\xfe"), Rejection.TTL),
    ("another group", to(v4(), packed("224.0.0.19")), Rejection.DESTINATION),
    ("IPv4 unicast", to(v4(), packed("192.0.2.10")), Rejection.DESTINATION),
    ("IPv4 broadcast", to(v4(), b"\xff" * 4), Rejection.DESTINATION),
    ("another IPv6 group", changed(v6(), 24, packed("ff02::1")), Rejection.DESTINATION),
    ("VRRPv2", with_payload(v4(), VRRP2), Rejection.VRRP),
    ("VRRPv3", with_payload(v4(), VRRP3), Rejection.VRRP),
    ("35 bytes", with_payload(v4(), v4()[20:55]), Rejection.TRUNCATED),
    ("no payload", with_payload(v4(), b""), Rejection.TRUNCATED),
    ("version 1", with_payload(v4(), summed(changed(v4()[20:], 0, b"\x11"))), Rejection.VERSION),
    ("authlen 40", with_payload(v4(), summed(changed(v4()[20:], 3, b"\x28"))), Rejection.VERSION),
    ("a damaged advert", with_payload(v4(), changed(v4()[20:], 2, b"\x05")), Rejection.CHECKSUM),
    ("an advert of zeros", with_payload(v4(), bytes(36)), Rejection.VERSION),
    ("another vhid", v4(peer=replace(PEER, vhid=43)), Rejection.VHID),
    ("our own advert", v4(peer=replace(PEER, source="192.0.2.10")), Rejection.OWN),
    ("another password", v4(peer=replace(PEER, password=b"hate")), Rejection.AUTHENTICATION),
    ("other addresses", v4(peer=replace(PEER, addresses=(VIP,))), Rejection.AUTHENTICATION),
]


@pytest.mark.parametrize(("what", "ip", "reason"), REJECTED, ids=[row[0] for row in REJECTED])
def test_rejected_named_counted_once_and_without_effect(
    ear: Ear, what: str, ip: bytes, reason: Rejection
) -> None:
    assert ear.hears(ip) is reason
    assert ear.counted() == {reason: 1}
    ear.bench.collect()
    assert ear.bench.did() == []


KERNELS_BUSINESS = {
    *(Rejection.TRUNCATED, Rejection.PROTOCOL, Rejection.FRAGMENT, Rejection.IP_CHECKSUM),
}
"""What a raw socket never delivers."""


@pytest.mark.parametrize(("what", "ip", "reason"), REJECTED, ids=[row[0] for row in REJECTED])
def test_the_short_way_rejects_forgeries_alone(
    ear: Ear, what: str, ip: bytes, reason: Rejection
) -> None:
    forged = reason is Rejection.AUTHENTICATION
    if reason not in KERNELS_BUSINESS or not ip.startswith(b"\x45"):
        assert ear.receiver.turns_away(ip) is forged
        assert ear.counted() == ({reason: 1} if forged else {})


def test_the_short_way_leaves_what_is_inactive_and_what_is_valid(ear: Ear) -> None:
    assert not ear.receiver.turns_away(v4())
    assert not ear.receiver.turns_away(v4(peer=replace(PEER, source="192.0.2.10", password=b"x")))
    ear.bench.host.link_lost(ear.bench.now)
    assert not ear.receiver.turns_away(v4(peer=replace(PEER, password=b"hate")))
    assert ear.counted() == {}


@given(st.booleans(), st.lists(st.tuples(st.integers(0, 55), st.integers(1, 255)), max_size=3))
def test_the_short_way_is_no_other_way(good: bool, flips: list[tuple[int, int]]) -> None:
    bench = Bench.of(100, addresses=(VIP, VIP6)).as_master()
    receiver = Receiver()
    receiver.add(bench.host)
    ip = v4(peer=PEER if good else replace(PEER, password=b"hate"))
    for at, bits in flips:
        ip = changed(ip, at, bytes((ip[at] ^ bits,)))
    ip = with_payload(ip, summed(ip[20:])) if good else ip
    if receiver.turns_away(ip):
        parsed = parse_ipv4(ip)
        if parsed not in KERNELS_BUSINESS:
            assert receiver.receive(parsed, bench.now) is Rejection.AUTHENTICATION
    else:
        assert receiver.receive(parse_ipv4(ip), bench.now) is not Rejection.AUTHENTICATION


def test_every_reason_but_one_is_above_and_that_one_is_here(ear: Ear) -> None:
    elsewhere = {Rejection.REPLAY, Rejection.CONSTANT, Rejection.UNSEQUENCED}  # test_replay.py
    missing = set(Rejection) - {reason for _, _, reason in REJECTED} - elsewhere
    assert missing == {Rejection.INACTIVE}
    ear.bench.host.link_lost(ear.bench.now)
    assert ear.hears(v4()) is Rejection.INACTIVE
    assert ear.counted() == {Rejection.INACTIVE: 1}


@pytest.mark.parametrize(
    "ip",
    [
        pytest.param(v4(), id="IPv4"),
        pytest.param(v6(), id="IPv6"),
        pytest.param(v4() + bytes(10), id="Ethernet padding behind IPv4"),
        pytest.param(v6() + bytes(10), id="padding behind IPv6"),
        pytest.param(with_payload(v4(), v4()[20:] + b"more"), id="bytes behind the advert"),
        pytest.param(ip_summed(changed(v4(), 1, b"\0")), id="another TOS"),
        pytest.param(ip_summed(changed(v4(), 4, b"\x12\x34")), id="an identification"),
        pytest.param(ip_summed(changed(v4(), 6, b"\0\0")), id="may be fragmented"),
        pytest.param(changed(v6(), 1, b"\x0f\xff\xff"), id="a flow label"),
    ],
)
def test_accepted(ear: Ear, ip: bytes) -> None:
    assert ear.hears(ip) is ear.bench.host
    assert ear.counted() == {}
    assert ear.bench.state() is State.BACKUP


def test_ip_options_are_stepped_over(ear: Ear) -> None:
    ip = v4()
    length = (len(ip) + 4).to_bytes(2)
    optional = ip_summed(b"\x46" + ip[1:2] + length + ip[4:20] + b"\x94\x04\0\0" + ip[20:])
    assert ear.hears(optional) is ear.bench.host


def test_accepted_adverts_are_told_by_vhid() -> None:
    receiver = Receiver()
    benches = {vhid: Bench.of() for vhid in (1, 255)}
    for vhid, bench in benches.items():
        settings = replace(bench.host.settings, vhid=vhid)
        host = VirtualHost(settings, sources=bench.host.sources, counters=Counters())
        host.start(0)
        receiver.add(host)
    for vhid in benches:
        datagram, _ = Peer(vhid=vhid).says()
        assert receiver.receive(datagram, 0) is receiver.hosts[vhid]


def test_one_vhid_twice_on_one_network_is_refused(ear: Ear) -> None:
    with pytest.raises(ValueError, match="vhid 42 is already in use"):
        ear.receiver.add(ear.bench.host)


def test_another_group_can_be_listened_to() -> None:
    """Ucarp --mcast."""
    group = packed("224.0.0.200")
    receiver = Receiver(group)
    bench = Bench.of().start()
    receiver.add(bench.host)
    datagram, _ = bench.peer.says()
    assert receiver.receive(replace(datagram, destination=group), 0) is bench.host
    assert receiver.receive(datagram, 0) is Rejection.DESTINATION


def test_packets_that_we_build_are_packets_that_we_read() -> None:
    payload = v4()[20:]
    source, source6 = packed("192.0.2.1"), packed("fe80::1")
    assert parse_ipv4(ipv4_packet(source, payload)) == Datagram(source, GROUP_V4, 255, payload)
    assert parse_ipv6(ipv6_packet(source6, payload)) == Datagram(source6, GROUP_V6, 255, payload)
    assert parse_ipv4(ipv6_packet(source6, payload)) is Rejection.PROTOCOL
    assert parse_ipv6(ipv4_packet(source, payload)) is Rejection.PROTOCOL
    assert packet.TTL == 255


@pytest.mark.parametrize("data", [b"\0\0", b"\xff\xff", b"\0\0\xff\xff", b"ab", b"abc", bytes(36)])
def test_checksum_is_rfc_1071s(data: bytes) -> None:
    words = [int.from_bytes((data + b"\0")[i : i + 2]) for i in range(0, len(data), 2)]
    total = sum(words)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    assert internet_checksum(data) == total ^ 0xFFFF
    if len(data) % 2 == 0:
        assert checksum_holds(data + internet_checksum(data).to_bytes(2))


# NetBSD's kernel on crafted input, beside us. It is MASTER with advskew 100 and preempts.

STRICTER = {
    "exact replay of the same advert": Rejection.REPLAY,
    "type 2": Rejection.VERSION,  # No CARP ever sent another type.
    "authlen 0": Rejection.VRRP,  # A VRRPv2 advert without addresses looks just like this.
    "unicast dst 192.0.2.11 (bcast mac)": Rejection.DESTINATION,  # No CARP sends to one host.
    "src = receiver own IP 192.0.2.11": Rejection.OWN,  # Our own advert, looped back: no rival.
}
"""Where we deliberately take less than NetBSD."""

STAYING = {
    "equal interval (skew 100)",  # NetBSD yields whatever the addresses; we compare them as ucarp.
    "pad/demote 5",  # NetBSD does not look; as OpenBSD, we do not yield to the more demoted.
}
"""Where NetBSD yields and we stay master."""

REJECTED_BY_BOTH = {
    "ttl 254": Rejection.TTL,
    "bad carp checksum": Rejection.CHECKSUM,
    "HMAC bit flip (checksum ok)": Rejection.AUTHENTICATION,
    "wrong key": Rejection.AUTHENTICATION,
    "wrong vhid 43": Rejection.VHID,
    "version 3": Rejection.VRRP,  # VRRPv3's first byte, and its length fits too.
    "35-byte payload": Rejection.TRUNCATED,
    "vips in other set (none)": Rejection.AUTHENTICATION,
}


IP = v4()
CARP = IP[20:]
CRAFTED = {
    "valid advert skew 0 (we are skew 100)": IP,
    "exact replay of the same advert": IP,
    "replay with lower counter": v4(peer=replace(PEER, counter=-1)),
    "counter 2^64-1": v4(peer=replace(PEER, counter=(1 << 64) - 2)),
    "equal interval (skew 100)": v4(1, 100),
    "slower (skew 101)": v4(1, 101),
    "advbase 0 skew 255": v4(0, 255),
    "bow-out 255/255": v4(255, 255),
    "ttl 254": ip_summed(changed(IP, 8, b"\xfe")),
    "bad carp checksum": with_payload(IP, changed(CARP, 6, bytes((CARP[6] ^ 1,)))),
    "HMAC bit flip (checksum ok)": with_payload(
        IP, summed(changed(CARP, 35, bytes((CARP[35] ^ 1,))))
    ),
    "wrong key": v4(peer=replace(PEER, password=b"wrong")),
    "wrong vhid 43": with_payload(IP, summed(changed(CARP, 1, b"\x2b"))),
    "version 3": with_payload(IP, summed(changed(CARP, 0, b"\x31"))),
    "type 2": with_payload(IP, summed(changed(CARP, 0, b"\x22"))),
    "authlen 0": with_payload(IP, summed(changed(CARP, 3, b"\0"))),
    "pad/demote 5": with_payload(IP, summed(changed(CARP, 4, b"\x05"))),
    "35-byte payload": with_payload(IP, CARP[:35]),
    "36 bytes + 12 trailing bytes": with_payload(IP, CARP + bytes(12)),
    "unicast dst 192.0.2.11 (bcast mac)": to(IP, packed("192.0.2.11")),
    "src = receiver own IP 192.0.2.11": v4(peer=replace(PEER, source="192.0.2.10")),
    "src mac not virtual": IP,  # The source MAC never reaches the core: nobody checks it.
    "vips in other set (none)": v4(peer=replace(PEER, addresses=())),
}


@pytest.mark.parametrize(
    ("case", "netbsd"), NETBSD_INPUT_CHECKS.items(), ids=list(NETBSD_INPUT_CHECKS)
)
def test_beside_netbsd(ear: Ear, case: str, netbsd: str) -> None:
    ip = CRAFTED[case]
    if "replay" in case:
        assert ear.hears(IP) is ear.bench.host
    result = ear.hears(ip)
    expected = STRICTER.get(case) or REJECTED_BY_BOTH.get(case) or ear.bench.host
    assert result is expected
    if case in STRICTER or case in STAYING:
        assert netbsd == "BACKUP"
    if case in STAYING or (case in STRICTER and "replay" not in case):
        assert ear.bench.state() is State.MASTER
    else:
        assert ear.bench.state() == netbsd
