"""Whatever is on the wire: it is recorded within bounds, judged, and told, without an error."""

import json
from dataclasses import replace
from random import Random

from tests.doctor.speaker import advertisement, vrrp
from tests.doctor.support import END, HEALTHY, PORT

from carpool.carp.frames import gratuitous_arp, neighbour_advertisement
from carpool.carp.packet import Datagram, parse_ipv4
from carpool.carp.timing import SECOND
from carpool.doctor.diagnosis import diagnose
from carpool.doctor.record import MOST_CLAIMS, MOST_MACS, MOST_WORDS, Record
from carpool.doctor.text import document, lines

SIGNED = advertisement(42, "192.0.2.2", address="192.0.2.100", counter=1)


def record() -> Record:
    return Record("net0")


def test_counters() -> None:
    heard = record()
    for counter in (1, 2, 2, 1, 3, 3, 3):
        frame = advertisement(42, "192.0.2.2", address="192.0.2.100", counter=counter)
        heard.on_frame(frame, counter, outgoing=False)
    (word,) = heard.words(delivery=False)
    assert (word.number, word.repeated, word.same_counter) == (7, 4, 2)
    assert word.delivered is None


def due(*said: tuple[float, int, int]) -> tuple[int, int]:
    """Return how many of these were heard, and were due: instants in s, advbase and advskew."""
    heard = record()
    for counter, (second, advbase, advskew) in enumerate(said):
        frame = advertisement(42, "192.0.2.2", counter=counter, advbase=advbase, advskew=advskew)
        heard.on_frame(frame, round(second * SECOND), outgoing=False)
    (word,) = heard.words(delivery=False)
    return word.number, word.due // 1000 + 1


def test_what_was_due() -> None:
    steady = [(float(second), 1, 0) for second in range(5)]
    assert due(*steady) == (5, 5)
    assert due(*steady[::2]) == (3, 5)
    # It was demoted for a while, and so it spoke half as often.
    assert due((0, 1, 0), (1, 1, 0), (2, 2, 0), (4, 2, 0), (6, 1, 0), (7, 1, 0)) == (6, 6)
    # Another was master meanwhile: without a word of leave, or with one.
    assert due((0, 1, 0), (1, 1, 0), (9, 1, 0), (10, 1, 0)) == (4, 4)
    assert due((0, 1, 0), (1, 255, 255), (4, 1, 0), (5, 1, 0)) == (4, 4)


def test_delivery() -> None:
    heard = record()
    other = advertisement(43, "192.0.2.2", address="192.0.2.100")
    for frame in (SIGNED, SIGNED, other):
        heard.on_frame(frame, 0, outgoing=False)
    datagram = parse_ipv4(SIGNED[14:])
    assert isinstance(datagram, Datagram)
    heard.on_delivered(datagram)
    assert [word.delivered for word in heard.words(delivery=True)] == [1, 0]


def test_who_answers_and_what_it_claims() -> None:
    heard = record()
    address, mac = bytes((192, 0, 2, 100)), bytes(6)
    heard.on_frame(gratuitous_arp(mac, address), 0, outgoing=False)
    assert (heard.answers, heard.claims) == ({}, {mac: {address}})
    heard.wanted = [address]
    heard.on_frame(gratuitous_arp(mac, address), 0, outgoing=True)
    assert heard.answers == {}
    heard.on_frame(gratuitous_arp(mac, address), 0, outgoing=False)
    assert heard.answers == {address: {mac: gratuitous_arp(mac, address)}}


def test_a_flood_of_made_up_senders_fills_no_memory() -> None:
    heard = record()
    address = bytes((192, 0, 2, 100))
    heard.wanted = [address]
    for number in range(2 * MOST_WORDS):
        mac = number.to_bytes(6)
        frame = SIGNED[:6] + mac + SIGNED[12:]
        heard.on_frame(frame, number, outgoing=False)
        heard.on_frame(gratuitous_arp(mac, address), 0, outgoing=False)
        heard.on_frame(gratuitous_arp(bytes(6), number.to_bytes(4)), 0, outgoing=False)
    assert len(heard.words(delivery=False)) == MOST_WORDS
    assert len(heard.answers[address]) == MOST_MACS
    assert len(heard.claims[bytes(6)]) == MOST_CLAIMS


def test_mutated_frames() -> None:
    random = Random(6)
    seeds = [
        SIGNED,
        vrrp(42, "192.0.2.9", "192.0.2.100"),
        gratuitous_arp(bytes((2, 0, 0, 0, 0, 9)), bytes((192, 0, 2, 100))),
        neighbour_advertisement(bytes((2, 0, 0, 0, 0, 9)), bytes(15) + b"\1"),
    ]
    for _ in range(40):
        heard = record()
        heard.wanted = [bytes((192, 0, 2, 100))]
        for _ in range(25):
            frame = bytearray(random.choice(seeds))
            for _ in range(random.randrange(4)):
                frame[random.randrange(len(frame))] = random.randrange(256)
            cut = (
                bytes(frame[: random.randrange(len(frame) + 1)]) if random.random() < 0.2 else frame
            )
            for now in range(0, END, END // random.choice((1, 5))):
                heard.on_frame(bytes(cut), now, outgoing=random.random() < 0.1)
        port = replace(PORT, answers=heard.answers)
        words = tuple(heard.words(delivery=random.random() < 0.5))
        seen = replace(HEALTHY, words=words, ports={"net0": port})
        found = diagnose(seen)
        assert list(lines(seen, found))
        assert json.dumps(document(seen, found))
