"""apt-get: packages of an lx zone; python3 is the interpreter of the lab by that name."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.places import LX_PYTHON, TOOLS
from carpool.lab.smartos.stage import CommandError

KNOWN: Final = ("python3", "ucarp", "nginx", "haproxy")
_INSTALLED: Final = Path("/var/lib/apt-installed")


def main(words: Sequence[str]) -> int:
    """Run a subcommand."""
    _, operands = read.options(words, "qy", anywhere=True)
    verb, *names = operands or [""]
    match verb:
        case "update":
            print("Reading package lists...")
        case "install":
            _install(names)
        case _:
            raise CommandError(f"E: Invalid operation {verb}", 100)
    return 0


def _install(names: Sequence[str]) -> None:
    missing = [name for name in names if name not in KNOWN]
    for name in missing:
        print(f"E: Unable to locate package {name}", file=sys.stderr)
    if missing:
        raise CommandError("nothing was installed", 100)
    known = _INSTALLED.read_text().split() if _INSTALLED.exists() else []
    if "python3" in names and not LX_PYTHON.is_symlink():
        LX_PYTHON.symlink_to(TOOLS / "python")
    new = [name for name in names if name not in known]
    _INSTALLED.parent.mkdir(parents=True, exist_ok=True)
    _INSTALLED.write_text("".join(f"{name}\n" for name in [*known, *new]))
    print(f"0 upgraded, {len(new)} newly installed, 0 to remove and 0 not upgraded.")
