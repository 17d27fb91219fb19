"""The tape of one virtual host: its last inputs, in so many bytes and no more.

It is cut into segments, each of which begins with the state of that moment, so that a rerun can
begin with any of them; when the tape is full the oldest is dropped.

What goes on for ever is packed: an advertisement like the last one of its sender, which did no more
than set the timer, takes 10 bytes, and an advertisement of our own like the last one 5 and 4 for
each IP family, with an announcement or without. All else is a line of JSON. Both tell the instant
and the counters exactly. A line is written later: to make it takes longer than to put an address
on, for which a network may be waiting.

Who floods us with advertisements that are refused must not wash the tape away: beyond a few of
them, they are counted only.
"""

import json
import struct
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from carpool.carp.effects import Advertise, Announce, Effect
from carpool.carp.routine import Routine
from carpool.carp.timing import SECOND
from carpool.carp.wire import Advertisement, Rejection
from carpool.recorder.entry import (
    HEARD,
    REFUSED,
    TIMER,
    Entry,
    Outcome,
    counter,
    head,
    short,
)
from carpool.recorder.snapshot import decode, encode

MOST_BYTES = 1 << 18
LEAST_BYTES = 1 << 13
_SEGMENTS = 4
_LEAST_SEGMENT = 1 << 12
"""Bytes: a state takes a quarter of that."""
_LONGEST_RECORD = 512
"""Bytes by which a segment may become too long."""
_MOST_WAITING = 8
"""Entries whose lines may be written later."""

_LINE = struct.Struct("<BI")
_HEARD = struct.Struct("<BIBI")
_SPOKE = struct.Struct("<BI")
_COUNTER = struct.Struct("<I")
_SPOKE_ONCE = struct.Struct("<BII")
"""What `_SPOKE` and one `_COUNTER` are."""
_LINE_KIND, _HEARD_KIND, _SPOKE_KIND, _ANNOUNCED_KIND = 1, 2, 3, 4
_ANNOUNCED: Outcome = ("announce",)
_MOST = (1 << 32) - 1
_MOST_PEERS = 255

_HARMLESS = frozenset({Rejection.INACTIVE, Rejection.OWN, Rejection.AUTHENTICATION})
"""Refusals that leave no trace in the state but that they are counted."""
_TELL_COUNT_EVERY = 60 * SECOND


class TapeError(ValueError):
    """Bytes that are no tape; the text says what is wrong."""


@dataclass(slots=True)
class Segment:
    """A piece of tape, and the state before it."""

    state: bytes
    """JSON, compressed: it takes 2 to 3 kB otherwise."""
    begins: int
    """The instant of that state (ns)."""
    records: bytearray = field(default_factory=bytearray)

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.state) + len(self.records)


@dataclass(slots=True)
class _Peer:
    """What an advertisement must be like to be packed."""

    index: int
    strength: tuple[int, int, int]
    counter: int
    wait: int | None
    """Nanoseconds from its last one until the timer was due."""


@dataclass(slots=True)
class _Last:
    """What packed records refer to: what came before them in their segment."""

    instant: int
    peers: dict[bytes, _Peer] = field(default_factory=dict)
    said: tuple[tuple[int, bytes], ...] = ()
    """Of our last advertisement: family and head of each."""
    counter: int = 0
    due: int = 0
    step: int = 0
    """How much later the timer was due after it than before it."""

    def heard(self, entry: Entry) -> None:
        """Note an advertisement that was accepted."""
        source, *strength, counter = entry.arguments
        wait = None if entry.due is None else entry.due - entry.instant
        known = self.peers.get(source)
        if known is None and len(self.peers) >= _MOST_PEERS:
            return
        index = len(self.peers) if known is None else known.index
        self.peers[source] = _Peer(index, tuple(strength), counter, wait)

    def spoke(self, entry: Entry) -> None:
        """Note what the timer did."""
        due, self.due = self.due, entry.due or 0
        self.step = self.due - due
        outcomes = entry.outcomes
        if outcomes and outcomes[-1] == _ANNOUNCED:
            outcomes = outcomes[:-1]
        self.said = _said(outcomes) or ()
        if self.said:
            self.counter = outcomes[-1][3]

    def note(self, entry: Entry) -> None:
        """Note any entry."""
        self.instant = entry.instant
        if entry.what == HEARD and entry.rejection is None:
            self.heard(entry)
        if entry.what == TIMER:
            self.spoke(entry)
        elif entry.what != REFUSED:
            self.due = entry.due or 0


class _Allowance:
    """How many refusals are still told one by one."""

    def __init__(self, most: int, every: int) -> None:
        """Allow `most` at once, and another one in each `every` nanoseconds."""
        self._most = most
        self._every = every
        self._full_at = 0

    def take(self, now: int) -> bool:
        """Tell whether there is one left, and take it."""
        full_at = max(self._full_at, now) + self._every
        if full_at > now + self._most * self._every:
            return False
        self._full_at = full_at
        return True


class Tape:
    """Grows until it is full, then forgets its beginning."""

    __slots__ = (
        *("_counted_since", "_harmful", "_harmless", "_last", "_most", "_only_counted", "_records"),
        *("_room", "_segment_bytes", "_segments", "_snapshot", "_suspicion", "_suspicion_now"),
        *("_waiting", "full", "on_entry"),
    )

    def __init__(
        self,
        snapshot: Callable[[], dict[str, Any]],
        suspicion: Callable[[], tuple[int, int, int]],
        most_bytes: int,
    ) -> None:
        """Begin an empty tape.

        `snapshot` returns the state of the virtual host as it is, `suspicion` what refusals leave
        of it.
        """
        self.on_entry: Callable[[Entry], None] = lambda _: None
        """Called with each entry that is not packed."""
        self._snapshot = snapshot
        self._suspicion_now = suspicion
        self._most = max(most_bytes, LEAST_BYTES)
        self._segment_bytes = max(self._most // _SEGMENTS, _LEAST_SEGMENT) - _LONGEST_RECORD
        self._segments: deque[Segment] = deque()
        self._records = bytearray()
        """Those of the last segment."""
        self._waiting: list[Entry] = []
        """The last entries, whose lines are still to be written."""
        self._last = _Last(0)
        self._harmless = _Allowance(8, 10 * SECOND)
        self._harmful = _Allowance(32, SECOND // 4)
        self._only_counted: Counter[Rejection] = Counter()
        self._counted_since = 0
        self._suspicion: tuple[int, int, int] | None = None
        """What those that were only counted have left, to be told before the next entry."""
        self.full = True
        """Whether `begin` is to be called before the next input."""
        self._room = 0
        """Bytes of records in the last segment until it is full."""

    @property
    def segments(self) -> Sequence[Segment]:
        """The pieces, the oldest first."""
        self._write()
        return self._segments

    @property
    def size(self) -> int:
        """Bytes in use."""
        return sum(segment.size for segment in self.segments)

    @property
    def now(self) -> int:
        """The instant of the last entry."""
        return self._last.instant

    @property
    def due(self) -> int:
        """When the timer was due after the last entry, 0 for never."""
        return self._last.due

    def begin(self, now: int) -> None:
        """Begin a segment, and forget the oldest if there is no room for it."""
        if self._only_counted and self._segments:
            self._tell_count(now)
        self._write()
        text = json.dumps(self._snapshot(), separators=(",", ":"))
        state = zlib.compress(text.encode(), 1)
        self._segments.append(Segment(state, now))
        self._records = self._segments[-1].records
        self._room = max(self._segment_bytes - len(state), self._segment_bytes // 4)
        self.full = False
        self._last = _Last(now)
        while len(self._segments) > 1 and self.size + self._room > self._most:
            self._segments.popleft()

    def heard(
        self,
        source: bytes,
        said: Advertisement,
        now: int,
        effects: Sequence[Effect],
        due: int | None,
        *,
        recalled: bool,
    ) -> None:
        """Record an advertisement that was accepted."""
        if self._suspicion is not None:
            self._tell_count(now)
        strength = (said.advbase, said.advskew, said.demotion)
        if not effects and not recalled and self._heard(source, strength, said.counter, now, due):
            return
        arguments = (source, *strength, said.counter)
        self.add(Entry(now, HEARD, arguments, short(effects), due, None, recalled))

    def heard_again(self, routine: Routine, counter: int, now: int, due: int | None) -> None:
        """Record that what is routine was accepted, with another counter."""
        if self._suspicion is not None:
            self._tell_count(now)
        source, strength = routine.source, routine.strength
        if not self._heard(source, strength, counter, now, due):
            self.add(Entry(now, HEARD, (source, *strength, counter), (), due))

    def _heard(
        self, source: bytes, strength: tuple[int, int, int], counter: int, now: int, due: int | None
    ) -> bool:
        """Record an advertisement like its sender's last, which did no more, if it is. Tell."""
        last = self._last
        peer = last.peers.get(source)
        if peer is None or strength != peer.strength:
            return False
        if (None if due is None else due - now) != peer.wait:
            return False
        try:
            passed, more = now - last.instant, counter - peer.counter
            self._append(_HEARD.pack(_HEARD_KIND, passed, peer.index, more))
        except struct.error:
            return False  # They do not fit.
        peer.counter = counter
        last.instant, last.due = now, due or 0
        return True

    def refused(
        self,
        source: bytes,
        said: Advertisement,
        now: int,
        rejection: Rejection,
        due: int | None,
        *,
        recalled: bool,
    ) -> None:
        """Record an advertisement that was refused, or count it."""
        harmless = rejection in _HARMLESS
        if (self._harmless if harmless else self._harmful).take(now):
            arguments = (source, said.advbase, said.advskew, said.demotion, said.counter)
            recalled = recalled and not harmless  # Else nobody has asked.
            self.add(Entry(now, HEARD, arguments, (), due, rejection, recalled))
            return
        if not self._only_counted:
            self._counted_since = now
        self._only_counted[rejection] += 1
        if not harmless:
            self._suspicion = self._suspicion_now()
        elif now - self._counted_since >= _TELL_COUNT_EVERY:
            self._tell_count(now)

    def spoke_once(self, now: int, payload: bytes, due: int | None) -> None:
        """Record that the timer ran, of which came an advertisement over IPv4 and no more."""
        last, number = self._last, counter(payload)
        like_last = due is not None and due - last.due == last.step
        if like_last and self._suspicion is None and last.said == ((4, head(payload)),):
            try:
                passed, more = now - last.instant, number - last.counter
                self._append(_SPOKE_ONCE.pack(_SPOKE_KIND, passed, more))
            except struct.error:
                pass  # They do not fit.
            else:
                last.instant, last.counter, last.due = now, number, due or 0
                return
        self.spoke(now, (Advertise(4, payload),), due)

    def spoke(self, now: int, effects: Sequence[Effect], due: int | None) -> None:
        """Record that the timer ran."""
        if self._suspicion is not None:
            self._tell_count(now)
        if due is None or not self._spoke_again(now, effects, due):
            self.add(Entry(now, TIMER, (), short(effects), due))

    def _spoke_again(self, now: int, effects: Sequence[Effect], due: int) -> bool:
        """Record an advertisement of our own that is like the last one, if it is. Tell whether."""
        last, said_too = self._last, len(self._last.said)
        passed = now - last.instant
        if not said_too or due - last.due != last.step or not 0 <= passed <= _MOST:
            return False
        kind = _SPOKE_KIND
        if len(effects) == said_too + 1 and type(effects[-1]) is Announce:
            kind, effects = _ANNOUNCED_KIND, effects[:-1]
        if len(effects) != said_too:
            return False
        record, reached = _SPOKE.pack(kind, passed), last.counter
        for effect, said in zip(effects, last.said, strict=True):
            if type(effect) is not Advertise or effect.farewell:
                return False
            payload = effect.payload
            if (effect.family, head(payload)) != said:
                return False
            before, reached = reached, counter(payload)
            more = reached - before
            if not 0 <= more <= _MOST:
                return False
            record += _COUNTER.pack(more)
        self._append(record)
        last.instant, last.counter, last.due = now, reached, due
        return True

    def add(self, entry: Entry) -> None:
        """Record any entry."""
        if self._suspicion is not None:
            self._tell_count(entry.instant)
        waiting = self._waiting
        waiting.append(entry)
        room = self._room - len(self._records) - _LONGEST_RECORD * len(waiting)
        if room < 0 or len(waiting) >= _MOST_WAITING:
            self._write()
        self._last.note(entry)
        self.on_entry(entry)

    def _write(self) -> None:
        """Write the lines that wait."""
        waiting, self._waiting = self._waiting, []
        for entry in waiting:
            line = json.dumps(_as_json(entry), separators=(",", ":")).encode()
            self._append(_LINE.pack(_LINE_KIND, len(line)) + line)

    def _append(self, record: bytes) -> None:
        if self._waiting:
            self._write()
        records = self._records
        records += record
        if len(records) >= self._room:
            self.full = True

    def flush(self) -> None:
        """Record what has only been counted so far."""
        if self._only_counted and self._segments:
            self._tell_count(self._last.instant)

    def _tell_count(self, now: int) -> None:
        counted = {rejection.value: n for rejection, n in self._only_counted.items()}
        suspicion, self._suspicion = self._suspicion, None
        self._only_counted.clear()
        self.add(Entry(now, REFUSED, (counted, suspicion)))


def entries(records: bytes, begins: int) -> Iterator[Entry]:
    """Yield the entries of a segment. Raises TapeError where the bytes make no sense."""
    last, at = _Last(begins), 0
    try:
        while at < len(records):
            kind = records[at]
            if kind == _LINE_KIND:
                _, length = _LINE.unpack_from(records, at)
                at += _LINE.size + length
                entry = _from_json(records[at - length : at])
                if at > len(records):
                    raise TapeError("it ends within a record")
                last.note(entry)
            elif kind == _HEARD_KIND:
                entry = _heard_again(last, *_HEARD.unpack_from(records, at)[1:])
                at += _HEARD.size
            elif kind in {_SPOKE_KIND, _ANNOUNCED_KIND}:
                _, passed = _SPOKE.unpack_from(records, at)
                at += _SPOKE.size
                counters = [
                    _COUNTER.unpack_from(records, at + _COUNTER.size * place)[0]
                    for place in range(len(last.said))
                ]
                at += _COUNTER.size * len(counters)
                entry = _spoke_again(last, passed, counters, kind == _ANNOUNCED_KIND)
            else:
                raise TapeError(f"there is no record of kind {kind}")
            yield entry
    except struct.error:
        raise TapeError("it ends within a record") from None
    except (ValueError, TypeError, LookupError) as error:
        if isinstance(error, TapeError):
            raise
        raise TapeError(f"a record makes no sense: {error!s:.100}") from None


def _heard_again(last: _Last, passed: int, index: int, more: int) -> Entry:
    if index >= len(last.peers):
        raise TapeError(f"there is no peer {index}")
    source, peer = list(last.peers.items())[index]
    last.instant += passed
    peer.counter += more
    due = None if peer.wait is None else last.instant + peer.wait
    last.due = due or 0
    return Entry(last.instant, HEARD, (source, *peer.strength, peer.counter), (), due)


def _spoke_again(last: _Last, passed: int, more: Sequence[int], announced: bool) -> Entry:
    if not last.said:
        raise TapeError("an advertisement like one that is not there")
    last.instant += passed
    last.due += last.step
    outcomes: list[Outcome] = []
    for (family, said), step in zip(last.said, more, strict=True):
        last.counter += step
        outcomes.append(("advertise", family, said.hex(), last.counter, False))
    outcomes += [_ANNOUNCED] * announced
    return Entry(last.instant, TIMER, (), tuple(outcomes), last.due)


def _said(outcomes: Sequence[Outcome]) -> tuple[tuple[int, bytes], ...]:
    """Return families and heads of advertisements, nothing if there was anything else."""
    said = tuple(
        (one[1], bytes.fromhex(one[2])) for one in outcomes if one[0] == "advertise" and not one[4]
    )
    return said if len(said) == len(outcomes) else ()


def _as_json(entry: Entry) -> dict[str, Any]:
    line: dict[str, Any] = {"at": entry.instant, "in": entry.what}
    if entry.arguments:
        line["with"] = [encode(one) for one in entry.arguments]
    if entry.outcomes:
        line["out"] = entry.outcomes
    if entry.due is not None:
        line["due"] = entry.due
    if entry.rejection is not None:
        line["refused"] = entry.rejection.value
    if entry.recalled:
        line["recalled"] = True
    return line


def _from_json(text: bytes) -> Entry:
    try:
        line = json.loads(text)
        rejection = line.get("refused")
        due = line.get("due")
        return Entry(
            int(line["at"]),
            str(line["in"]),
            tuple(decode(one) for one in line.get("with", ())),
            tuple(tuple(one) for one in line.get("out", ())),
            None if due is None else int(due),
            None if rejection is None else Rejection(rejection),
            line.get("recalled", False) is True,
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise TapeError(f"a record makes no sense: {error!s:.100}") from None
