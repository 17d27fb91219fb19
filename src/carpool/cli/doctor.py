"""``carpool doctor``: why there are two masters, or none."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import get_terminal_size

from carpool.cli.check import show
from carpool.cli.daemons import add_options, directories
from carpool.cli.paragraphs import Paragraphs
from carpool.cli.scan import seconds_of
from carpool.cluster.identify import identify
from carpool.cluster.load import load
from carpool.cluster.model import Node
from carpool.doctor.diagnosis import diagnose
from carpool.doctor.expected import Status, from_cluster, from_status
from carpool.doctor.gather import Daemon, enough_seconds, gather
from carpool.doctor.host import addresses
from carpool.doctor.observation import Group, Running
from carpool.doctor.text import MOST_COLUMNS, document, lines
from carpool.node.client import AskError, Connection, NotRunningError, find

EPILOG = """With FILE it knows what should be there: passwords, addresses, nodes. It asks the daemon
of this host if one runs. With --interface alone it listens to whoever is there. It sends questions
who has the addresses (ARP, neighbour discovery), and nothing in CARP's name. `carpool explain
FINDING` tells more of one; docs/doctor.md has all.

exit codes: 0 nothing found; 1 findings; 2 wrong usage, or it cannot look.
"""
_ASK_SECONDS = 5.0
_LEAST_SECONDS = 0.5
_PROGRAM = "carpool doctor"


class _CannotLookError(Exception):
    """The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be looked at."""

    groups: Sequence[Group]
    node: str | None
    amiss: Sequence[str]
    daemon: Daemon


def main(arguments: list[str]) -> int:
    """Look, tell, and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        plan = _plan(options)
    except _CannotLookError as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 2
    on = options.interface or list(dict.fromkeys(group.interface for group in plan.groups))
    seen = gather(
        [group for group in plan.groups if group.interface in on],
        on,
        options.seconds or enough_seconds(plan.groups),
        plan.daemon,
        node=plan.node,
        file=str(options.file) if options.file else None,
        blind=plan.amiss,
    )
    found = diagnose(seen)
    if options.json:
        show(json.dumps(document(seen, found), indent=2) + "\n")
    else:
        columns = get_terminal_size().columns if sys.stdout.isatty() else MOST_COLUMNS
        show("".join(f"{line}\n" for line in lines(seen, found, columns)))
        if not found and not seen.blind:
            print("nothing found")
    if found:
        return 1
    return 2 if seen.blind else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        _PROGRAM,
        description="Find out why there are two masters, or none, by listening and by harmless "
        "questions.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a cluster file (TOML)")
    made.add_argument(
        "--interface",
        action="append",
        metavar="IFACE",
        help="look only here; may be given again (default: where the groups are)",
    )
    made.add_argument(
        "--seconds",
        type=_long_enough,
        help="how long to listen, at least 0.5 (default: 4, or three intervals of the slowest "
        "group)",
    )
    made.add_argument("--json", action="store_true", help="print JSON")
    add_options(made)
    return made


def _long_enough(text: str) -> float:
    seconds = seconds_of(text)
    if seconds < _LEAST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text}: at least {_LEAST_SECONDS}, for answers to come")
    return seconds


def _plan(options: argparse.Namespace) -> _Plan:
    if options.file is None:
        return _of_daemon(options)
    loaded = load(options.file, secrets=False)
    for finding in loaded.findings:
        print(finding, file=sys.stderr)
    if loaded.cluster is None:
        raise _CannotLookError(f"{options.file}: mend the errors above")
    node = identify(loaded.cluster, addresses(), options.node)
    if not isinstance(node, Node):
        problem = str(node)
    elif not loaded.cluster.groups_of(node.name):
        problem = f"{options.file}: node {node.name} is in no group"
    else:
        groups, amiss = from_cluster(loaded.cluster, node, None)
        return _Plan(groups, node.name, amiss, _daemon(options, node.name)[1])
    if options.node or not options.interface:
        raise _CannotLookError(f"{problem}; or look on from outside: --interface IFACE")
    groups, amiss = from_cluster(loaded.cluster, None, options.interface[0])
    return _Plan(groups, None, amiss, Daemon())


def _of_daemon(options: argparse.Namespace) -> _Plan:
    """Plan by what a daemon says that it has, or by the interface alone."""
    node, daemon = _daemon(options, options.node)
    status = daemon.ask()
    if status is not None:
        return _Plan(from_status(status), node, (), daemon)
    if daemon.running is Running.MUTE or options.node:
        return _Plan((), node, (), daemon)
    if not options.interface:
        raise _CannotLookError(
            f"{daemon.problem}; name a cluster FILE, or where to listen: --interface IFACE"
        )
    return _Plan((), None, (), Daemon())


def _daemon(options: argparse.Namespace, node: str | None) -> tuple[str | None, Daemon]:
    """Find the daemon of a node, or the one that runs here; return its node as well."""
    try:
        there = find(directories(options), node)
    except NotRunningError as error:
        return node, Daemon(Running.NO, str(error))
    except AskError as error:
        return node, Daemon(Running.UNKNOWN, str(error))
    if len(there) > 1:
        running = ", ".join(there)
        raise _CannotLookError(f"several daemons run here: {running}; name one with --node")
    ((name, path),) = there.items()

    def ask() -> Status | None:
        try:
            with Connection(path, _ASK_SECONDS) as connection:
                return connection.ask("status")
        except (AskError, NotRunningError):
            return None

    try:
        with Connection(path, _ASK_SECONDS) as connection:
            connection.ask("status")
    except NotRunningError:
        return name, Daemon(Running.NO, "its daemon was killed")
    except AskError as error:
        return name, Daemon(Running.MUTE, str(error))
    return name, Daemon(Running.YES, "", ask)
