"""Mutations of an input that know its form, and can sign: else coverage ends at the digest."""

import random
from collections.abc import Callable
from dataclasses import replace

from tests.carp.fuzz import GROUP, filled_in
from tests.fuzz.receive import (
    AS_IPV4,
    BY_VHID,
    EVENTS,
    HEADER,
    READINGS,
    ROLES,
    STEPS,
    Record,
    records,
)

Anyhow = Callable[[bytes, int], bytes]
"""libFuzzer's own mutation: of some bytes, to so many at most."""

_LONGEST = 255
_SEQUENCED = 0x4350


def mutated(data: bytes, longest: int, rng: random.Random, anyhow: Anyhow) -> bytes:
    """Return another input of at most `longest` bytes."""
    if rng.random() < 0.05:
        return anyhow(data, longest)
    rows = list(records(data))
    if not rows:
        rows.append(Record(AS_IPV4, 0, 0, b""))
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice(_MUTATIONS)(rows, rng, anyhow)
    encoded = data[:1] or b"\0"
    if rng.random() < 0.05:
        encoded = bytes((rng.randrange(len(ROLES)),))
    for row in rows:
        encoded += row.encode() if len(encoded) + HEADER + len(row.frame) <= longest else b""
    return encoded


def mended(record: Record, rng: random.Random) -> Record:
    """Return it with lengths, group, checksums and digest as they should be, but for some."""
    frame = bytearray(record.frame)
    old = record.reading == AS_IPV4
    start = (frame[0] & 15) * 4 if old and frame else 40
    if len(frame) < start + 36:
        return record
    end = start + 36
    role = BY_VHID.get(frame[start + 1])
    if role is not None and rng.random() < 0.95:
        short = rng.random() < 0.1
        frame[start + 16 : end] = role.digest(bytes(frame[start + 8 : start + 16]), short=short)
    if rng.random() < 0.95:
        filled_in(frame, start, end, start + 6)
    if rng.random() < 0.95:
        if old:
            frame[2:4] = len(frame).to_bytes(2)
            frame[16:20] = GROUP[4]
        else:
            frame[4:6] = (len(frame) - 40).to_bytes(2)
            frame[24:40] = GROUP[6]
    if old and rng.random() < 0.95:
        filled_in(frame, 0, start, 10)
    return replace(record, frame=bytes(frame))


def _any(rows: list[Record], rng: random.Random, anyhow: Anyhow) -> None:
    at = rng.randrange(len(rows))
    rows[at] = replace(rows[at], frame=anyhow(rows[at].frame, _LONGEST)[:_LONGEST])


def _any_mended(rows: list[Record], rng: random.Random, anyhow: Anyhow) -> None:
    at = rng.randrange(len(rows))
    _any(rows, rng, anyhow)
    rows[at] = mended(rows[at], rng)


def _field(rows: list[Record], rng: random.Random, _: Anyhow) -> None:
    """Change a byte of what CARP or IP says, and mend the rest."""
    at = rng.randrange(len(rows))
    frame = bytearray(rows[at].frame)
    start = (frame[0] & 15) * 4 if frame and rows[at].reading == AS_IPV4 else 40
    if len(frame) > start:
        place = rng.choice(
            (rng.randrange(max(start, 1)), *(start + n for n in (1, 2, 4, 5, rng.randrange(16))))
        )
        frame[min(place, len(frame) - 1)] = rng.choice((0, 1, 2, 240, 254, 255, rng.randrange(256)))
    rows[at] = mended(replace(rows[at], frame=bytes(frame)), rng)


def _whose(rows: list[Record], rng: random.Random, _: Anyhow) -> None:
    _set(rows, rng, 1, bytes((rng.choice(list(BY_VHID)),)))


def _counter(rows: list[Record], rng: random.Random, _: Anyhow) -> None:
    """Sign another counter: random, sequenced, near one of the sequence, or one of another row."""
    near = rng.choice((1, 300, 70_000, 1 << 32, (86400 << 16) + rng.randrange(-2, 3), 1 << 48))
    counter = rng.choice(
        (
            rng.randbytes(8),
            (_SEQUENCED << 48 | rng.randrange(near)).to_bytes(8),
            rng.choice(rows).frame[-28:-20].ljust(8, b"\0"),
        )
    )
    _set(rows, rng, 8, counter)


def _set(rows: list[Record], rng: random.Random, offset: int, value: bytes) -> None:
    at = rng.randrange(len(rows))
    frame = bytearray(rows[at].frame)
    if len(frame) >= 56:
        frame[len(frame) - 36 + offset : len(frame) - 36 + offset + len(value)] = value
    rows[at] = mended(replace(rows[at], frame=bytes(frame)), rng)


def _when(rows: list[Record], rng: random.Random, _: Anyhow) -> None:
    at = rng.randrange(len(rows))
    rows[at] = replace(rows[at], step=rng.randrange(len(STEPS)), event=rng.randrange(EVENTS))


def _where(rows: list[Record], rng: random.Random, _: Anyhow) -> None:
    at = rng.randrange(len(rows))
    rows[at] = mended(replace(rows[at], reading=rng.randrange(READINGS)), rng)


def _again(rows: list[Record], rng: random.Random, _: Anyhow) -> None:
    rows.insert(rng.randrange(len(rows) + 1), rng.choice(rows))


def _drop(rows: list[Record], rng: random.Random, _: Anyhow) -> None:
    if len(rows) > 1:
        del rows[rng.randrange(len(rows))]


def _swap(rows: list[Record], rng: random.Random, _: Anyhow) -> None:
    a, b = rng.randrange(len(rows)), rng.randrange(len(rows))
    rows[a], rows[b] = rows[b], rows[a]


_MUTATIONS = (
    *(_any, _any_mended, _field, _field, _whose, _counter, _counter, _when, _when),
    *(_where, _again, _again, _drop, _swap),
)
