"""Reading the password that a group's nodes share."""

from __future__ import annotations

import os
import re
import shlex
import stat
from typing import TYPE_CHECKING

from carpool.cluster.findings import Rule

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 20
"""Bytes of a CARP key (CARP_KEY_LEN of the BSD kernels)."""

LONGEST_SECRET = 4096
"""Bytes of a notifier's secret: a mail account's password, a token."""

LONGEST_OF_UCARP = 19
"""Bytes that ucarp uses of a password."""


_SHORTEST = 8
_COMMON = frozenset(
    b"12345678 123456789 1234567890 administrator carpcarp carppass carpool changeit changeme "
    b"changeme1 changethis default1 failover iloveyou letmein1 mypassword opensesame passw0rd "
    b"password password1 password123 qwertyui replaceme secret12 secretpassword secretsecret "
    b"smartos1 testtest trustno1 ucarpass ucarpucarp welcome1 yourpassword".split()
)
_NAMES_ONE = re.compile(
    r"(?:^|[^a-z])(?:pw|pass|passwd|password|passphrase|secret)$", re.IGNORECASE
)
_SHOWS_ONE = re.compile(r"""\bucarp\b[^\n#]*?\s(?:--pass(?:=|\s+)|-p\s*)["']?[^\s"'$`]""")


class PasswordError(Exception):
    """A password file that cannot be used; ``str`` is one line with the mend, never the secret."""

    def __init__(self, rule: Rule, path: Path, message: str, mend: str) -> None:
        super().__init__(f"{path}: {message}; {mend}")
        self.rule = rule
        self.path = path
        self.message = message
        self.mend = mend


def read_password(path: Path, longest: int = LONGEST) -> bytes:
    """Return the first line of the file, without its newline: 1 to ``longest`` bytes.

    Nobody but the owner and the group may have any permission on the file; a pipe, and what the
    caller has opened and passes as ``/dev/fd/N``, is taken as it is. A named pipe is waited for.
    Raises PasswordError.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOCTTY)
        try:
            return _read(fd, path, longest)
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise PasswordError(
            Rule.PASSWORD_UNREADABLE,
            path,
            "the password file does not exist",
            f"write the password into it and run: chmod 600 {shlex.quote(str(path))}",
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise PasswordError(
            Rule.PASSWORD_UNREADABLE,
            path,
            f"the password file cannot be read: {reason}",
            "let the user that runs carpool read it",
        ) from None


def weakness(password: bytes) -> tuple[str, str] | None:
    """Return what is weak about the password and the mend, None for a good one."""
    mend = "make one: openssl rand -hex 8"
    if len(password) < _SHORTEST:
        return f"the password has only {len(password)} bytes", mend
    if password.lower() in _COMMON or len(set(password)) <= 2:
        return "the password is among the first that anybody would try", mend
    return None


def names_password(name: str) -> bool:
    """Return whether what has this name is by its look a password."""
    return _NAMES_ONE.search(name) is not None


def shows_password(script: str) -> bool:
    """Return whether the script starts ucarp with a password in plain text."""
    return _SHOWS_ONE.search(script.replace("\\\n", " ")) is not None


def is_stream(path: Path) -> bool:
    """Return whether the file is a pipe or a device, whose content can be read only once."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _read(fd: int, path: Path, longest: int) -> bytes:
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        message, mend = "is a directory", "name a file whose first line is the password"
        raise PasswordError(Rule.PASSWORD_UNREADABLE, path, message, mend)
    # A memfd has mode 777, and nobody else can open it.
    inherited = str(path).startswith("/dev/fd/")
    if stat.S_ISREG(mode) and mode & stat.S_IRWXO and not inherited:
        message = f"every user may access it (mode {stat.S_IMODE(mode):03o})"
        raise PasswordError(
            Rule.PASSWORD_OPEN, path, message, f"run: chmod 600 {shlex.quote(str(path))}"
        )
    text = b""
    while b"\n" not in text and len(text) <= longest:
        more = os.read(fd, 64)
        if not more:
            break
        text += more
    password = text.partition(b"\n")[0]
    if not password:
        problem = "its first line is empty"
    elif len(password) > longest:
        problem = f"its first line is longer than {longest} bytes"
    elif b"\0" in password:
        problem = "its first line has a NUL byte"
    else:
        return password
    mend = f"write a password of 1 to {longest} bytes on the first line"
    raise PasswordError(Rule.PASSWORD_UNUSABLE, path, problem, mend)
