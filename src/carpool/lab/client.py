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

RECORD: Final = struct.Struct("=qqqq")
"""When it was sent and received (ns, monotonic), the number of the zone that answered, and how long
the client itself had stood still since the record before (ns)."""
_QUESTION: Final = struct.Struct("=q")  # when it was sent
_ROUTE_SECONDS: Final = 0.01
_PATIENCE: Final = 1_000_000_000  # ns
_ANSWER_BYTES: Final = _QUESTION.size + ZONE.size
_STALL: Final = 10_000_000  # ns; less is what a busy machine makes all the time


class Pace:
    """An even pace for questions, and how long the client, not the address, was away.

    On a busy machine the client may wait for a processor: who asks nothing is not answered.
    """

    def __init__(self, hearing: socket.socket, interval: int) -> None:
        """Begin at once; then every `interval` ns. Answers come by `hearing`."""
        self._hearing = hearing
        self._interval = interval
        self._now = self._due = time.monotonic_ns()
        self._stalled = 0

    def hears(self) -> bool:
        """Wait until a question is due or an answer has come. Return whether one has."""
        wait = max(0, self._due - time.monotonic_ns()) / 1e9
        ready = bool(select.select([self._hearing], [], [], wait)[0])
        last, self._now = self._now, time.monotonic_ns()
        late = self._now - max(self._due, last)
        if late >= _STALL:
            self._stalled += late
        return ready

    def question(self) -> int | None:
        """Return the instant to ask at, if that is now."""
        if self._now < self._due:
            return None
        self._due = max(self._due + self._interval, self._now)
        return self._now

    def record(self, sent: int, zone: int) -> bytes:
        """Return the record of an answer that has come now; none if it is too late for anybody."""
        # A zone that thaws answers all that it was asked before; no client waits for those.
        if self._now - sent >= _PATIENCE:
            return b""
        stalled, self._stalled = self._stalled, 0
        return RECORD.pack(sent, self._now, zone, stalled)


def main(address: str, interval: int, output: int) -> None:
    """Ask every `interval` ns until killed."""
    version = ipaddress.ip_address(address).version
    asking = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    asking.setblocking(False)
    _connect(asking, address)
    pace = Pace(asking, interval)
    while True:
        if pace.hears():
            _take(asking, pace, output)
        if now := pace.question():
            # Nobody has the address (no route, no ARP answer, refused): that is what we measure.
            with suppress(OSError):
                asking.send(_QUESTION.pack(now))


def _connect(asking: socket.socket, address: str) -> None:
    """Connect, so that only answers from the address itself are taken, once there is a route."""
    while True:
        with suppress(OSError):
            asking.connect((address, PORT))
            return
        time.sleep(_ROUTE_SECONDS)


def _take(asking: socket.socket, pace: Pace, output: int) -> None:
    """Record one answer; what is none, or the report of a failure, is passed over."""
    with suppress(OSError):
        data = asking.recv(_ANSWER_BYTES + 1)
        if len(data) != _ANSWER_BYTES:
            return
        (sent,) = _QUESTION.unpack_from(data)
        (zone,) = ZONE.unpack_from(data, _QUESTION.size)
        os.write(output, pace.record(sent, zone))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
