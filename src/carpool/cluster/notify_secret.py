"""The secret of a notifier: what its file must have, the same for who checks it and who uses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from carpool.cluster.findings import Rule
from carpool.cluster.password import LONGEST_SECRET, PasswordError, read_password

if TYPE_CHECKING:
    from pathlib import Path

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def read_secret(path: Path, kind: str, header: str | None) -> str:
    """Return the first line of the file; ``kind`` and ``header`` are the notifier's.

    Raises PasswordError.
    """
    return secret_of(read_password(path, LONGEST_SECRET), path, kind, header)


def secret_of(line: bytes, path: Path, kind: str, header: str | None) -> str:
    """Return the secret that the first line of the file is.

    A carriage return at its end is that of an editor. Raises PasswordError.
    """
    try:
        text = line.decode().removesuffix("\r")
    except UnicodeDecodeError:
        raise _unusable(path, "is not UTF-8", "write it in UTF-8") from None
    if not text:
        raise _unusable(path, "its first line is empty", "write the secret on the first line")
    if _CONTROL.search(text):
        raise _unusable(path, "its first line has a control character", "take it out")
    # Neither smtplib's login nor a header of HTTP takes anything else.
    if not text.isascii() and (kind == "mail" or header is not None):
        use = "a header" if header is not None else "the login of mail"
        raise _unusable(path, f"its first line is not ASCII, which {use} needs", "choose another")
    return text


def _unusable(path: Path, message: str, mend: str) -> PasswordError:
    return PasswordError(Rule.PASSWORD_UNUSABLE, path, message, mend)
