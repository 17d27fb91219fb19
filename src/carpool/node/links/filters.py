"""Socket filters of Linux: programs of classic BPF (linux/filter.h) that the kernel runs.

What a filter turns away never wakes the process: a busy network must not keep the daemon busy.
"""

import array
import socket
import struct
from collections.abc import Collection, Sequence

from carpool.carp.wire import AUTHLEN, SIZE, VERSION_AND_TYPE

LD, LDH, LDB, JEQ, RET = 0x20, 0x28, 0x30, 0x15, 0x06
"""Load absolute word, half-word and byte; jump if equal; return."""
_LDB_X, _LDX_HEADER, _LD_VALUE, _LD_MEMORY, _STORE = 0x50, 0xB1, 0x00, 0x60, 0x02
"""Load the byte at X + value; X = length of the IPv4 header at value; load value; memory."""
_SHIFT, _SHIFT_BY_X, _AND, _TO_X, _JUMP, _JUMP_IF_ANY = 0x74, 0x7C, 0x54, 0x07, 0x05, 0x45
"""Shift right; mask; X = accumulator; jump always; jump if any of the bits is set."""
_LD_LENGTH, _SUBTRACT_X, _JGE = 0x80, 0x1C, 0x35
"""Load the packet's length; subtract X; jump if greater or equal."""

Step = tuple[int, int, int, int]
"""Code, steps to skip if so and if not, and an offset or a value."""

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_EVERYTHING = 0xFFFF
_RANDOM = 0xFFFFF000 + 56
"""SKF_AD_OFF + SKF_AD_RANDOM: where a load finds 32 random bits."""
_VLAN_TAG, _VLAN_ID = 0xFFFFF000 + 44, 0x0FFF
"""SKF_AD_OFF + SKF_AD_VLAN_TAG: where it finds the tag that the kernel took off; its number."""
_TTL_OF_IPV4 = 8
_VERSION_AND_TYPE, _VHID, _AUTHLEN = 0, 1, 3
"""Where an advertisement has them."""
UNTAGGED: list[Step] = [
    (LD, 0, 0, _VLAN_TAG),
    (_AND, 0, 0, _VLAN_ID),
    (JEQ, 1, 0, 0),
    (RET, 0, 0, 0),
]
"""Goes on with what is of no VLAN: theirs a packet socket sees on the interface below, bare."""
SAMPLE = 1024
"""Of so many misfits a filter that samples lets one through."""
FORGER_SAMPLE = 64
"""Of so many packets of a source that is muted."""
_SOURCE_OF_IPV4 = 12


def attach(to: socket.socket, program: Sequence[Step]) -> None:
    """Let a socket receive only what `program` accepts. Raises OSError."""
    code = array.array("B", b"".join(struct.pack("=HBBI", *step) for step in program))
    where, _ = code.buffer_info()
    to.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), where))


def vhid_filter(
    vhids: Collection[int], family: int, *, sample: bool = False, muted: Collection[bytes] = ()
) -> list[Step]:
    """Return a program for a raw socket of IP `family` (4, 6) that accepts what is for `vhids`.

    What is too short for a vhid is turned away. VRRP has its id where CARP has the vhid, and gets
    through if that is one of ours. To `sample` is to let only some of the misfits through, VRRP and
    whatever else does not have the form of a CARP advertisement: few enough to cost nothing, and
    enough to say that they are there. Some of all, too, that comes from one of the IPv4 addresses
    `muted`, of which there may be 200.
    """
    words = [0] * 8
    for vhid in vhids:
        words[vhid // 32] |= 1 << vhid % 32
    remember = [(_STORE, 0, 0, 0), (_AND, 0, 0, 31), (_TO_X, 0, 0, 0)]
    which_word = [(_LD_MEMORY, 0, 0, 0), (_SHIFT, 0, 0, 5)]
    choices: list[Step] = []
    wanted = [(number, word) for number, word in enumerate(words) if word]
    for left, (number, word) in zip(reversed(range(len(wanted))), wanted, strict=True):
        # To the test behind the later choices, of three steps each, and the rejection.
        choices += [(JEQ, 0, 2, number), (_LD_VALUE, 0, 0, word), (_JUMP, 0, 0, 3 * left + 1)]
    test = [(_SHIFT_BY_X, 0, 0, 0), (_JUMP_IF_ANY, 1, 0, 1)]
    reject, accept = (RET, 0, 0, 0), (RET, 0, 0, _EVERYTHING)
    chosen = [*_load(family, _VHID), *remember, *which_word, *choices, reject, *test, reject]
    sampled = _misfits(family) if sample else []
    return [*chosen, *sampled, *(_muted(muted) if family == 4 and muted else ()), accept]


def _load(family: int, at: int) -> list[Step]:
    """Load a byte of the advertisement: an IPv4 socket's data begins with the IP header."""
    return [(_LDX_HEADER, 0, 0, 0), (_LDB_X, 0, 0, at)] if family == 4 else [(LDB, 0, 0, at)]


def _misfits(family: int) -> list[Step]:
    """Go on to the step after these with what is well formed, and with some of what is not."""
    tests = [[*_load(family, _VERSION_AND_TYPE), (JEQ, 0, 0, VERSION_AND_TYPE)]]
    tests.append([*_load(family, _AUTHLEN), (JEQ, 0, 0, AUTHLEN)])
    header = [(_LDX_HEADER, 0, 0, 0), (_LD_LENGTH, 0, 0, 0), (_SUBTRACT_X, 0, 0, 0)]
    tests.append([*(header if family == 4 else [(_LD_LENGTH, 0, 0, 0)]), (_JGE, 0, 0, SIZE)])
    if family == 4:
        tests.append([(LDB, 0, 0, _TTL_OF_IPV4), (JEQ, 0, 0, 255)])
    steps = [step for test in tests for step in test]
    # Each comparison that fails jumps to the lottery, behind the jump over it.
    for number, (code, _, _, value) in enumerate(steps):
        if code in (JEQ, _JGE):
            steps[number] = (code, 0, len(steps) - number, value)
    return [*steps, *_or_lottery(SAMPLE)]


def _muted(sources: Collection[bytes]) -> list[Step]:
    """Go on to the step after these with what is of none of `sources`, and with some of theirs."""
    steps: list[Step] = [(LD, 0, 0, _SOURCE_OF_IPV4)]
    for left, source in zip(reversed(range(len(sources))), sources, strict=True):
        # To the lottery, behind the later comparisons and the jump over it.
        steps.append((JEQ, left + 1, 0, int.from_bytes(source)))
    return [*steps, *_or_lottery(FORGER_SAMPLE)]


def _or_lottery(sample: int) -> list[Step]:
    """Jump over a lottery that one in `sample` wins, a power of two."""
    lottery = [(LD, 0, 0, _RANDOM), (_AND, 0, 0, sample - 1), (JEQ, 1, 0, 0), (RET, 0, 0, 0)]
    return [(_JUMP, 0, 0, len(lottery)), *lottery]
