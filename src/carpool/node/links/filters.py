"""Socket filters of Linux: programs of classic BPF (linux/filter.h) that the kernel runs.

What a filter turns away never wakes the process: a busy network must not keep the daemon busy.
"""

import array
import socket
import struct
from collections.abc import Collection, Sequence

LD, LDH, LDB, JEQ, RET = 0x20, 0x28, 0x30, 0x15, 0x06
"""Load absolute word, half-word and byte; jump if equal; return."""
_LDB_X, _LDX_HEADER, _LD_VALUE, _LD_MEMORY, _STORE = 0x50, 0xB1, 0x00, 0x60, 0x02
"""Load the byte at X + value; X = length of the IPv4 header at value; load value; memory."""
_SHIFT, _SHIFT_BY_X, _AND, _TO_X, _JUMP, _JUMP_IF_ANY = 0x74, 0x7C, 0x54, 0x07, 0x05, 0x45
"""Shift right; mask; X = accumulator; jump always; jump if any of the bits is set."""

Step = tuple[int, int, int, int]
"""Code, steps to skip if so and if not, and an offset or a value."""

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_EVERYTHING = 0xFFFF
_VHID = 1
"""Where an advertisement has its vhid."""


def attach(to: socket.socket, program: Sequence[Step]) -> None:
    """Let a socket receive only what `program` accepts. Raises OSError."""
    code = array.array("B", b"".join(struct.pack("=HBBI", *step) for step in program))
    where, _ = code.buffer_info()
    to.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), where))


def vhid_filter(vhids: Collection[int], family: int) -> list[Step]:
    """Return a program for a raw socket of IP `family` (4, 6) that accepts what is for `vhids`.

    VRRP has its id in the same place, so that one of our number still comes through and is named.
    What is too short to have one is turned away.
    """
    words = [0] * 8
    for vhid in vhids:
        words[vhid // 32] |= 1 << vhid % 32
    # A raw IPv4 socket's data begins with the IP header, an IPv6 socket's after it.
    load = [(_LDX_HEADER, 0, 0, 0), (_LDB_X, 0, 0, _VHID)] if family == 4 else [(LDB, 0, 0, _VHID)]
    remember = [(_STORE, 0, 0, 0), (_AND, 0, 0, 31), (_TO_X, 0, 0, 0)]
    which_word = [(_LD_MEMORY, 0, 0, 0), (_SHIFT, 0, 0, 5)]
    choices: list[Step] = []
    wanted = [(number, word) for number, word in enumerate(words) if word]
    for left, (number, word) in zip(reversed(range(len(wanted))), wanted, strict=True):
        # To the test behind the later choices, of three steps each, and the rejection.
        choices += [(JEQ, 0, 2, number), (_LD_VALUE, 0, 0, word), (_JUMP, 0, 0, 3 * left + 1)]
    test = [(_SHIFT_BY_X, 0, 0, 0), (_JUMP_IF_ANY, 1, 0, 1)]
    reject, accept = (RET, 0, 0, 0), (RET, 0, 0, _EVERYTHING)
    return [*load, *remember, *which_word, *choices, reject, *test, reject, accept]
