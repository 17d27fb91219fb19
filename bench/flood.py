"""A stranger that floods its network with advertisements: `flood.py KIND RATE FILE [VHID]`.

KIND is `foreign vhid`, `VRRP` (of the daemon's own number), `truncated` or `bad digest`, RATE in
frames per second, VHID the daemon's (1). Writes the rate that it
reaches to FILE, again and again, until killed.
"""

import random
import socket
import sys
import time
from pathlib import Path

from carpool.carp.frames import ethernet, multicast_mac
from carpool.carp.packet import GROUP_V4, ipv4_packet
from carpool.carp.wire import Advertisement

_BURSTS_PER_SECOND = 200
_MAC = bytes.fromhex("020000000666")
_SOURCE = bytes((10, 0, 6, 6))
_FRAMES = 64  # different ones, sent in turns
OWN_VHID = 1
_TRUNCATED = 20  # bytes of 36


def frames(kind: str, own: int = OWN_VHID) -> list[bytes]:
    """Return the frames of a kind."""
    vrrp = bytes((0x21, own, 50, 1, 0, 1)) + bytes(2) + bytes((10, 0, 1, 1)) + bytes(8)
    chance = random.Random(1)  # the same each time
    payloads: list[bytes] = []
    for number in range(_FRAMES):
        if kind == "VRRP":
            payloads.append(vrrp)
            continue
        vhid = 100 + number if kind == "foreign vhid" else own
        digest = chance.randbytes(20)
        whole = Advertisement(vhid, 1, 0, chance.getrandbits(64), digest).encode()
        payloads.append(whole[:_TRUNCATED] if kind == "truncated" else whole)
    group = multicast_mac(GROUP_V4)
    return [ethernet(_MAC, group, ipv4_packet(_SOURCE, payload)) for payload in payloads]


def main(kind: str, rate: int, report: Path, own: int = OWN_VHID) -> None:
    """Send until killed."""
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("net0", 0))
    turns = frames(kind, own)
    began, sent = time.monotonic(), 0
    while True:
        due = began + sent / rate
        time.sleep(max(0.0, due - time.monotonic()))
        for number in range(rate // _BURSTS_PER_SECOND):
            sender.send(turns[number % len(turns)])
        sent += rate // _BURSTS_PER_SECOND
        took = time.monotonic() - began
        if took > 0.5:
            scratch = report.with_suffix(".new")
            scratch.write_text(f"{sent / took:.0f}")
            scratch.replace(report)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:]))
