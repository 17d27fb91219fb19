"""Somebody on the LAN who says what nobody should: frames made by hand, again and again."""

import sys
from collections.abc import Iterable
from ipaddress import IPv4Address
from subprocess import Popen

from tests.support.lan import PASSWORD, Lan, packed

from carpool.carp.auth import Authenticator
from carpool.carp.frames import ethernet, multicast_mac
from carpool.carp.packet import GROUP_V4, ipv4_packet
from carpool.carp.wire import Advertisement, internet_checksum
from carpool.lab.zone import Zone

MAC = bytes.fromhex("020000000bad")

_SPEAK = """
import socket, sys, time
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("net0", 0))
frames = [bytes.fromhex(frame) for frame in open(sys.argv[1]).read().split()]
while True:
    for frame in frames:
        sender.send(frame)
    print("said", flush=True)
    time.sleep(0.15)
"""


def advertisement(
    vhid: int,
    source: str,
    *,
    address: str = "",
    password: str = PASSWORD,
    counter: int = 7,
    ttl: int = 255,
    advbase: int = 0,
    advskew: int = 200,
) -> bytes:
    """Return a frame of CARP, signed for one address, or with a digest of nothing."""
    digest = bytes(20)
    if address:
        auth = Authenticator(password.encode(), vhid, [IPv4Address(address)])
        digest = auth.digest(counter)
    payload = Advertisement(vhid, advbase, advskew, counter, digest).encode()
    return _frame(source, payload, ttl)


def vrrp(vrid: int, source: str, address: str, password: bytes = bytes(8)) -> bytes:
    """Return a frame of VRRP version 2 (RFC 3768; the password RFC 2338)."""
    head = bytes((0x21, vrid, 100, 1, 0, 1))
    body = packed(address) + password
    return _frame(source, head + internet_checksum(head + bytes(2) + body).to_bytes(2) + body, 255)


def speak(lan: Lan, zone: Zone, frames: Iterable[bytes]) -> "Popen[bytes]":
    """Say these frames several times a second, from a zone; return once they have been said."""
    file = lan.folder / "said"
    file.write_text("\n".join(frame.hex() for frame in frames))
    speaker = lan.start(zone, [sys.executable, "-P", "-c", _SPEAK, str(file)])
    lan.until_logged(speaker, "said")
    return speaker.process


def _frame(source: str, payload: bytes, ttl: int) -> bytes:
    packet = bytearray(ipv4_packet(packed(source), payload))
    packet[8], packet[10:12] = ttl, bytes(2)
    packet[10:12] = internet_checksum(bytes(packet[:20])).to_bytes(2)
    return ethernet(MAC, multicast_mac(GROUP_V4), bytes(packet))
