"""Link protection: what leaves a zone's nic, frame by frame."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_interface

import pytest
from tests.lab.smartos.support import NEEDS, UUID, VIP, Payload, create, nic, payload, smartos

from carpool.carp.frames import BROADCAST, ethernet, gratuitous_arp, virtual_mac
from carpool.carp.wire import internet_checksum
from carpool.lab.smartos.protection import link_local

pytestmark = NEEDS

MAC = "02:08:20:12:34:56"
REAL = bytes.fromhex(MAC.replace(":", ""))
VIRTUAL = virtual_mac(42)
OWN = IPv4Address("192.168.0.201")
FOREIGN = IPv4Address("192.168.0.77")
CARP = 112
MULTICAST = IPv4Address("224.0.0.18")

NOTHING: Payload = {}
ALLOWED: Payload = {"allowed_ips": [VIP]}
ANY_IP: Payload = {"allow_ip_spoofing": True}
ANY_MAC: Payload = {"allowed_ips": [VIP], "allow_mac_spoofing": True}
ARTICLE: Payload = {"allow_ip_spoofing": True, "allow_mac_spoofing": True}


def ipv4(source: IPv4Address, mac: bytes = REAL, protocol: int = CARP) -> bytes:
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 255, protocol, 0, source.packed, MULTICAST.packed
    )
    header = header[:10] + struct.pack("!H", internet_checksum(header)) + header[12:]
    return ethernet(mac, bytes.fromhex("01005e000012"), header + bytes(8))


def ipv6(source: IPv6Address) -> bytes:
    group = IPv6Address("ff02::12")
    packet = struct.pack("!IHBB16s16s", 6 << 28, 8, CARP, 255, source.packed, group.packed)
    return ethernet(REAL, bytes.fromhex("333300000012"), packet + bytes(8))


def arp(mac: bytes, sender: bytes, address: IPv4Address) -> bytes:
    """Return a gratuitous ARP from one MAC that names another, or the same."""
    frame = gratuitous_arp(sender, address.packed)
    return BROADCAST + mac + frame[12:]


def vip() -> IPv4Address:
    return IPv4Address(VIP)


PROBE = arp(REAL, REAL, IPv4Address(0))[:38] + OWN.packed


@contextmanager
def wire() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as opened:
        opened.bind(("net0", 3))
        yield opened


@pytest.mark.parametrize(
    ("flags", "passing", "dropped"),
    [
        (
            NOTHING,
            [ipv4(OWN), arp(REAL, REAL, OWN), PROBE, ipv4(OWN, protocol=17)],
            [
                *(ipv4(OWN, VIRTUAL), ipv4(vip()), ipv4(FOREIGN), arp(REAL, REAL, vip())),
                *(arp(REAL, VIRTUAL, OWN), arp(VIRTUAL, VIRTUAL, OWN)),
            ],
        ),
        (
            ALLOWED,
            [ipv4(OWN), ipv4(vip()), arp(REAL, REAL, vip())],
            [ipv4(vip(), VIRTUAL), ipv4(FOREIGN), arp(REAL, VIRTUAL, vip())],
        ),
        (
            ANY_IP,
            [ipv4(FOREIGN), arp(REAL, REAL, vip())],
            [ipv4(OWN, VIRTUAL), arp(REAL, VIRTUAL, vip())],
        ),
        (
            ANY_MAC,
            [ipv4(OWN, VIRTUAL), arp(REAL, REAL, vip())],
            [ipv4(FOREIGN, VIRTUAL), arp(VIRTUAL, VIRTUAL, vip()), arp(REAL, VIRTUAL, vip())],
        ),
        (
            ARTICLE,
            [ipv4(FOREIGN, VIRTUAL), arp(REAL, REAL, FOREIGN)],
            [arp(VIRTUAL, VIRTUAL, vip()), arp(REAL, VIRTUAL, vip())],
        ),
        (
            {"ips": ["192.168.0.201/24", "2001:db8::1/64"], "allowed_ips": ["2001:db8::9"]},
            [
                *(ipv6(IPv6Address("2001:db8::1")), ipv6(IPv6Address("2001:db8::9"))),
                *(ipv6(link_local(MAC)), ipv6(IPv6Address("::"))),
            ],
            [ipv6(IPv6Address("2001:db8::2")), ipv6(IPv6Address("fe80::1"))],
        ),
    ],
    ids=["nothing", "allowed", "any ip", "any mac", "article", "ipv6"],
)
def test_what_leaves(flags: Payload, passing: list[bytes], dropped: list[bytes]) -> None:
    with smartos("gz1") as (datacenter, (host,)):
        watcher = datacenter.lab.add_zone("watcher", addresses=[ip_interface("192.168.0.9/24")])
        create(host, payload(nics=[nic(mac=MAC, **flags)]))
        with watcher.namespace.entered(), wire() as seeing:
            with host.in_network_of(UUID), wire() as sending:
                # What must not pass goes first: what passes ends the wait for it.
                for frame in (*dropped, *passing):
                    sending.send(frame)
            assert seen(seeing, [*dropped, *passing], last=passing[-1]) == passing


def test_an_update_takes_effect_at_once() -> None:
    with smartos("gz1") as (datacenter, (host,)):
        watcher = datacenter.lab.add_zone("watcher", addresses=[ip_interface("192.168.0.9/24")])
        create(host, payload(nics=[nic(mac=MAC)]))
        with watcher.namespace.entered(), wire() as seeing:
            with host.in_network_of(UUID), wire() as sending:
                sending.send(ipv4(vip()))
                change = {"update_nics": [{"mac": MAC, "allowed_ips": [VIP]}]}
                done = host.run(f"vmadm update {UUID}", json.dumps(change))
                assert done.returncode == 0, done.stderr
                sending.send(arp(REAL, REAL, vip()))
            frames = [ipv4(vip()), arp(REAL, REAL, vip())]
            assert seen(seeing, frames, last=frames[-1]) == frames[1:]


def seen(watching: socket.socket, sent: list[bytes], last: bytes) -> list[bytes]:
    """Return which of the frames sent arrive, up to the last."""
    watching.settimeout(10)
    deadline = time.monotonic() + 60
    found: list[bytes] = []
    while last not in found:
        assert time.monotonic() < deadline
        frame = watching.recv(2048)
        if frame in sent and frame not in found:
            found.append(frame)
    return found


def test_a_tagged_frame_is_dropped() -> None:
    tagged = ipv4(OWN)[:12] + bytes.fromhex("81000005") + ipv4(OWN)[12:]
    with smartos("gz1") as (datacenter, (host,)):
        watcher = datacenter.lab.add_zone("watcher", addresses=[ip_interface("192.168.0.9/24")])
        create(host, payload(nics=[nic(mac=MAC)]))
        with watcher.namespace.entered(), wire() as seeing:
            with host.in_network_of(UUID), wire() as sending:
                sending.send(tagged)
                sending.send(ipv4(OWN))
            # A packet socket shows a frame without its tag: two alike would arrive.
            assert seen(seeing, [ipv4(OWN)], ipv4(OWN)) == [ipv4(OWN)]
            assert ipv4(OWN) not in rest(seeing)


def test_vlans_are_apart() -> None:
    with smartos("gz1", "gz2", vlans=[5]) as (_, (first, second)):
        create(first, payload(nics=[nic(vlan_id=5)]))
        create(second, payload(202, nics=[nic(202, vlan_id=5)]))
        other = "1d1f2a7c-0f0e-4f5e-8b39-d4f7a3d2c133"
        create(second, payload(203, uuid=other, nics=[nic(203)]))
        for uuid, reaches in ((UUID, True), (other, False)):
            with second.in_network_of(uuid), wire() as seeing:
                seeing.settimeout(10 if reaches else 0.3)
                with first.in_network_of(UUID), wire() as sending:
                    sending.send(arp(own_mac(sending), own_mac(sending), OWN))
                assert hears(seeing, OWN) == reaches


def rest(watching: socket.socket) -> list[bytes]:
    """Return what still comes, until nothing does for a while."""
    watching.settimeout(0.2)
    found = []
    with suppress(TimeoutError):
        while True:
            found.append(watching.recv(2048))
    return found


def own_mac(of: socket.socket) -> bytes:
    return bytes(of.getsockname()[4])


def hears(watching: socket.socket, sender: IPv4Address) -> bool:
    """Whether an ARP of that sender comes before the timeout."""
    deadline = time.monotonic() + (watching.gettimeout() or 0)
    while time.monotonic() < deadline:
        try:
            frame = watching.recv(2048)
        except TimeoutError:
            break
        if frame[12:14] == b"\x08\x06" and frame[28:32] == sender.packed:
            return True
    return False
