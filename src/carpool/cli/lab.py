"""``carpool lab``: a cluster file tried out on this machine, and broken on purpose."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from carpool.cli.paragraphs import Paragraphs
from carpool.cluster.findings import Severity
from carpool.cluster.load import load
from carpool.cluster.model import Cluster
from carpool.lab.namespaces import LabError

USAGE = """usage: carpool lab demo [FILE]    two zones, a client, four ways to die: a minute
       carpool lab demo-smartos   from an empty folder to zones on two hypervisors over SSH
       carpool lab [run] FILE     your own cluster, a prompt, and faults to try

Runs the nodes of a cluster file on this machine, each in a zone: a network namespace
with the real daemon in it. Needs no root where user namespaces are allowed (demo-smartos
does), touches no network of this machine, and leaves nothing behind.

`carpool lab demo --help` and its like tell more.
"""
DEMO_EPILOG = """exit codes: 0 all went as promised; 1 it did not; 2 the file or this machine is not
fit; 130 interrupted.
"""
DEMO_SMARTOS_EPILOG = """needs root, pyinfra, openssh-server, openssh-client and nftables.

exit codes: 0 all went as promised; 1 it did not; 2 this machine is not fit; 130 interrupted.
"""
RUN_EPILOG = """commands: help lists them. Where standard input is no terminal they are read from
it, a line each.

exit codes: 0 all commands worked; 1 one did not, and none came after it; 2 the file or this machine
is not fit; 130 interrupted.
"""


def main(arguments: list[str]) -> int:
    """Run the demo or the lab. Return the exit code."""
    match arguments:
        case [] | ["-h" | "--help", *_]:
            print(USAGE, end="", file=sys.stdout if arguments else sys.stderr)
            return 0 if arguments else 2
        case ["demo", *rest]:
            return _demo(_demo_parser().parse_args(rest))
        case ["demo-smartos", *rest]:
            return _demo_smartos(_demo_smartos_parser().parse_args(rest))
        case ["run", *rest]:
            return _run(_run_parser().parse_args(rest))
    return _run(_run_parser().parse_args(arguments))


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each thing that it does, by the word that asks for it."""
    return {"demo": _demo_parser(), "demo-smartos": _demo_smartos_parser(), "run": _run_parser()}


def _demo_parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        "carpool lab demo",
        description="Take the master of a cluster down in four ways, let it come back each time, "
        "and measure what a client of the virtual address suffers.",
        epilog=DEMO_EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="the cluster file, whose first group of two nodes or more plays; its scripts do not "
        "run (default: a file with two zones that comes with carpool)",
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    made.add_argument("--svg", type=Path, metavar="FILE", help="draw the timeline")
    made.add_argument(
        "--fast", action="store_true", help="advertise four times a second: takes half the time"
    )
    made.add_argument(
        "--virtual",
        action="store_true",
        help="play on a virtual network in this process, as is done where there are no namespaces",
    )
    return made


def _demo(options: argparse.Namespace) -> int:
    from carpool.lab.performance import SHIPPED, Wishes, perform

    cluster = _load("demo", options.file or SHIPPED)
    if cluster is None:
        return 2
    wishes = Wishes(options.json, options.svg, fast=options.fast, virtual=options.virtual)
    return _guarded("demo", lambda: perform(cluster, wishes))


def _demo_smartos_parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        "carpool lab demo-smartos",
        description="Make a cluster of two SmartOS zones from nothing, with the commands that one "
        "would type, on stand-ins for two hypervisors with real SSH servers; take its master down, "
        "change it while it serves, and delete it. A client measures what it suffers.",
        epilog=DEMO_SMARTOS_EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    return made


def _demo_smartos(options: argparse.Namespace) -> int:
    from carpool.lab.smartos.performance import perform

    return _guarded("demo-smartos", lambda: perform(options.json))


def _run_parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        "carpool lab run",
        description="Run a cluster on this machine, with a zone for each node and a client, and "
        "carry out commands: look, break, mend.",
        epilog=RUN_EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("file", type=Path, metavar="FILE", help="the cluster file (TOML)")
    made.add_argument(
        "-c", dest="commands", metavar="COMMANDS", help="what to do, parted by ';'; then end"
    )
    made.add_argument("--json", action="store_true", help="let status print JSON")
    made.add_argument(
        "--no-scripts",
        action="store_true",
        help="leave out the up and down scripts of the file, which else run on this machine",
    )
    return made


def _run(options: argparse.Namespace) -> int:
    from carpool.lab.prepare import prepare
    from carpool.lab.prompt import run_lab

    cluster = _load("run", options.file)
    if cluster is None:
        return 2
    prepared = prepare(cluster, scripts=not options.no_scripts)
    return _guarded("run", lambda: run_lab(prepared, options.commands, as_json=options.json))


def _load(command: str, file: Path) -> Cluster | None:
    """Return the cluster of a file, or None after telling all that is wrong with it."""
    loaded = load(file, secrets=False)
    for finding in loaded.findings:
        print(finding, file=sys.stderr)
    if loaded.cluster is None:
        errors = sum(finding.severity is Severity.ERROR for finding in loaded.findings)
        _complain(command, f"{file}: {errors} error{'s' * (errors != 1)}; nothing was started")
    return loaded.cluster


def _guarded(command: str, play: Callable[[], int]) -> int:
    """Play, and say in a line why it cannot be."""
    try:
        return play()
    except LabError as error:
        _complain(command, str(error))
        return 2
    except BrokenPipeError:  # whoever looked on has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _complain(command: str, text: str) -> None:
    print(f"carpool lab {command}: {text}", file=sys.stderr)
