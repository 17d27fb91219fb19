"""The measuring client: `python -m carpool.lab.client ADDRESS INTERVAL_NS FD`.

Sends a small datagram to the address at an even pace and writes a record of each answer to the
file FD. A program of its own, so that the work of the lab does not show in what it measures.
"""

import ipaddress
import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Final

from carpool.lab.echo import PORT, ZONE

RECORD: Final = struct.Struct("=qqq")  # sent, received (ns, monotonic), number of the zone
_QUESTION: Final = struct.Struct("=q")  # when it was sent
_ROUTE_SECONDS: Final = 0.01
_PATIENCE: Final = 1_000_000_000  # ns
_ANSWER_BYTES: Final = _QUESTION.size + ZONE.size


def main(address: str, interval: int, output: int) -> None:
    """Ask every `interval` ns until killed."""
    version = ipaddress.ip_address(address).version
    asking = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    asking.setblocking(False)
    _connect(asking, address)
    due = time.monotonic_ns()
    while True:
        wait = max(0, due - time.monotonic_ns()) / 1e9
        if select.select([asking], [], [], wait)[0]:
            _take(asking, output)
        now = time.monotonic_ns()
        if now >= due:
            # Nobody has the address (no route, no ARP answer, refused): that is what we measure.
            with suppress(OSError):
                asking.send(_QUESTION.pack(now))
            due = max(due + interval, now)


def _connect(asking: socket.socket, address: str) -> None:
    """Connect, so that only answers from the address itself are taken, once there is a route."""
    while True:
        with suppress(OSError):
            asking.connect((address, PORT))
            return
        time.sleep(_ROUTE_SECONDS)


def _take(asking: socket.socket, output: int) -> None:
    """Record one answer; what is none, or the report of a failure, is passed over."""
    with suppress(OSError):
        data = asking.recv(_ANSWER_BYTES + 1)
        received = time.monotonic_ns()
        if len(data) != _ANSWER_BYTES:
            return
        (sent,) = _QUESTION.unpack_from(data)
        (zone,) = ZONE.unpack_from(data, _QUESTION.size)
        # A zone that thaws answers all that it was asked before; no client waits for those.
        if received - sent < _PATIENCE:
            os.write(output, RECORD.pack(sent, received, zone))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
