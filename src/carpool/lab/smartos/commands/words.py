"""Reading the words of a command line, as getopt(3) does."""

import getopt
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carpool.lab.smartos.stage import CommandError

USAGE = 2
"""The exit code of most commands for a command line they do not understand."""


def options(
    words: Sequence[str], known: str, long: Sequence[str] = (), *, anywhere: bool = False
) -> tuple[dict[str, str], list[str]]:
    """Return the options and the operands. Raises CommandError."""
    read = getopt.gnu_getopt if anywhere else getopt.getopt
    try:
        found, rest = read(list(words), known, list(long))
    except getopt.GetoptError as error:
        raise CommandError(str(error), USAGE) from None
    return dict(found), rest


def read_json(path: str | None) -> Any:
    """Return the JSON of a file, or of standard input for None. Raises CommandError."""
    try:
        return json.loads(Path(path).read_text() if path else sys.stdin.read())
    except ValueError as error:
        raise CommandError(f"Invalid JSON payload: {error}") from None


def one(operands: Sequence[str], what: str) -> str:
    """Return the only operand. Raises CommandError if there are none or more."""
    if len(operands) != 1:
        raise CommandError(f"expected one {what}, got {len(operands)}", USAGE)
    return operands[0]


def table(
    rows: Sequence[Sequence[object]], heads: Sequence[str], *, head: bool, separator: str = ""
) -> None:
    """Print rows in columns, or with a separator, between columns of no width."""
    lines = [[str(cell) for cell in row] for row in rows]
    if separator:
        print("".join(f"{separator.join(line)}\n" for line in lines), end="")
        return
    if head:
        lines.insert(0, list(heads))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(map(str.ljust, line, widths)).rstrip())


def nested(thing: Any, path: str) -> Any:
    """Return what a dotted path of a JSON value means: nics.0.ip; None if it is not there."""
    for part in path.split("."):
        if isinstance(thing, list) and part.isdecimal() and int(part) < len(thing):
            thing = thing[int(part)]
        elif isinstance(thing, dict):
            thing = thing.get(part)
        else:
            return None
    return thing
