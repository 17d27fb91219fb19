"""``carpool watch``: a live view of this host's daemons, or of all groups of a network."""

import argparse
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from carpool.carp.timing import SECOND
from carpool.cli.daemons import add_options, ask_each, directories
from carpool.cli.demote import DEFAULT_AMOUNT
from carpool.cli.paragraphs import Paragraphs
from carpool.cli.watch_host import HostView
from carpool.cluster.load import load
from carpool.node.client import AskError, Connection, NotRunningError, find
from carpool.node.listening import CannotListenError
from carpool.watch.ear import Ear
from carpool.watch.host import Key
from carpool.watch.lan import Lan
from carpool.watch.listen import take
from carpool.watch.page import Act, Page, Row
from carpool.watch.screen import Line, Screen, printable
from carpool.watch.sighting import Protocol
from carpool.watch.table import (
    event_line,
    event_text,
    heading,
    is_wrong,
    remarks,
    row,
    summary,
)

EPILOG = """With IFACE it listens, sends nothing, and needs no daemon. It shows of each group: the
master; the advskew (VRRP: priority) that it says, and behind a dash its demotion; how often it
speaks, and how unsteadily; for how long it has been master; and a strip of the last seconds: a
letter for each master, . for none, ! for several.

Without IFACE it shows the same of this host's groups, as its daemons tell it: A is this host, ? a
daemon that does not answer. Below them stand why each is what it is, what carpool status tells
besides, and the last events.

Groups without one master stand first.

keys: up and down choose a group, / finds those with a text, d demotes this host in the chosen one
and p promotes it (asks first), q quits.

With IFACE, and without a terminal (or with TERM=dumb), it writes a line for each change instead;
for this host's groups there is carpool events --follow.

exit codes: 0 quit; 2 cannot listen, or wrong usage; 3 no daemon runs here; 4 it cannot be asked.
"""
_REFRESH = 0.5
_EVENTS_SHOWN = 6
_LEAST_COLUMNS = 40
_NO_KEYS: Mapping[str, Key] = {}

Frame = Callable[[int], tuple[str, str, list[Row], list[Line]]]
"""Returns title, heading, rows and foot, for so many columns."""


def main(arguments: list[str]) -> int:
    """Show until the user has enough; return the exit code."""
    options = parser().parse_args(arguments)
    names: dict[bytes, str] = {}
    if options.file is not None:
        loaded = load(options.file, secrets=False)
        for finding in loaded.findings:
            print(finding, file=sys.stderr)
        if loaded.cluster is None:
            return 2
        names = {
            address.ip.packed: node.name
            for node in loaded.cluster.nodes
            for address in node.addresses
        }
    if options.interface is None:
        return _watch_host(options, names)
    try:
        with Ear(options.interface) as ear:
            if not _no_screen():
                return _watch_network(ear, options, names)
            return _write_changes(ear, names)
    except CannotListenError as error:
        print(f"carpool watch: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool watch",
        description="Watch who is master.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument(
        "interface", nargs="?", metavar="IFACE", help="listen here (default: ask the daemons)"
    )
    made.add_argument("--file", type=Path, help="a cluster file, for the names of its nodes")
    add_options(made)
    return made


def _watch_network(ear: Ear, options: argparse.Namespace, names: Mapping[bytes, str]) -> int:
    lan = Lan(time.monotonic_ns())
    own = _own_groups(options)

    def frame(columns: int) -> tuple[str, str, list[Row], list[Line]]:
        now = time.monotonic_ns()
        lan.advance(now)
        groups = lan.wrong_first()
        rows = [
            Row(
                row(group, now, columns - 1, names),
                "bad" if is_wrong(group) else "",
                own.get(group.key[0]) if group.key[1] is Protocol.CARP else None,
                group.key,
            )
            for group in groups
        ]
        foot = [Line(text, "dim") for group in groups for text in remarks(group, names)]
        last = list(lan.events)[-_EVENTS_SHOWN:]
        foot += [Line(event_line(one, now - one.instant, names)[:columns]) for one in last]
        title = f"{options.interface}: {summary(lan)}"
        return title, f" {heading(columns - 1)}", rows, foot

    return _show(frame, lambda act: _steer(act, options), ear.sockets, lambda: take(ear, lan))


def _watch_host(options: argparse.Namespace, names: Mapping[bytes, str]) -> int:
    answers, problems, code = ask_each("status", options)
    for problem in problems:
        print(f"carpool watch: {problem}", file=sys.stderr)
    if not answers:
        return code
    if why := _no_screen():
        text = f"carpool watch: {why}; see carpool status, or carpool events --follow"
        print(text, file=sys.stderr)
        return 2

    view = HostView(options, names)
    return _show(view.frame, lambda act: _steer(act, options, view.keys))


def _no_screen() -> str:
    """Return why there is no screen to draw on; nothing if there is one."""
    for stream, name in ((sys.stdout, "output"), (sys.stdin, "input")):
        if not stream.isatty():
            return f"standard {name} is no terminal"
    if os.environ.get("TERM") == "dumb":
        return "this terminal cannot move its cursor (TERM=dumb)"
    return ""


def _show(
    frame: Frame,
    steer: Callable[[Act], str],
    sockets: Sequence[socket.socket] = (),
    hear: Callable[[], None] = lambda: None,
) -> int:
    """Show a page again and again until it is quit; `hear` whenever a socket has something."""
    page = Page()
    with Screen() as screen:
        while True:
            columns = max(screen.size[0], _LEAST_COLUMNS)
            title, heads, rows, foot = frame(columns)
            screen.show(page.compose(title, heads, rows, foot, screen.size))
            due = time.monotonic() + _REFRESH
            key = None
            while key is None and (left := due - time.monotonic()) > 0:
                key = screen.wait(left, sockets)
                hear()
            if key == "quit" or (key == "q" and not page.typing):
                return 0
            act = page.press(key, rows) if key else None
            if act is not None:
                page.said = steer(act)


def _write_changes(ear: Ear, names: Mapping[bytes, str]) -> int:
    """Write a line for each change, with the seconds since the beginning, until interrupted."""
    lan = Lan(time.monotonic_ns())
    while True:
        ear.wait(_REFRESH / 2)
        take(ear, lan)
        while lan.events:
            event = lan.events.popleft()
            seconds = (event.instant - lan.began) / SECOND
            print(f"{seconds:12.3f}  {printable(event_text(event, names))}", flush=True)


def _own_groups(options: argparse.Namespace) -> dict[int, str]:
    """Return the groups of this host's daemons on that interface, by vhid."""
    answers, _, _ = ask_each("status", options)
    return {
        group["vhid"]: group["group"]
        for answer in answers
        for group in answer["groups"]
        if group["interface"] == options.interface
    }


def _steer(act: Act, options: argparse.Namespace, keys: Mapping[str, Key] = _NO_KEYS) -> str:
    """Do it, and return what came of it as one line.

    `keys` says of which node a group is; that of any daemon is meant without it.
    """
    node, name = keys.get(act.group, (options.node, act.group))
    arguments = {"amount": DEFAULT_AMOUNT} if act.command == "demote" else {}
    try:
        for path in find(directories(options), node).values():
            with Connection(path) as connection:
                status = connection.ask("status")
                if name in [group["group"] for group in status["groups"]]:
                    connection.ask(act.command, groups=[name], **arguments)
                    return f"{act.group}: done: {act.command}"
    except (AskError, NotRunningError) as error:
        return f"{act.group}: {error}"
    return f"{act.group}: no daemon of this host has it any more"
