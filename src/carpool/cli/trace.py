"""``carpool trace``: write what the daemon of this host was told lately, and what it decided."""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from carpool.cli.daemons import CANNOT_ASK, NOT_RUNNING, daemon_parser, directories
from carpool.cli.whole_file import refuse_what_is_no_file, write_whole
from carpool.node.client import AskError, Connection, NotRunningError, RefusedError, find
from carpool.recorder.trace import text

EPILOG = """No password, key or digest is in it: it can be given to others, who see names, addresses
and times. carpool replay tells what it says.

"""

CANNOT_WRITE = 5


def main(arguments: list[str]) -> int:
    """Write a trace and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        there = find(directories(options), options.node)
        if len(there) > 1:
            return _tell(f"several daemons run here: {', '.join(there)}; name one with --node", 2)
        ((_, path),) = there.items()
        with Connection(path) as connection:
            return _fetch(connection, options)
    except NotRunningError as error:
        return _tell(str(error), NOT_RUNNING)
    except RefusedError as error:
        return _tell(str(error), 1)
    except AskError as error:
        return _tell(str(error), CANNOT_ASK)


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = daemon_parser(
        "trace",
        "Write what the daemon of this host was told lately, and what it decided, into a file for "
        "carpool replay. The daemon goes on.",
        EPILOG,
        codes="; 5 the file cannot be written",
    )
    made.add_argument(
        "--group", action="append", metavar="NAME", help="this group only; may be repeated"
    )
    made.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the file (default: NODE-TIME.trace, here); - for standard output",
    )
    return made


def _fetch(connection: Connection, options: argparse.Namespace) -> int:
    answer = connection.ask("trace")
    names = answer["groups"] if options.group is None else list(dict.fromkeys(options.group))

    def lines() -> Iterator[dict[str, Any]]:
        yield answer["head"]
        for name in names:
            yield from connection.ask("trace", group=name)["lines"]

    target = options.output
    if target == Path("-"):
        return _print(text(lines()))
    if target is None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        target = Path(f"{answer['node']}-{stamp}.trace")
    try:
        refuse_what_is_no_file(target)
        write_whole(target, text(lines()), 0o600)
    except OSError as error:
        return _tell(f"{target}: {error.strerror}", CANNOT_WRITE)
    count = f"{len(names)} group{'s' * (len(names) != 1)}"
    print(f"wrote {target}: {count}, {target.stat().st_size:,} bytes")
    return 0


def _print(trace: Iterable[bytes]) -> int:
    try:
        for line in trace:
            sys.stdout.buffer.write(line)
        sys.stdout.flush()
    except BrokenPipeError:
        raise  # Who reads has enough.
    except OSError as error:
        # What is left in the buffer is not to fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _tell(f"standard output: {error.strerror}", CANNOT_WRITE)
    return 0


def _tell(problem: str, code: int) -> int:
    print(f"carpool trace: {problem}", file=sys.stderr)
    return code
