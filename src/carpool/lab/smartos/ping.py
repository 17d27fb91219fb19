"""The measuring client: `python -m carpool.lab.smartos.ping ADDRESS INTERVAL_NS FD`.

Pings an IPv4 address at an even pace and writes a record of each answer to the file FD, as
carpool.lab.client does; who answered is its MAC as a number. So nothing has to run in the zones:
their kernels answer, and the hypervisors' link protection judges the answers.
"""

import os
import socket
import struct
import sys
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Final

from carpool.carp.wire import internet_checksum
from carpool.lab.client import Pace

_HEADER: Final = struct.Struct("!BBHHH")  # type, code, checksum, identifier, number: RFC 792
_SENT: Final = struct.Struct("=q")
_REQUEST: Final = 8
_REPLY: Final = 0
_ETHERNET_BYTES: Final = 14
_ADDRESS_AT: Final = 12  # the source, in an IPv4 header: RFC 791
_FRAME_BYTES: Final = 2048
_ETH_P_IP: Final = 0x0800
_SOL_RAW, _ICMP_FILTER = 255, 1  # linux/icmp.h


def main(address: str, interval: int, output: int) -> None:
    """Ask every `interval` ns until killed."""
    asking = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    asking.setsockopt(_SOL_RAW, _ICMP_FILTER, b"\xff\xff\xff\xff")  # it is not read from
    # A packet socket: an ICMP socket does not tell the MAC.
    hearing = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP))
    identifier = os.getpid() & 0xFFFF
    pace = Pace(hearing, interval)
    while True:
        if pace.hears():
            _take(hearing.recv(_FRAME_BYTES), IPv4Address(address), identifier, pace, output)
        if now := pace.question():
            # Nobody has the address: that is what we measure.
            with suppress(OSError):
                asking.sendto(_question(identifier, now), (address, 0))


def _question(identifier: int, now: int) -> bytes:
    data = _SENT.pack(now)
    checksum = internet_checksum(_HEADER.pack(_REQUEST, 0, 0, identifier, 0) + data)
    return _HEADER.pack(_REQUEST, 0, checksum, identifier, 0) + data


def _take(frame: bytes, address: IPv4Address, identifier: int, pace: Pace, output: int) -> None:
    """Record a frame, if it is an answer to us."""
    packet = frame[_ETHERNET_BYTES:]
    if packet[_ADDRESS_AT : _ADDRESS_AT + 4] != address.packed or packet[9] != socket.IPPROTO_ICMP:
        return
    message = packet[(packet[0] & 0x0F) * 4 :]
    if len(message) < _HEADER.size + _SENT.size:
        return
    kind, _, _, whose, _ = _HEADER.unpack_from(message)
    (sent,) = _SENT.unpack_from(message, _HEADER.size)
    if (kind, whose) == (_REPLY, identifier):
        os.write(output, pace.record(sent, int.from_bytes(frame[6:12])))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
