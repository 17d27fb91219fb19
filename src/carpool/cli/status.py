"""``carpool status``: what the daemons of this host say; with a FILE, what the zones of it are."""

import argparse
import json
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

from carpool.cli.check import show
from carpool.cli.daemon_text import status_text
from carpool.cli.daemons import add_options, ask_each
from carpool.cli.paragraphs import Paragraphs

EPILOG = """exit codes, of this host's daemons: 0 master of every group, 1 of none, 5 of some; 3 not
running; 4 cannot be asked, or does not answer; 2 wrong usage. Of a FILE: see carpool status FILE
--help.
"""

MASTER_OF_ALL, MASTER_OF_NONE, MASTER_OF_SOME = 0, 1, 5
_FLEET = "carpool.cli.fleet_status"


def main(arguments: list[str]) -> int:
    """Print the state of this host, or of a cluster. Return the exit code."""
    made = parser()
    options, others = made.parse_known_args(arguments)
    if options.file is not None:
        return _fleet(arguments)
    if options.help:
        made.print_help()
        return 0
    if others:
        made.error(f"unrecognized arguments: {' '.join(others)}")
    answers, problems, code = ask_each("status", options)
    if options.json:
        show(json.dumps({"daemons": answers, "problems": problems}, indent=2) + "\n")
    else:
        columns = get_terminal_size().columns if sys.stdout.isatty() else None
        show("\n".join(status_text(answer, columns) for answer in answers))
    for problem in problems:
        print(f"carpool status: {problem}", file=sys.stderr)
    return code or exit_code(answers)


def exit_code(answers: list[dict[str, Any]]) -> int:
    """Return what says whether all groups, some or none are master here."""
    masters = [group["state"] == "MASTER" for answer in answers for group in answer["groups"]]
    if all(masters):
        return MASTER_OF_ALL
    return MASTER_OF_SOME if any(masters) else MASTER_OF_NONE


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool status",
        description="Tell what the daemons of this host are master of, and why. With FILE, tell "
        "what the zones of a cluster file are, over SSH.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
        add_help=False,
    )
    made.add_argument("-h", "--help", action="store_true", help="show this text")
    made.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a cluster file (TOML)")
    made.add_argument("--json", action="store_true", help="print JSON")
    add_options(made)
    return made


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of both things that it does: of this host, and of a FILE."""
    both = {"": parser()}
    with suppress(ModuleNotFoundError):
        both["FILE"] = import_module(_FLEET).parser()
    return both


def _fleet(arguments: list[str]) -> int:
    try:
        return int(import_module(_FLEET).main(arguments))
    except ModuleNotFoundError as error:
        if error.name != _FLEET:
            raise
        print("carpool: status FILE needs more than one file; install carpool", file=sys.stderr)
        return 2
