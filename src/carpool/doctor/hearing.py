"""Hearing on one interface what arrives, what leaves, and what this host's raw sockets get.

On Linux through a packet socket, which stands before the packet filter, and through raw IP sockets,
which stand behind it: what the first has and the second lack was dropped on this host. Elsewhere
through the raw sockets alone.
"""

import socket
import struct
import sys
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv6Address

from carpool.carp.frames import claim
from carpool.carp.packet import GROUP_V4, GROUP_V6, TTL, Datagram, parse_ipv4, parse_ipv6
from carpool.carp.wire import PROTOCOL, Rejection
from carpool.doctor.observation import Word
from carpool.node.links.filters import JEQ, LDB, LDH, RET, Step, attach
from carpool.node.listening import CannotListenError, open_sockets
from carpool.watch.sighting import Sighting, sight

_ALL_PROTOCOLS = 0x0003  # ETH_P_ALL: the only one that sees what leaves
_IPV4, _IPV6, _ARP = 0x0800, 0x86DD, 0x0806
_ICMPV6, _NEIGHBOUR_ADVERTISEMENT = 58, 136
_BYTES = 2048
_BUDGET = 256  # packets at a time
_MOST_WORDS = 1024
_MOST_COUNTERS = 4096
_MOST_SENDERS, _MOST_CLAIMS = 256, 64
_RECEIVE_BUFFER = 1 << 20

WANTED: list[Step] = [
    (LDH, 0, 0, 12),
    (JEQ, 9, 0, _ARP),
    (JEQ, 0, 2, _IPV4),
    (LDB, 0, 0, 23),
    (JEQ, 6, 7, PROTOCOL),
    (JEQ, 0, 6, _IPV6),
    (LDB, 0, 0, 20),
    (JEQ, 3, 0, PROTOCOL),
    (JEQ, 0, 3, _ICMPV6),
    (LDB, 0, 0, 54),
    (JEQ, 0, 1, _NEIGHBOUR_ADVERTISEMENT),
    (RET, 0, 0, _BYTES),
    (RET, 0, 0, 0),
]
"""BPF over a frame: protocol 112 of both families, ARP, and neighbour advertisements."""

_Key = tuple[bytes, bytes, int, int, bool, bytes]


class Hearing:
    """The sockets of one interface, and what they heard. A context manager."""

    def __init__(self, interface: str, groups: Collection[bytes] = (), *, whole: bool) -> None:
        """Listen, also to further IPv4 multicast `groups`. Raises CannotListenError.

        `whole`: all that arrives is for this interface, so that raw sockets should get it.
        """
        self.interface = interface
        self._words: dict[_Key, Word] = {}
        self._counters: dict[_Key, set[int]] = {}
        self._delivered: Counter[tuple[bytes, int]] = Counter()
        self.answers: dict[bytes, dict[bytes, bytes]] = {}
        self.claims: dict[bytes, set[bytes]] = {}
        self.wanted: Collection[bytes] = ()
        """Addresses, packed, of which it is to be known who has them."""
        self._stack = ExitStack()
        self._raw = [self._stack.enter_context(one) for one in open_sockets(interface)]
        self._tap: socket.socket | None = None
        self._whole = whole
        try:
            self._join(groups)
            if sys.platform == "linux":
                self._tap = self._stack.enter_context(_open_tap(interface))
        except OSError as error:
            self.close()
            raise CannotListenError(f"cannot listen on {interface!r}: {error}") from None
        self.sockets = [*self._raw, *([self._tap] if self._tap else [])]
        for one in self.sockets:
            one.setblocking(False)

    def __enter__(self) -> "Hearing":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _join(self, groups: Iterable[bytes]) -> None:
        index = socket.if_nametoindex(self.interface)
        for group in set(groups) - {GROUP_V4}:
            request = struct.pack("=4s4si", group, b"", index)
            self._raw[0].setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)

    def ask(self, frame: bytes) -> None:
        """Send a question, where the system lets us. Raises OSError."""
        if self._tap is not None:
            self._tap.send(frame)

    def receive(self, now: int) -> None:
        """Take note of what has arrived, within a budget. `now` is in ns."""
        for raw in self._raw:
            for _ in range(_BUDGET):
                try:
                    packet, sender = raw.recvfrom(_BYTES)
                except OSError:
                    break
                self._on_raw(raw.family, packet, sender, now)
        for _ in range(_BUDGET if self._tap else 0):
            assert self._tap is not None
            try:
                frame, sender = self._tap.recvfrom(_BYTES)
            except OSError:
                return
            self._on_frame(frame, outgoing=sender[2] == socket.PACKET_OUTGOING, now=now)

    def _on_raw(self, family: int, packet: bytes, sender: tuple[str, int], now: int) -> None:
        datagram: Datagram | Rejection
        if family == socket.AF_INET6:
            # Without its header; it came to a link-local group, so through no router.
            source = IPv6Address(sender[0].partition("%")[0]).packed
            datagram = Datagram(source, GROUP_V6, TTL, packet)
        else:
            datagram = parse_ipv4(packet)
        if isinstance(datagram, Rejection):
            return
        if len(datagram.payload) > 1 and len(self._delivered) < _MOST_COUNTERS:
            self._delivered[datagram.source, datagram.payload[1]] += 1
        if self._tap is None:
            self._note(Word(self.interface, packet, b"", datagram, sight(datagram)), now)

    def _on_frame(self, frame: bytes, *, outgoing: bool, now: int) -> None:
        parse = {b"\x08\x00": parse_ipv4, b"\x86\xdd": parse_ipv6}.get(frame[12:14])
        datagram = parse(frame[14:]) if parse else Rejection.PROTOCOL
        if isinstance(datagram, Datagram):
            said = sight(datagram)
            word = Word(self.interface, frame, frame[6:12], datagram, said, outgoing)
            self._note(word, now)
        elif not outgoing and (found := claim(frame)) is not None:
            self._on_claim(found.address, found.mac, frame)

    def _on_claim(self, address: bytes, mac: bytes, frame: bytes) -> None:
        if address in self.wanted:
            macs = self.answers.setdefault(address, {})
            if len(macs) < _MOST_CLAIMS:
                macs[mac] = frame
        if mac in self.claims or len(self.claims) < _MOST_SENDERS:
            claims = self.claims.setdefault(mac, set())
            if len(claims) < _MOST_CLAIMS:
                claims.add(address)

    def _note(self, word: Word, now: int) -> None:
        kind = word.reading.protocol if isinstance(word.reading, Sighting) else word.reading
        key = (
            *(word.datagram.source, word.mac, word.vhid, word.datagram.ttl, word.outgoing),
            kind.encode() + word.datagram.destination,
        )
        before = self._words.get(key)
        if before is None:
            if len(self._words) < _MOST_WORDS:
                self._words[key] = replace(word, first=now, last=now)
                self._remember(key, word)
            return
        seen = self._remember(key, word)
        same = _counter(word) is not None and _counter(word) == _counter(before)
        self._words[key] = replace(
            word,
            number=before.number + 1,
            first=before.first,
            last=now,
            same_counter=before.same_counter + 1 if same else 0,
            repeated=before.repeated + seen,
        )

    def _remember(self, key: _Key, word: Word) -> bool:
        """Keep its counter; tell whether it is one of before."""
        counter = _counter(word)
        kept = self._counters.setdefault(key, set())
        if counter is None or counter in kept:
            return counter is not None
        if len(kept) < _MOST_COUNTERS:
            kept.add(counter)
        return False

    def words(self) -> list[Word]:
        """Return what was heard."""
        if self._tap is None or not self._whole:
            return list(self._words.values())
        return [
            word if word.outgoing else replace(word, delivered=self._delivered[_named(word)])
            for word in self._words.values()
        ]

    def close(self) -> None:
        """Close the sockets."""
        self._stack.close()


def _named(word: Word) -> tuple[bytes, int]:
    return word.datagram.source, word.vhid


def _counter(word: Word) -> int | None:
    said = word.reading
    return said.counter if isinstance(said, Sighting) else None


def _open_tap(interface: str) -> socket.socket:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        attach(tap, WANTED)
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        tap.bind((interface, _ALL_PROTOCOLS))
    except OSError:
        tap.close()
        raise
    return tap
