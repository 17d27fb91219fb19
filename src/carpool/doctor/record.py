"""The record of what was heard on one interface. Sans-IO, and bounded whatever is sent."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from carpool.carp.frames import claim
from carpool.carp.packet import Datagram, parse_ipv4, parse_ipv6
from carpool.carp.wire import Rejection
from carpool.doctor.observation import Word
from carpool.watch.sighting import Sighting, sight

MOST_WORDS = 4096
"""As many groups as one machine can have on 16 interfaces, or a flood of made-up senders."""
MOST_COUNTERS = 1 << 16
MOST_MACS, MOST_CLAIMS = 64, 1024
"""Of one address, and of one MAC."""
_MOST_SENDERS = 256

_Key = tuple[bytes, bytes, int, int, bool, bytes]


class Record:
    """Takes what arrives, and sums it up."""

    def __init__(self, interface: str) -> None:
        """Begin with nothing."""
        self._interface = interface
        self._words: dict[_Key, Word] = {}
        self._counters: set[tuple[_Key, int]] = set()
        self._delivered: Counter[tuple[bytes, int]] = Counter()
        self.answers: dict[bytes, dict[bytes, bytes]] = {}
        """By address and MAC: the frame in which it says so; of `wanted` addresses."""
        self.claims: dict[bytes, set[bytes]] = {}
        """By MAC: the addresses that it says are its own."""
        self.wanted: Collection[bytes] = ()
        """Addresses, packed, of which it is to be known who has them."""

    def on_delivered(self, datagram: Datagram) -> None:
        """Take note of what a raw socket got."""
        key = datagram.source, datagram.payload[1] if len(datagram.payload) > 1 else 0
        if key in self._delivered or len(self._delivered) < MOST_WORDS:
            self._delivered[key] += 1

    def on_packet(self, packet: bytes, datagram: Datagram, now: int) -> None:
        """Take note of an advertisement without its frame. `now` is in ns, as everywhere here."""
        self._note(Word(self._interface, packet, b"", datagram, sight(datagram)), now)

    def on_frame(self, frame: bytes, now: int, *, outgoing: bool) -> None:
        """Take note of a frame that arrives, or leaves. Never raises."""
        parse = {b"\x08\x00": parse_ipv4, b"\x86\xdd": parse_ipv6}.get(frame[12:14])
        datagram = parse(frame[14:]) if parse else Rejection.PROTOCOL
        if isinstance(datagram, Datagram):
            said = sight(datagram)
            word = Word(self._interface, frame, frame[6:12], datagram, said, outgoing)
            self._note(word, now)
        elif not outgoing and (found := claim(frame)) is not None:
            self._on_claim(found.address, found.mac, frame)

    def words(self, *, delivery: bool) -> list[Word]:
        """Return what was heard. `delivery`: it is known what raw sockets got of it."""
        if not delivery or len(self._delivered) >= MOST_WORDS:
            return list(self._words.values())
        return [
            word if word.outgoing else replace(word, delivered=self._delivered[_named(word)])
            for word in self._words.values()
        ]

    def _on_claim(self, address: bytes, mac: bytes, frame: bytes) -> None:
        if address in self.wanted:
            macs = self.answers.setdefault(address, {})
            if len(macs) < MOST_MACS:
                macs[mac] = frame
        if mac in self.claims or len(self.claims) < _MOST_SENDERS:
            claims = self.claims.setdefault(mac, set())
            if len(claims) < MOST_CLAIMS:
                claims.add(address)

    def _note(self, word: Word, now: int) -> None:
        kind = word.reading.protocol if isinstance(word.reading, Sighting) else word.reading
        key = (
            *(word.datagram.source, word.mac, word.vhid, word.datagram.ttl, word.outgoing),
            kind.encode() + word.datagram.destination,
        )
        repeated = self._remember(key, word)
        before = self._words.get(key)
        if before is None:
            if len(self._words) < MOST_WORDS:
                self._words[key] = replace(word, first=now, last=now)
            return
        same = _counter(word) is not None and _counter(word) == _counter(before)
        self._words[key] = replace(
            word,
            number=before.number + 1,
            first=before.first,
            last=now,
            due=before.due + _due(before, word, now - before.last),
            same_counter=before.same_counter + 1 if same else 0,
            repeated=before.repeated + repeated,
        )

    def _remember(self, key: _Key, word: Word) -> bool:
        """Keep its counter; tell whether it is one of before."""
        counter = _counter(word)
        if counter is None or (key, counter) in self._counters:
            return counter is not None
        if len(self._counters) < MOST_COUNTERS:
            self._counters.add((key, counter))
        return False


def _due(before: Word, word: Word, gap: int) -> int:
    """Return how many should have come since the one before, in thousandths."""
    said, says = before.reading, word.reading
    if not isinstance(said, Sighting) or not isinstance(says, Sighting):
        return 1000
    if said.leaving or gap > said.patience + said.interval // 2:  # another may have been master
        return 1000
    return max(1000, 1000 * gap // max(said.interval, says.interval, 1))


def _named(word: Word) -> tuple[bytes, int]:
    return word.datagram.source, word.vhid


def _counter(word: Word) -> int | None:
    said = word.reading
    return said.counter if isinstance(said, Sighting) else None
