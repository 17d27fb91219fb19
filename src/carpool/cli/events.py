"""``carpool events``: what has happened on this host, and what happens."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from carpool.cli.check import show
from carpool.cli.daemons import complain, daemon_parser, one_daemon
from carpool.cluster.wording import printable
from carpool.node.client import AskError, NotRunningError
from carpool.node.follower import Follower

_EPILOG = """The daemon keeps the last 1000 events. With --follow the command goes on while the
daemon is restarted or stopped; end it with ^C.

"""


def main(arguments: list[str]) -> int:
    """Print the events and return the exit code."""
    options = parser().parse_args(arguments)
    path = one_daemon("events", options)
    if isinstance(path, int):
        return path
    epoch, since = options.since
    follower = Follower(path, since=since, epoch=epoch, groups=options.group)
    try:
        _print(follower.follow() if options.follow else follower.read(), as_json=options.json)
    except (NotRunningError, AskError) as error:
        return complain("events", error)
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = daemon_parser(
        "events",
        "Tell what has happened on this host lately: who became master and why, links, addresses, "
        "scripts, health checks.",
        _EPILOG,
    )
    made.add_argument(
        "-f", "--follow", action="store_true", help="go on, and tell each event when it happens"
    )
    made.add_argument(
        "--since",
        type=_number,
        default=(None, None),
        metavar="SEQ",
        help="only what came after the event of this number; EPOCH/SEQ begins anew if the daemon "
        "has been started since",
    )
    made.add_argument(
        "--group", action="append", metavar="NAME", help="this group only; may be repeated"
    )
    made.add_argument("--json", action="store_true", help="print a JSON object for each event")
    return made


def text_line(document: Mapping[str, Any]) -> str:
    """Return an event as one line: when, of which group, what."""
    if "lost" in document:
        return f"({document['lost']} events are lost: they are no longer kept)"
    if document.get("anew"):
        return "(the daemon has been started anew)"
    group = document["group"] or "-"
    return f"{document['time']}  {group:<12} {document['text'].removeprefix(f'{group}: ')}"


def _print(documents: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    for document in documents:
        show((json.dumps(document) if as_json else printable(text_line(document))) + "\n")
        sys.stdout.flush()


def _number(text: str) -> tuple[str | None, int]:
    epoch, slash, number = text.rpartition("/")
    if not number.isdecimal() or (slash and not epoch):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of an event")
    return epoch or None, int(number)
