"""Packet sockets of Linux that hear only what their filter lets through."""

import socket
from collections.abc import Sequence

from carpool.node.links.filters import Step, attach


def listen(
    interface: str,
    ethertype: int,
    program: Sequence[Step],
    kind: socket.SocketKind = socket.SOCK_RAW,
) -> socket.socket:
    """Return a socket that hears the frames that `program` accepts. Raises OSError.

    Frames of one ethertype are those of others; with ETH_P_ALL it hears the host's own, too. With
    the kind SOCK_DGRAM the socket and `program` have them without the Ethernet header.
    """
    # Protocol 0 hears nothing yet, so that nothing comes in before the filter is there.
    listener = socket.socket(socket.AF_PACKET, kind | socket.SOCK_NONBLOCK, 0)
    try:
        attach(listener, program)
        listener.bind((interface, ethertype))
    except OSError:
        listener.close()
        raise
    return listener
