"""Writing a file so that a reader sees the old one or the new one, never half of one."""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: Iterable[bytes], mode: int) -> None:
    """Write a file of that mode, whole or not at all. Raises OSError."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, mode)
            file.writelines(content)
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise


def refuse_what_is_no_file(path: Path) -> None:
    """Raise OSError if a file of that name would take the place of a device, say, or a link."""
    if not path.name or path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(errno.EEXIST, "is not a file, and stays what it is")
