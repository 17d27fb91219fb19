"""Packet sockets of Linux that hear only what their filter lets through."""

import socket
from collections.abc import Sequence

from carpool.node.links.filters import Step, attach


def listen(interface: str, ethertype: int, program: Sequence[Step]) -> socket.socket:
    """Return a socket that hears frames of others that `program` accepts. Raises OSError."""
    # Protocol 0 hears nothing yet, so that nothing comes in before the filter is there.
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        attach(listener, program)
        listener.bind((interface, ethertype))
    except OSError:
        listener.close()
        raise
    return listener
