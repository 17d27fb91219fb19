"""pkgin: packages; those of Python are the interpreter of the lab by pkgsrc's names."""

import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.places import SEEN_CONFIG, TOOLS
from carpool.lab.smartos.stage import CommandError

_LOCAL: Final = Path("/opt/local")
_INSTALLED: Final = _LOCAL / "pkg" / "installed"
_PYTHON: Final = re.compile(r"python(3)(\d{2})")


def main(words: Sequence[str]) -> int:
    """Run a subcommand."""
    _, operands = read.options(words, "yfFnpvdVPc:l:t:", anywhere=True)
    verb, *names = operands or [""]
    match verb:
        case "update" | "up":
            print("reading local summary...\npkg_summary is up to date")
        case "install" | "in":
            _install(names)
        case "list" | "ls":
            for name in _installed():
                print(f"{name}-1.0             stand-in of the lab")
        case "avail" | "av":
            print("\n".join(_known()))
        case "upgrade" | "ug" | "full-upgrade" | "fug":
            print("nothing to upgrade.")
        case "remove" | "rm":
            _write([name for name in _installed() if name not in names])
        case _:
            raise CommandError(f"unknown command {verb!r}")
    return 0


def _install(names: Sequence[str]) -> None:
    known = _known()
    missing = [name for name in names if name not in known]
    for name in missing:
        print(f"{name} is not available in the repository", file=sys.stderr)
    if missing:
        raise CommandError("no matching packages")
    for name in names:
        if python := _PYTHON.fullmatch(name):
            _install_python(f"{python[1]}.{python[2]}")
    _write([*_installed(), *(name for name in names if name not in _installed())])
    print(f"{len(names)} packages to install\nmarking {' '.join(names)} as non auto-removable")


def _install_python(version: str) -> None:
    # It is a virtual environment's interpreter: see room.prepare.
    shutil.copy2(TOOLS.parent / "pyvenv.cfg", _LOCAL)
    link = _LOCAL / f"bin/python{version}"
    link.unlink(missing_ok=True)
    link.symlink_to(TOOLS / "python")


def _known() -> list[str]:
    found: list[str] = json.loads((SEEN_CONFIG / "packages.json").read_text())
    return found


def _installed() -> list[str]:
    return _INSTALLED.read_text().split() if _INSTALLED.exists() else []


def _write(names: Sequence[str]) -> None:
    _INSTALLED.parent.mkdir(exist_ok=True)
    _INSTALLED.write_text("".join(f"{name}\n" for name in names))
