"""A tape stays within its bytes, whoever talks, and loses nothing that it needs."""

import random
from contextlib import suppress
from itertools import count

import pytest
from tests.recorder.support import Peer, host, steps

from carpool.carp.effects import Announce
from carpool.carp.timing import SECOND
from carpool.carp.wire import Advertisement, Rejection
from carpool.recorder.entry import REFUSED, Entry
from carpool.recorder.tape import LEAST_BYTES, Tape, TapeError, entries

STATE = {"filler": random.Random(3).randbytes(500).hex()}
SOURCE = bytes((192, 0, 2, 20))


def tape_of(most_bytes: int) -> Tape:
    return Tape(lambda: STATE, lambda: (0, 0, 0), most_bytes)


def test_200_000_inputs_take_the_bytes_that_they_may() -> None:
    tape = tape_of(1 << 16)
    said = [Advertisement(42, 1, number % 97 == 0, number << 16, b"") for number in range(1000)]
    largest = now = 0
    for _ in range(200):
        for one in said:
            if tape.full:
                largest = max(largest, tape.size)
                tape.begin(now)
            now += 10_000_000
            tape.heard(SOURCE, one, now, (), now + 3 * SECOND, recalled=False)
        for reason in (Rejection.REPLAY, Rejection.AUTHENTICATION):
            tape.refused(SOURCE, one, now, reason, None, recalled=False)
    assert 3 << 14 < largest <= 1 << 16
    assert tape.size <= 1 << 16


def test_repeats_are_small_and_exact() -> None:
    one = host()
    one.start(0)
    peer = Peer()
    instants = [second * SECOND + second % 7 for second in range(1, 101)]
    peer.says(one, instants[0])
    before = one.tape.size
    for now in instants[1:]:
        peer.says(one, now)
    assert one.tape.size - before == 99 * 10
    assert [step.entry.instant for step in steps(one)] == [0, *instants]


def test_advertisements_of_our_own_are_small_with_an_announcement_too() -> None:
    one = host(announce_every=2 * SECOND)
    one.start(0)
    said: list[tuple[int, int]] = []
    sizes: list[int] = []
    while len(said) < 100:
        due = one.timer()
        assert due is not None
        sizes.append(one.tape.size)
        one.handle_timer(due)
        effects = list(iter(one.next_effect, None))
        said.append((due, sum(isinstance(effect, Announce) for effect in effects)))
    assert sum(announced for _, announced in said[4:]) == 48
    assert one.tape.size - sizes[4] == 96 * 9
    timed = [step.entry for step in steps(one)][1:]
    assert [(entry.instant, ("announce",) in entry.outcomes) for entry in timed] == said
    assert not any(step.differs for step in steps(one))


@pytest.mark.parametrize("password", [b"another", None], ids=["forged", "replayed"])
def test_a_flood_does_not_wash_the_tape_away(password: bytes | None) -> None:
    one = host(1 << 17)
    one.start(0)
    peer, attacker = Peer(), Peer("192.0.2.66")
    serial = count()
    for second in range(1, 41):
        peer.says(one, second * SECOND)
        for place in range(100):
            now = second * SECOND + place
            if password is None:
                attacker.says(one, now, counter=peer.counters.highest)
            else:
                attacker.says(one, now, counter=next(serial), password=password)
    again = steps(one)
    assert [step.differs for step in again if step.differs] == []
    told = [step for step in again if step.entry.rejection is not None]
    counts = [step.entry.arguments[0] for step in again if step.entry.what == REFUSED]
    counted = sum(number for one in counts for number in one.values())
    heard = [step for step in again if step.entry.what == "receive" and step.rejection is None]
    assert counted > 9 * len(told)
    assert len(told) + counted == 4000
    assert len(heard) == 40


def test_the_least_tape_has_room_for_a_state() -> None:
    tape = tape_of(1)
    for now in range(1000):
        if tape.full:
            tape.begin(now)
        tape.heard(SOURCE, Advertisement(42, 1, now % 250, now, b""), now, (), 0, recalled=False)
    assert tape.segments
    assert tape.size <= LEAST_BYTES


def test_a_line_is_not_written_while_an_address_moves() -> None:
    tape = tape_of(LEAST_BYTES)
    tape.begin(0)
    (segment,) = tape.segments
    for now in range(5):
        tape.add(Entry(now, "woke", ()))
    assert not segment.records
    assert tape.segments
    assert [one.instant for one in entries(bytes(segment.records), 0)] == [0, 1, 2, 3, 4]


def test_lines_that_wait_keep_their_place_and_the_tape_its_bytes() -> None:
    tape = tape_of(LEAST_BYTES)
    largest = 0
    for now in range(500):
        if tape.full:
            tape.begin(now)
        if now % 3:
            tape.add(Entry(now, "set_demotion", (now % 256, "x" * 200)))
        else:
            tape.heard(SOURCE, Advertisement(42, 1, 0, now, b""), now, (), 5, recalled=False)
        if now % 7 == 0:
            largest = max(largest, tape.size)
    instants = [
        one.instant
        for segment in tape.segments
        for one in entries(bytes(segment.records), segment.begins)
    ]
    assert 10 < len(instants) < 100
    assert instants == list(range(instants[0], 500))
    assert largest <= LEAST_BYTES


def test_bytes_that_are_no_tape_are_refused_and_nothing_else() -> None:
    one = host()
    one.start(0)
    peer = Peer()
    for second in range(1, 40):
        peer.says(one, second * SECOND, advskew=second % 5 == 0)
    (segment,) = one.tape.segments
    good = bytes(segment.records)
    chance = random.Random(2)
    refused = 0
    for _ in range(3000):
        bad = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        with suppress(TapeError):
            list(entries(bytes(bad[: chance.randint(1, len(bad))]), 0))
            continue
        refused += 1
    assert refused > 1000
