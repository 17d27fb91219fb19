"""Bytecode that one start of carpool.pyz leaves to the next: compiling takes longer than the rest.

Python keeps bytecode of files, and none of what is in an archive. So the first start of `carpool
run` from an archive writes what it has compiled into the state directory, as one file, and later
ones read it. It is used only if nobody but this user can have written it, and only by the same
Python with the same archive; whatever else is there is as good as nothing.

The archive imports this before anything else, and compiles it each time: keep it small.
"""

import marshal
import os
import stat
import sys
import zipimport
from types import CodeType
from zlib import crc32

DIRECTORY = "/var/lib/carpool"
NAME = "bytecode"

_CHECKSUM_BYTES = 4

kept: dict[str, CodeType] = {}
"""The code of each module that an earlier start has left."""
compiled: dict[str, CodeType] = {}
"""That of each module which had to be compiled."""
_archive = ""


class Importer(zipimport.zipimporter):
    """Imports from an archive, but compiles nothing that was kept."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of a module."""
        code = kept.get(fullname)
        if code is None:
            code = compiled[fullname] = super().get_code(fullname)
        return code


def use(archive: str) -> None:
    """Import from `archive` what is imported from now on, with the bytecode that was kept of it."""
    global _archive  # noqa: PLW0603 - a process runs one archive
    _archive = archive
    kept.update(_read())
    sys.path_hooks.insert(0, Importer)
    for path in [path for path in sys.path_importer_cache if path.startswith(archive)]:
        del sys.path_importer_cache[path]


def to_keep() -> bytes | None:
    """Return what to write for the next start, None if it has it already.

    Call it once, when all is imported: the code is forgotten then.
    """
    codes = kept | compiled if _archive and compiled else None
    kept.clear()
    compiled.clear()
    if codes is None:
        return None
    content = marshal.dumps(codes)
    return _identity() + crc32(content).to_bytes(_CHECKSUM_BYTES) + content


def directory() -> str:
    """Return where it is kept: as the daemon's state, without an option that says otherwise."""
    return os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or DIRECTORY


def _read() -> dict[str, CodeType]:
    try:
        fd = os.open(f"{directory()}/{NAME}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return {}
    with open(fd, "rb") as file:  # noqa: PTH123 - pathlib is not imported yet
        status = os.fstat(fd)
        writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if status.st_uid != os.geteuid() or writable or not stat.S_ISREG(status.st_mode):
            return {}
        identity = _identity()
        if file.read(len(identity)) != identity:
            return {}
        checksum, content = file.read(_CHECKSUM_BYTES), file.read()
    found: dict[str, CodeType] = {}
    if checksum == crc32(content).to_bytes(_CHECKSUM_BYTES):
        found = marshal.loads(content)  # noqa: S302 - our own user's, see above
    return found


def _identity() -> bytes:
    """Return what has to be the same: this Python, and the archive as it is."""
    status = os.stat(_archive)  # noqa: PTH116
    this = (sys.version, _archive, status.st_size, status.st_mtime_ns, status.st_ino)
    return f"{this}\n".encode()
