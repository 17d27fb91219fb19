"""Writing files that did not exist before, the ones with a password closed to other users."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_SECRET, _PLAIN = 0o600, 0o644


class CannotWriteError(Exception):
    """A file that cannot be written; the text says which, why, and the mend."""


def write_files(text: str, path: Path, keys: Mapping[Path, bytes], *, force: bool) -> None:
    """Write ``text`` to ``path``, and beforehand each password to its file of mode 600.

    Unless with ``force``, nothing is written if one of the files exists. Every file is whole or
    not there. Raises CannotWriteError.
    """
    contents = {key: (password + b"\n", _SECRET) for key, password in keys.items()}
    contents[path] = (text.encode(), _PLAIN)
    if not force:
        refuse_existing(contents)
    for file, (content, mode) in contents.items():
        try:
            _write(file, content, mode, force=force)
        except OSError as error:
            message = f"{file}: cannot be written: {error.strerror}; name a file that can"
            raise CannotWriteError(message) from None


def refuse_existing(files: Iterable[Path]) -> None:
    """Raise CannotWriteError if one of the files exists."""
    for file in files:
        if os.path.lexists(file):
            raise CannotWriteError(f"{file}: exists already; name another file, or use --force")


def _write(file: Path, content: bytes, mode: int, *, force: bool) -> None:
    # mkstemp makes files of mode 600, so a password is never in one that others can open.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            if mode != _SECRET:
                os.fchmod(descriptor, mode & ~_umask())
        if force:
            os.replace(temporary, file)  # noqa: PTH105 - a str is what mkstemp gives
        else:
            os.link(temporary, file)  # unlike rename(2), it fails where there is a file
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)  # noqa: PTH108 - a str is what mkstemp gives


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
