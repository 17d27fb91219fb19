"""Which counters are fresh: the one part of an advertisement that tells it from its replay.

The counter is under the HMAC, so nobody without the password can make one. What an outsider can do
is send again what was sent before; this module remembers what was. docs/replay.md has the reasons.

A *sequenced* counter, which we send, is a tag of 16 bits and 48 bits that only ever go up: the time
in 1/65536 s since 1970, or more than the highest heard or sent if that is more, and then a little
more by chance: two masters of one clock must not say the same at one instant. ucarp, NetBSD and
FreeBSD continue from what they hear, and so join the sequence when they first hear one of us.
Until then theirs are *random*, and are remembered one by one.
"""

import struct
from array import array
from binascii import crc32
from bisect import bisect_left
from collections.abc import Callable
from enum import StrEnum

from carpool.carp.timing import SECOND
from carpool.carp.wire import Rejection

REMEMBERED = 8192
"""Random counters that are remembered: at one advertisement per second, those of 2.3 hours."""

LEAP = 86400 << 16
"""How far a sequenced counter may be above the highest to be believed alone: a day."""

_SLOT = struct.Struct("<QQQQ")
_NO_CHECKSUM = bytes(4)
_SLOT_SIZE = _SLOT.size + len(_NO_CHECKSUM)
SLOTS_SIZE = 2 * _SLOT_SIZE
"""What `Counters` saves each time is in the first bytes, one slot after the other ..."""
RING = 4096
"""... and from here on are the random counters, 8 bytes each."""
RECORD_SIZE = RING + 8 * REMEMBERED
"""Bytes that `Counters` saves for a later run."""

_TAG = 0x4350 << 48
_LAST_CLOCK = (1 << 48) - (1 << 40)
_END = _TAG + (1 << 48) - (1 << 39)
"""From here on a counter counts as random, so that the sequence can always be continued."""

_64_BITS = (1 << 64) - 1
_LEAST_SPREAD = 256
_MOST_SPREAD = 1 << 15
"""Among how many counters chance chooses the next: half of those of the time since the last one,
so that they never run ahead of the clock, and of half a second at most, so that who has drawn less
than another is still believed to be late. Two masters that send at one instant, once a second,
draw the same once in 32,768 times."""

_RECENT = 64
"""The last sequenced counters, among which one may be late."""
_SPARE = 32
"""So many more until the older ones are dropped, together: to move all for each is slow."""

_STRIDE = 8
"""A counter that is at most so far above another one continues it: some may have been lost."""

_STUCK = 3
"""Refusals of one counter, and no other, at the pace of advertisements, that are no accident."""

_NO_COUNTER = 0  # as it is in memory; it has no tag


class Replay(StrEnum):
    """What a virtual host refuses. The value is its public name."""

    WINDOW = "window"
    """What was heard before, as far as it is remembered."""
    STRICT = "strict"
    """All but sequenced counters as well: for peers that are carpool, or have heard it."""
    OFF = "off"
    """Nothing: for OpenBSD, which sends one counter for as long as it runs."""


class Counters:
    """The counters of one virtual host: those it has accepted and those it sends."""

    def __init__(
        self,
        mode: Replay = Replay.WINDOW,
        *,
        wall: int = 0,
        seed: int = 0,
        saved: bytes = b"",
        save: Callable[[int, bytes], None] | None = None,
    ) -> None:
        """Begin with what an earlier run has saved, up to `RECORD_SIZE` bytes, which may be none.

        `wall`: nanoseconds since 1970 at instant 0 of the clock that `now` is read from. A step of
        the wall clock thus changes nothing before the next run. `seed`: a random number of 64
        bits. `save` writes bytes to a place in what the next run is given. It is valid after each
        such write, so that the process may be killed at any time.
        """
        self.mode = mode
        self.patience = 4 * SECOND
        """Nanoseconds in which a peer that speaks as well hears of it: the virtual host sets it."""
        self.wall = wall
        self._ring: bytearray | None = None
        """The last random counters, 8 bytes each."""
        self._save_bytes = save
        self._highest: int | None = None
        self._raised_at = 0
        self._sent_at: int | None = None
        self._late_for = 0
        """How many nanoseconds after the highest came, and below it, another may be late."""
        self._recent = array("Q")
        """Sequenced counters accepted or sent above `_floor`, ascending."""
        self._noted_at = array("q")
        """When each of them was, nanoseconds."""
        self._floor = 0
        self._dice = seed
        self._leapt: int | None = None
        """A counter too far ahead to be believed before another one continues it."""
        self._heard = 0
        """Random counters ever accepted."""
        self._serial = 0
        self.recalled = False
        """Whether the last counter that was judged was among the random ones remembered."""
        self._stuck_at = 0
        self._refused_at = 0
        self._refusals = 0
        self._load(saved)

    @property
    def highest(self) -> int | None:
        """The highest sequenced counter that was accepted or sent."""
        return self._highest

    @property
    def suspicion(self) -> tuple[int, int, int]:
        """What refusals leave behind: of which counter the last ones were, when, how many."""
        return self._stuck_at, self._refused_at, self._refusals

    @suspicion.setter
    def suspicion(self, suspicion: tuple[int, int, int]) -> None:
        self._stuck_at, self._refused_at, self._refusals = suspicion

    def follow(self, counter: int, now: int) -> None:
        """Go on from `counter`, the `highest` of an earlier run of this virtual host."""
        if _TAG <= counter < _END and counter > (self._highest or 0):
            self._raise(counter, now)
            self._floor = counter
            self._save()

    def next(self, now: int) -> int:
        """Return the counter for the next advertisement. `now` is in nanoseconds."""
        counter = _TAG + min(max(((self.wall + now) << 16) // SECOND, 0), _LAST_CLOCK)
        if self._highest is not None:
            counter = max(counter, self._highest + 1)
        self._dice = (self._dice * 6364136223846793005 + 1442695040888963407) & _64_BITS
        counter += (self._dice >> 32) * self._spread(now) >> 32
        self._sent_at = now
        self._raise(counter, now)
        # Who continues from what he heard may not have heard this one: ucarp hears a second late.
        self._late_for = self.patience
        self._save()
        return counter

    def goes_on(self, counter: int) -> bool:
        """Tell whether `take` would accept this as the next of the sequence, whatever the mode."""
        highest = self._highest
        if highest is None or not highest < counter <= highest + LEAP or counter >= _END:
            return False
        return not self._remembers(counter)

    def go_on(self, counter: int, now: int) -> None:
        """Take a counter of which `goes_on` is true."""
        self._refusals = 0
        self.recalled = False
        self._raise(counter, now)
        self._save()

    def take(self, counter: int, now: int) -> Rejection | None:
        """Accept the counter of an authentic advertisement, or tell why it is refused.

        A refusal changes nothing that a later one depends on.
        """
        rejection = self._take(counter, now)
        if rejection is None or self.mode is Replay.OFF:
            self._refusals = 0
            return None
        if rejection is not Rejection.REPLAY:
            return rejection
        if counter != self._stuck_at:
            self._stuck_at, self._refusals = counter, 0
        if not self._refusals or now - self._refused_at >= self.patience // 8:
            self._refusals += 1
            self._refused_at = now
        return Rejection.CONSTANT if self._refusals >= _STUCK else rejection

    def _take(self, counter: int, now: int) -> Rejection | None:
        sequenced = _TAG <= counter < _END
        self.recalled = self._remembers(counter)
        if self.recalled:
            return Rejection.REPLAY
        if sequenced and self._highest is not None and counter <= self._highest + LEAP:
            return self._continue(counter, now)
        if self.mode is Replay.OFF and not sequenced:
            return None
        if sequenced:
            leapt, self._leapt = self._leapt, counter
            if leapt is not None and leapt < counter <= leapt + LEAP:
                self._raise(counter, now)
                self._save()
                return None
        if self.mode is Replay.STRICT:
            return Rejection.UNSEQUENCED
        if sequenced:
            self._note(counter, now)
        self._remember(counter)
        self._save()
        return None

    def _continue(self, counter: int, now: int) -> Rejection | None:
        """Judge a sequenced counter that is below the highest, or above it by no leap."""
        highest = self._highest
        assert highest is not None
        if counter > highest:
            self._raise(counter, now)
        else:
            if counter <= self._floor or counter in self._recent:
                return Rejection.REPLAY
            late = now - self._raised_at < self._late_for
            late = late and counter > highest - (self._late_for << 16) // SECOND
            if not (late or self._continues(counter, now)):
                return Rejection.REPLAY
            self._note(counter, now)
        self._save()
        return None

    def _spread(self, now: int) -> int:
        if self._sent_at is None:
            return _MOST_SPREAD
        half = (now - self._sent_at << 15) // SECOND
        return min(max(half, _LEAST_SPREAD), _MOST_SPREAD)

    def _continues(self, counter: int, now: int) -> bool:
        """Tell whether a counter below the highest goes on from one that was heard lately.

        Of several that follow, as ucarps do, one may have heard another's lower counter after the
        highest, and goes on from that for as long as it is master.
        """
        place = bisect_left(self._recent, counter) - 1
        if place < 0 or self._recent[place] < counter - _STRIDE:
            return False
        return now - self._noted_at[place] < self.patience

    def _raise(self, counter: int, now: int) -> None:
        self._highest = counter
        self._raised_at = now
        self._late_for = SECOND
        self._note(counter, now)

    def _note(self, counter: int, now: int) -> None:
        recent = self._recent
        if not recent or counter > recent[-1]:  # as nearly all are
            recent.append(counter)
            self._noted_at.append(now)
        else:
            place = bisect_left(recent, counter)
            recent.insert(place, counter)
            self._noted_at.insert(place, now)
        if len(recent) > _RECENT + _SPARE:
            self._floor = recent[_SPARE]
            del recent[: _SPARE + 1], self._noted_at[: _SPARE + 1]

    # Random counters: the last of them, in a ring.

    def _remembers(self, counter: int) -> bool:
        ring = self._ring
        if ring is None:
            return False
        wanted = counter.to_bytes(8)
        place = ring.find(wanted)
        while place > 0 and place % 8:
            place = ring.find(wanted, place + 1)
        return place >= 0

    def _remember(self, counter: int) -> None:
        if self._ring is None:  # Only now: most never hear a random counter.
            self._ring = bytearray()
        place, entry = 8 * (self._heard % REMEMBERED), counter.to_bytes(8)
        self._ring[place : place + 8] = entry
        self._heard += 1
        if self._save_bytes is not None:
            self._save_bytes(RING + place, entry)

    # The rest of it: twice, so that one is whole whenever the process may be killed.

    def _save(self) -> None:
        if self._save_bytes is None:
            return
        serial = self._serial = self._serial + 1
        highest, leapt = self._highest or _NO_COUNTER, self._leapt or _NO_COUNTER
        fields = _SLOT.pack(serial, highest, leapt, self._heard)
        checksum = crc32(fields + _NO_CHECKSUM)
        self._save_bytes(_SLOT_SIZE * (serial % 2), fields + checksum.to_bytes(4, "little"))

    def _load(self, saved: bytes) -> None:
        for place in (0, _SLOT_SIZE):
            slot = saved[place : place + _SLOT_SIZE].ljust(_SLOT_SIZE, b"\0")
            serial, highest, leapt, heard = _SLOT.unpack_from(slot)
            checksum = int.from_bytes(slot[_SLOT.size :], "little")
            if serial <= self._serial or checksum != crc32(slot[: _SLOT.size] + _NO_CHECKSUM):
                continue
            self._serial = serial
            self._highest = highest or None
            self._leapt = leapt or None
            self._heard = heard
            self._floor = highest
        if self._heard:
            size = 8 * min(self._heard, REMEMBERED)
            self._ring = bytearray(saved[RING : RING + size].ljust(size, b"\0"))
