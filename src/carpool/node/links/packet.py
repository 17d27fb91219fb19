"""Packet sockets of Linux that hear only what their filter lets through.

A filter is a program of classic BPF (linux/filter.h), which the kernel runs on each frame: a busy
network must not keep the daemon busy.
"""

import array
import socket
import struct
from collections.abc import Sequence

LD, LDH, LDB, JEQ, RET = 0x20, 0x28, 0x30, 0x15, 0x06
"""Load absolute word, half-word and byte; jump if equal; return."""

Step = tuple[int, int, int, int]
"""Code, steps to skip if equal and if not, and an offset in the frame or a value."""

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h


def listen(interface: str, ethertype: int, program: Sequence[Step]) -> socket.socket:
    """Return a socket that hears frames of others that `program` accepts. Raises OSError."""
    # Protocol 0 hears nothing yet, so that nothing comes in before the filter is there.
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        code = array.array("B", b"".join(struct.pack("=HBBI", *step) for step in program))
        where, _ = code.buffer_info()
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), where)
        )
        listener.bind((interface, ethertype))
    except OSError:
        listener.close()
        raise
    return listener
