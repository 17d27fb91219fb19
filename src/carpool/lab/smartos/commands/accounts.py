"""useradd and groupadd, with the options of illumos: authorisations, no shadow suite."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.stage import CommandError

_PASSWD: Final = Path("/etc/passwd")
_GROUP: Final = Path("/etc/group")
_ATTRIBUTES: Final = Path("/etc/user_attr")
_FIRST: Final = 100
_IN_USE: Final = 9
"""The exit code for a name that is taken: useradd(8)."""


def add_user(words: Sequence[str]) -> int:
    """Add a user, with no password."""
    options, operands = read.options(words, "A:P:R:c:d:e:f:g:G:k:K:ms:u:zoZ", anywhere=True)
    name = read.one(operands, "user")
    number = options.get("-u") or _free(_PASSWD, name)
    group = options.get("-g", "1")
    if not group.isdecimal():
        known = {line.split(":")[0]: line.split(":")[2] for line in _lines(_GROUP)}
        if group not in known:
            raise CommandError(f"ERROR: {group} does not exist.  Choose another.", 6)
        group = known[group]
    home, shell = options.get("-d", f"/home/{name}"), options.get("-s", "/bin/sh")
    _append(_PASSWD, f"{name}:*:{number}:{group}:{options.get('-c', '')}:{home}:{shell}")
    if "-A" in options:
        _append(_ATTRIBUTES, f"{name}::::type=normal;auths={options['-A']}")
    return 0


def add_group(words: Sequence[str]) -> int:
    """Add a group."""
    options, operands = read.options(words, "g:o", anywhere=True)
    name = read.one(operands, "group")
    _append(_GROUP, f"{name}::{options.get('-g') or _free(_GROUP, name)}:")
    return 0


def _free(path: Path, name: str) -> str:
    taken = {line.split(":")[2] for line in _lines(path)}
    if any(line.startswith(f"{name}:") for line in _lines(path)):
        raise CommandError(f"ERROR: {name} is already in use.  Choose another.", _IN_USE)
    return next(str(number) for number in range(_FIRST, 1 << 16) if str(number) not in taken)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")
