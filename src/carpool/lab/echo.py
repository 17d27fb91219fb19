"""The program that answers the measuring client in each zone: `python -m carpool.lab.echo NUMBER`.

It sends back each datagram with the zone's number behind it, from the very address that the
datagram was sent to, so that an answer from a VIP comes from the zone that has the VIP.
"""

import select
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

PORT: Final = 7112
ZONE: Final = struct.Struct("=q")

_IP_PKTINFO: Final = getattr(socket, "IP_PKTINFO", 8)  # linux/in.h
_DATAGRAM_BYTES: Final = 512
_ANCILLARY_BYTES: Final = 128


def main(number: int) -> None:
    """Answer until killed."""
    sockets = [_open(socket.AF_INET, socket.IPPROTO_IP, _IP_PKTINFO)]
    with suppress(OSError):  # a kernel without IPv6
        sockets.append(_open(socket.AF_INET6, socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO))
    suffix = ZONE.pack(number)
    while True:
        for ready in select.select(sockets, [], [])[0]:
            # The VIP may go between the question and the answer, which then cannot be sent.
            with suppress(OSError):
                data, ancillary, _, client = ready.recvmsg(_DATAGRAM_BYTES, _ANCILLARY_BYTES)
                # On the way in this says the destination, on the way out the source: ip(7).
                ready.sendmsg([data, suffix], ancillary, 0, client)


def _open(family: int, level: int, packet_info: int) -> socket.socket:
    answering = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        answering.setsockopt(level, socket.IPV6_V6ONLY, 1)
    answering.setsockopt(level, packet_info, 1)
    answering.bind(("", PORT))
    return answering


if __name__ == "__main__":
    main(int(sys.argv[1]))
