"""What a neighbour sees of the virtual address: run in a zone, `observer.py ADDRESS MAC INDEX FD`.

Asks by ARP for the address every few milliseconds, as a probe that leaves no trace in anybody's
cache (RFC 5227, 2.1.1), and writes to the file FD who answers, who announces which address by
gratuitous ARP, and every advertisement that arrives, CARP or VRRP. A program of its own, so that
what the bench does meanwhile does not show.
"""

import os
import select
import socket
import struct
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

INTERVAL: Final = 5_000_000  # ns between two questions
RECORD: Final = struct.Struct("=qB14s")
_ARP: Final = 0x0806
_FRAME: Final = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_GROUP: Final = bytes((224, 0, 0, 18))
_PROTOCOL: Final = 112
_FRAME_BYTES: Final = 256


class Kind(IntEnum):
    """What a record is of: our question, an answer (MAC), an advertisement (source, 8 bytes).

    An announcement has the MAC and the address.
    """

    ASKED = 0
    ANSWERED = 1
    ADVERTISED = 2
    ANNOUNCED = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """One record; `when` is of the monotonic clock (ns)."""

    when: int
    kind: Kind
    data: bytes

    @property
    def source(self) -> bytes:
        """The MAC of an answer (6 bytes), or the IPv4 source of an advertisement (4 bytes)."""
        return self.data[:6] if self.kind is Kind.ANSWERED else self.data[:4]

    @property
    def group(self) -> int:
        """The vhid or virtual router of an advertisement."""
        return self.data[5]

    @property
    def is_farewell(self) -> bool:
        """Whether an advertisement says that its sender leaves: CARP 255/255, VRRP priority 0."""
        packet = self.data[4:]
        if packet[3] == 7:  # CARP's authlen; in VRRP the number of addresses
            return packet[2] == packet[5] == 255
        return packet[2] == 0


def read(records: bytes) -> Iterator[Seen]:
    """Take whole records apart."""
    for when, kind, data in RECORD.iter_unpack(records):
        yield Seen(when, Kind(kind), data)


def answering(seen: Sequence[Seen], end: int) -> list[tuple[int, int, frozenset[bytes]]]:
    """Return who answered each question: from when until the next one (ns), and which MACs."""
    asked = [one.when for one in seen if one.kind is Kind.ASKED]
    answers: defaultdict[int, set[bytes]] = defaultdict(set)
    question = 0
    for one in seen:
        if one.kind is Kind.ASKED:
            question = one.when
        elif one.kind is Kind.ANSWERED:
            answers[question].add(one.source)
    return [
        (start, stop, frozenset(answers[start]))
        for start, stop in zip(asked, [*asked[1:], end], strict=False)
    ]


def time_with_two(
    slots: Iterable[tuple[int, int, frozenset[bytes]]], ours: frozenset[bytes], since: int
) -> int:
    """Return how long (ns) after `since` more than one of the MACs `ours` answered."""
    return sum(
        stop - start for start, stop, macs in slots if start >= since and len(macs & ours) > 1
    )


def first_announced(seen: Iterable[Seen], since: int) -> dict[bytes, int]:
    """Return when each address was first announced after `since` (ns), by its 4 bytes."""
    found: dict[bytes, int] = {}
    for one in seen:
        if one.kind is Kind.ANNOUNCED and one.when > since:
            found.setdefault(one.data[6:10], one.when)
    return found


def last_advertised(seen: Iterable[Seen], until: int) -> dict[int, int]:
    """Return when each group was last advertised before `until` (ns), by its vhid."""
    return {one.group: one.when for one in seen if one.kind is Kind.ADVERTISED and one.when < until}


def main(address: str, mac: str, index: int, output: int) -> None:
    """Watch until killed."""
    arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP))
    name = socket.if_indextoname(index)
    arp.bind((name, _ARP))
    adverts = socket.socket(socket.AF_INET, socket.SOCK_RAW, _PROTOCOL)
    membership = struct.pack("@4s4si", _GROUP, b"\0" * 4, index)
    adverts.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    own, wanted = bytes.fromhex(mac), socket.inet_aton(address)
    question = _FRAME.pack(
        *(b"\xff" * 6, own, _ARP, 1, 0x0800, 6, 4, 1, own, b"\0" * 4, b"\0" * 6, wanted)
    )
    due = time.monotonic_ns()
    while True:
        wait = max(0, due - time.monotonic_ns()) / 1e9
        for ready in select.select([arp, adverts], [], [], wait)[0]:
            data = ready.recv(_FRAME_BYTES)
            now = time.monotonic_ns()
            if ready is adverts:
                header = (data[0] & 15) * 4
                source = data[12:16] + data[header : header + 8]
                os.write(output, RECORD.pack(now, Kind.ADVERTISED, source))
            elif data[28:32] == data[38:42]:
                os.write(output, RECORD.pack(now, Kind.ANNOUNCED, data[22:32]))
            elif data[:6] == own and data[28:32] == wanted:
                os.write(output, RECORD.pack(now, Kind.ANSWERED, data[22:28]))
        now = time.monotonic_ns()
        if now >= due:
            arp.send(question)
            os.write(output, RECORD.pack(now, Kind.ASKED, b""))
            due = max(due + INTERVAL, now)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
