from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from tests.support.waiting import PATIENCE

from carpool.node.listening import CannotListenError, hear_vhids, vhid_of

ADVERTISEMENT = bytes.fromhex("21 2a 00 07 00 01 00 00") + bytes(28)


@pytest.mark.parametrize(
    ("packet", "vhid"),
    [
        (ADVERTISEMENT, 42),
        (b"\x31\x07" + bytes(6), 7),  # VRRP 3
        (b"\x22" + ADVERTISEMENT[1:], 0),
        (ADVERTISEMENT[:7], 0),
        (b"", 0),
    ],
)
def test_vhid_of(packet: bytes, vhid: int) -> None:
    assert vhid_of(packet) == vhid


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def advertising(to: tuple[str | int, ...], *packets: bytes) -> Iterator[None]:
    """Send the packets again and again meanwhile, from when the first has been sent."""
    family = socket.AF_INET6 if len(to) > 2 else socket.AF_INET
    begun, done = threading.Event(), threading.Event()

    def send() -> None:
        with closing(socket.socket(family, socket.SOCK_RAW, 112)) as opened:
            if family == socket.AF_INET:
                local = socket.inet_aton("127.0.0.1")
                opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, local)
            while not done.wait(0.02):
                for packet in packets:
                    with suppress(OSError):  # its own address may not be used yet
                        opened.sendto(packet, to)
                        begun.set()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        assert begun.wait(PATIENCE), "nothing can be sent"
        yield
    finally:
        done.set()
        sender.join()


@pytest.mark.namespaces
@pytest.mark.parametrize("where", ["lo", "127.0.0.1"])
def test_hearing(where: str) -> None:
    ip("link", "set", "lo", "up")
    other = b"\x21\x2b" + ADVERTISEMENT[2:]
    with advertising(("224.0.0.18", 0), ADVERTISEMENT, b"\x99" + ADVERTISEMENT[1:], other):
        assert hear_vhids(where, 2.0) == {42, 43}


@pytest.mark.namespaces
def test_hearing_ipv6() -> None:
    ip("link", "add", "near", "type", "veth", "peer", "name", "far")
    for name in ("near", "far"):
        ip("link", "set", name, "addrgenmode", "none", "up")
    ip("address", "add", "fe80::1/64", "dev", "far", "nodad")
    with advertising(("ff02::12", 0, 0, socket.if_nametoindex("far")), ADVERTISEMENT):
        assert hear_vhids("near", 2.0) == {42}


@pytest.mark.namespaces
def test_silence() -> None:
    ip("link", "set", "lo", "up")
    assert hear_vhids("lo", 0.05) == set()


@pytest.mark.namespaces
@pytest.mark.parametrize("where", ["none0", "", "a\0b", "n" * 99, "192.0.2.1"])
def test_nowhere_to_listen(where: str) -> None:
    with pytest.raises(CannotListenError, match="name an interface of this host"):
        hear_vhids(where, 0.05)
