"""Counters for the virtual hosts of this node, and the file in which they survive a restart."""

import fcntl
import hashlib
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from carpool.carp.counters import REMEMBERED, RING, SLOTS_SIZE, Counters
from carpool.node.log import Log
from carpool.node.settings import GroupSettings
from carpool.node.state import StateDirectory

_MAGIC = b"carpool counters, version 2\n".ljust(64, b"\0")
_KEY_SIZE = 16
_MOST_RECORDS = 4092
_KEPT = 1024
"""So many records a file has before what is no longer configured has to make room."""
_SLOTS = len(_MAGIC) + _KEY_SIZE * _MOST_RECORDS
"""Where the slots of the first record begin, behind a table of the keys of all."""
_RINGS = -(-(_SLOTS + SLOTS_SIZE * _MOST_RECORDS) // 4096) * 4096
"""Where the ring of the first record begins, behind the slots of all."""
_RING_SIZE = 8 * REMEMBERED

_LOCK_SECONDS = 1.0
"""How long the file may still be locked by what a killed daemon left behind."""

Save = Callable[[int, bytes], None]


class BusyError(Exception):
    """Another daemon runs this node; the text says how to mend that."""


class CounterFile:
    """One record for each group, found by what the group is: vhid, interface and addresses.

    It is written by pwrite(2) as advertisements come and go: what the kernel has taken survives
    the end of the process. Not mmap(2): a full disk would end a process that writes to a hole.
    What many groups say and hear in one round of the loop, milliseconds, is written together.
    """

    def __init__(self, path: Path, log: Log) -> None:
        """Open and lock the file, or make it. Raises OSError, and BusyError if it is locked."""
        self._path = path
        self._log = log
        self._fd = self._open()
        self.later: Callable[[Callable[[], None]], None] | None = None
        """Calls something at the end of the round; None: everything is written at once."""
        head = os.pread(self._fd, _SLOTS, 0)
        if head and not (head.startswith(_MAGIC) and len(head) == _SLOTS):
            damaged = path.with_name(f"{path.name}.damaged")
            log.warning(f"{path} is none of this version's files: kept as {damaged}, begun anew")
            path.replace(damaged)
            os.close(self._fd)
            self._fd = self._open()
            head = b""
        if not head:
            head = _MAGIC.ljust(_SLOTS, b"\0")
            try:
                os.pwrite(self._fd, head, 0)
            except OSError:
                self.close()
                raise
        table = head[len(_MAGIC) :]
        self._keys = [table[at : at + _KEY_SIZE] for at in range(0, len(table), _KEY_SIZE)]
        slots = os.pread(self._fd, SLOTS_SIZE * _MOST_RECORDS, _SLOTS)
        self._slots = bytearray(slots.ljust(SLOTS_SIZE * _MOST_RECORDS, b"\0"))
        self._unwritten: list[int] = []
        """Of which records the slots are not in the file yet."""

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._path, flags, 0o600)
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(fd)
                    raise BusyError(
                        f"another carpool has {self._path} open, and so runs this node already: "
                        "stop that one, or give this one another --state-dir"
                    ) from None
                time.sleep(0.02)
            else:
                return fd

    def close(self) -> None:
        """Let another daemon have the file."""
        os.close(self._fd)

    def records(self, groups: Sequence[GroupSettings]) -> list[tuple[bytes, Save]]:
        """Return what is saved of each group, and what saves more of it.

        Of more groups than the file has room for, the last are not saved; nor is any that it cannot
        begin a record for, because the disk is full.
        """
        wanted = [_key(group) for group in groups]
        known = {key: at for at, key in enumerate(self._keys) if any(key)}
        unused = [at for at, key in enumerate(self._keys) if not any(key)]
        stale = [known[key] for key in known.keys() - set(wanted)]
        kept = max(_KEPT, len(wanted))
        free = deque(at for at in unused if at < kept)
        free.extend(sorted(stale))
        free.extend(at for at in unused if at >= kept)
        return [self._record(key, known, free) for key in wanted]

    def _record(
        self, key: bytes, known: Mapping[bytes, int], free: deque[int]
    ) -> tuple[bytes, Save]:
        at = known.get(key)
        if at is None:
            if not free:
                return b"", lambda _place, _data: None
            at = free.popleft()
            try:
                self._begin(at, key)
            except OSError as error:
                self._tell(error)
                return b"", lambda _place, _data: None
        slots = self._slots[at * SLOTS_SIZE : (at + 1) * SLOTS_SIZE]
        saved = bytes(slots.ljust(RING, b"\0"))
        if any(slots):
            saved += os.pread(self._fd, _RING_SIZE, _RINGS + at * _RING_SIZE)
        return saved, partial(self._save, at)

    def _begin(self, at: int, key: bytes) -> None:
        """Begin a record anew. One that was never used is a hole in the file, and stays one."""
        if any(self._keys[at]):
            os.pwrite(self._fd, bytes(_RING_SIZE), _RINGS + at * _RING_SIZE)
        place = at * SLOTS_SIZE
        self._slots[place : place + SLOTS_SIZE] = bytes(SLOTS_SIZE)
        os.pwrite(self._fd, bytes(SLOTS_SIZE), _SLOTS + place)
        self._keys[at] = key
        os.pwrite(self._fd, key, len(_MAGIC) + at * _KEY_SIZE)

    def _save(self, at: int, place: int, data: bytes) -> None:
        if place >= RING:
            self._write(_RINGS + at * _RING_SIZE + place - RING, data)
            return
        start = at * SLOTS_SIZE + place
        self._slots[start : start + len(data)] = data
        unwritten = self._unwritten
        unwritten.append(at)
        if len(unwritten) > 1:
            return  # They will all be written.
        if self.later is None:
            self._write_slots()
        else:
            self.later(self._write_slots)

    def _write_slots(self) -> None:
        """Write the slots that have changed, and those between: groups near in time are near."""
        start, end = min(self._unwritten) * SLOTS_SIZE, (max(self._unwritten) + 1) * SLOTS_SIZE
        self._unwritten.clear()
        self._write(_SLOTS + start, self._slots[start:end])

    def _write(self, place: int, data: bytes | bytearray) -> None:
        try:
            os.pwrite(self._fd, data, place)
        except OSError as error:
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        self._log.error(
            f"cannot write {self._path}: {error.strerror}; a restart will forget which "
            "advertisements were heard since",
            key="counters",
        )


def make_counters(
    groups: Sequence[GroupSettings], file: CounterFile | None, now: int
) -> list[Counters]:
    """Return the counters of each group, which begin with today; `now` is the loop's, in ns.

    This is the one look at the wall clock: a step of it while the daemon runs changes nothing.
    """
    wall = time.time_ns() - now
    if file is None:
        return [_counters(group, wall) for group in groups]
    records = file.records(groups)
    return [
        _counters(group, wall, saved, save)
        for group, (saved, save) in zip(groups, records, strict=True)
    ]


def open_counter_file(state: StateDirectory | None, node: str, log: Log) -> CounterFile | None:
    """Open the node's file, or warn that there will be no memory of this run. Raises BusyError."""
    if state is None:
        return None
    path = state.path / f"{node}.counters"
    try:
        return CounterFile(path, log)
    except OSError as error:
        log.warning(
            f"cannot keep counters in {path}: {error.strerror}; a restart will forget which "
            "advertisements were heard"
        )
        return None


def _counters(
    group: GroupSettings, wall: int, saved: bytes = b"", save: Save | None = None
) -> Counters:
    seed = int.from_bytes(os.urandom(8))
    return Counters(group.carp.replay, wall=wall, seed=seed, saved=saved, save=save)


def _key(group: GroupSettings) -> bytes:
    addresses = sorted(str(address) for address in group.carp.addresses)
    what = (group.carp.vhid, group.interface, str(group.multicast), addresses)
    return hashlib.blake2b(repr(what).encode(), digest_size=_KEY_SIZE).digest()
