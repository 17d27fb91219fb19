"""``carpool restart``: replace the program of a running daemon, without a failover."""

import argparse
import sys
import time
from typing import Any

from carpool.cli.daemon_text import status_text
from carpool.cli.daemons import CANNOT_ASK, daemon_parser, directories, tell
from carpool.node.client import AskError, Connection, NotRunningError, find

PATIENCE = 150.0
"""Seconds: the trial of the new program and running scripts have their own, shorter limits."""
_START_SECONDS = 20.0


def main(arguments: list[str]) -> int:
    """Restart the daemon, wait until it is back, and return the exit code."""
    options = parser().parse_args(arguments)
    answer = tell("restart", options, seconds=PATIENCE, force=options.force)
    if isinstance(answer, int):
        return answer
    status = came_back("restart", options, answer["restarts"])
    if status is None:
        return CANNOT_ASK
    print(status_text(status), end="")
    return 0


def came_back(command: str, options: argparse.Namespace, restarts: int) -> dict[str, Any] | None:
    """Wait until the daemon has been replaced so often. Return what it says of itself then.

    If it does not come back that has been said on standard error.
    """
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            ((_, path),) = find(directories(options), options.node).items()
            with Connection(path, _START_SECONDS) as connection:
                status = connection.ask("status")
        except (AskError, NotRunningError):
            # It may hang up on us while it changes, or have ended.
            time.sleep(0.05)
            continue
        if status["restarts"] >= restarts:
            return status
        time.sleep(0.02)
    print(f"carpool {command}: the daemon has not come back; see its log", file=sys.stderr)
    return None


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = daemon_parser(
        "restart",
        "Replace the program of the running daemon by what is installed now, with the cluster "
        "file as it is now. A master stays master and keeps its addresses. The new program and "
        "file are tried first: if they are unfit, nothing changes.",
    )
    made.add_argument(
        "--force",
        action="store_true",
        help="even if the backups might take over before the new program has started",
    )
    return made
