"""Counters for the virtual hosts of this node, and the file in which they survive a restart."""

import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from carpool.carp.counters import RECORD_SIZE, Counters
from carpool.node.log import Log
from carpool.node.settings import GroupSettings
from carpool.node.state import StateDirectory

_MAGIC = b"carpool counters, version 1\n".ljust(64, b"\0")
_KEY_SIZE = 16
_MOST_RECORDS = 1020
_RECORDS = len(_MAGIC) + _KEY_SIZE * _MOST_RECORDS
"""Where the first record begins: behind a table of the keys of all."""

_LOCK_SECONDS = 1.0
"""How long the file may still be locked by what a killed daemon left behind."""

Save = Callable[[int, bytes], None]


class BusyError(Exception):
    """Another daemon runs this node; the text says how to mend that."""


class CounterFile:
    """One record for each group, found by what the group is: vhid, interface and addresses.

    It is written by pwrite(2) as advertisements come and go: what the kernel has taken survives
    the end of the process. Not mmap(2): a full disk would end a process that writes to a hole.
    """

    def __init__(self, path: Path, log: Log) -> None:
        """Open and lock the file, or make it. Raises OSError, and BusyError if it is locked."""
        self._path = path
        self._log = log
        self._fd = self._open()
        head = os.pread(self._fd, _RECORDS, 0)
        if head and not (head.startswith(_MAGIC) and len(head) == _RECORDS):
            damaged = path.with_name(f"{path.name}.damaged")
            log.warning(f"{path} is none of this version's files: kept as {damaged}, begun anew")
            path.replace(damaged)
            os.close(self._fd)
            self._fd = self._open()
            head = b""
        if not head:
            head = _MAGIC.ljust(_RECORDS, b"\0")
            os.pwrite(self._fd, head, 0)
        table = head[len(_MAGIC) :]
        self._keys = [table[at : at + _KEY_SIZE] for at in range(0, len(table), _KEY_SIZE)]

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

        Of more groups than the file has room for, the last are not saved. Raises OSError.
        """
        wanted = [_key(group) for group in groups]
        free = [at for at, key in enumerate(self._keys) if not any(key)]
        free += [at for at, key in enumerate(self._keys) if any(key) and key not in wanted]
        return [self._record(key, free) for key in wanted]

    def _record(self, key: bytes, free: list[int]) -> tuple[bytes, Save]:
        if key in self._keys:
            at = self._keys.index(key)
            saved = os.pread(self._fd, RECORD_SIZE, _RECORDS + at * RECORD_SIZE)
        elif free:
            at, saved = free.pop(0), b""
            self._keys[at] = key
            os.pwrite(self._fd, bytes(RECORD_SIZE), _RECORDS + at * RECORD_SIZE)
            os.pwrite(self._fd, key, len(_MAGIC) + at * _KEY_SIZE)
        else:
            return b"", lambda _place, _data: None
        start = _RECORDS + at * RECORD_SIZE
        return saved, lambda place, data: self._write(start + place, data)

    def _write(self, place: int, data: bytes) -> None:
        try:
            os.pwrite(self._fd, data, place)
        except OSError as error:
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
    seed = secrets.randbits(64)
    return Counters(group.carp.replay, wall=wall, seed=seed, saved=saved, save=save)


def _key(group: GroupSettings) -> bytes:
    addresses = sorted(str(address) for address in group.carp.addresses)
    what = (group.carp.vhid, group.interface, str(group.multicast), addresses)
    return hashlib.blake2b(repr(what).encode(), digest_size=_KEY_SIZE).digest()
