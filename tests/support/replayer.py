"""An attacker on the LAN who sends again what was sent before, as it was or changed."""

import sys
from collections.abc import Iterable
from pathlib import Path
from subprocess import Popen

from tests.support.wire import Capture

from carpool.carp.packet import parse_ipv4
from carpool.carp.wire import Rejection
from carpool.lab.zone import Zone

_REPLAY = """
import socket, sys, time
from carpool.carp.packet import ipv4_packet
from carpool.carp.frames import ethernet
from carpool.carp.wire import decode
from dataclasses import replace

sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("net0", 0))
frames = []
for line in open(sys.argv[1]):
    frame = bytes.fromhex(line)
    said = decode(frame[34:])
    frames.append(frame)
    for changed in ((0, 1), (255, 255)):  # stronger than anybody; a bow-out
        payload = replace(said, advbase=changed[0], advskew=changed[1]).encode()
        for source in (frame[26:30], bytes([10, 0, 6, 6])):
            frames.append(frame[:14] + ipv4_packet(source, payload))
while True:
    for frame in frames:
        try:
            sender.send(frame)
        except OSError:
            pass
        time.sleep(0.01)
"""


def captured(capture: Capture, source: bytes) -> list[bytes]:
    """Return the frames with an advertisement that came from an IPv4 address so far."""
    found = [(frame.data, parse_ipv4(frame.data[14:])) for frame in capture.frames()]
    return [
        data
        for data, parsed in found
        if not isinstance(parsed, Rejection) and parsed.source == source
    ]


def replay(zone: Zone, frames: Iterable[bytes], folder: Path) -> "Popen[bytes]":
    """Send the frames from a zone again and again, also with what CARP leaves unsigned changed."""
    file = folder / "captured"
    file.write_text("\n".join(frame.hex() for frame in frames))
    return zone.start([sys.executable, "-P", "-c", _REPLAY, str(file)], log=folder / "replay.log")
