"""What the commands that work on hypervisors over SSH share: plan, apply, status and destroy."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import FrameType
from typing import Any

from carpool.cli.check import show
from carpool.cli.paragraphs import Paragraphs
from carpool.cli.render import add_compat
from carpool.cli.ssh_options import add_ssh_options
from carpool.cluster.findings import Severity
from carpool.cluster.load import load
from carpool.cluster.password import PasswordError
from carpool.cluster.secrets import read_secrets
from carpool.deploy.errors import DeployError, Problem
from carpool.deploy.fleet import Fleet
from carpool.deploy.program import build
from carpool.deploy.ssh import Access, Network
from carpool.deploy.targets import Goal, Program, goal
from carpool.smartos.payload import Compat, RenderError

PARALLEL = 32
"""Hypervisors at a time, unless the user says otherwise."""

ACCESS = """A hypervisor is reached as ssh would: by ~/.ssh/config, the agent, the keys in
~/.ssh. Its host key must be in known_hosts. What runs there is sh, vmadm, imgadm, nictagadm and
zlogin.
"""


class RefusedError(Exception):
    """A command that cannot begin; the text says why and how to mend it."""


def fleet_parser(command: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all of these commands have."""
    made = argparse.ArgumentParser(
        f"carpool {command}",
        description=description,
        epilog=f"{ACCESS}\n{epilog}",
        formatter_class=Paragraphs,
    )
    made.add_argument("file", type=Path, metavar="FILE", help="the cluster file (TOML)")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument(
        "--parallel",
        type=_count,
        default=PARALLEL,
        metavar="N",
        help=f"how many hypervisors or groups to work on at a time (default {PARALLEL})",
    )
    add_ssh_options(made)
    return made


def add_plan_options(made: argparse.ArgumentParser) -> None:
    """Add the options that decide what is planned."""
    made.add_argument(
        "--recreate",
        action="store_true",
        help="delete a zone and make it again where no update will do (brand, image)",
    )
    add_compat(made)
    made.add_argument(
        "--program",
        type=Path,
        metavar="FILE",
        help="the carpool.pyz for the zones (default: made from this carpool)",
    )


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= 1024:
        raise argparse.ArgumentTypeError(f"{text}: not a number of 1 to 1024")
    return number


def fleet(options: argparse.Namespace, *, secrets: bool, instead: str = "") -> Fleet:
    """Return the fleet of the cluster file, to be surveyed. Raises RefusedError.

    With ``secrets`` it is good for a plan: passwords are read, and the program is made. ``instead``
    says what else may be meant where there is no fleet.
    """
    access = Access(options.identity, options.known_hosts, options.ssh_config)
    for path in (access.identity, access.known_hosts, access.ssh_config):
        if path is not None and not path.is_file():
            raise RefusedError(f"{path}: there is no such file; nothing was touched")
    made = _goal(options, secrets=secrets)
    if not made.targets:
        raise RefusedError(
            f"{options.file}: no node is a SmartOS zone of carpool's: add the table [zone], and "
            f"hypervisor to the nodes{instead}"
        )
    return Fleet(made, Network(access), options.parallel)


def _goal(options: argparse.Namespace, *, secrets: bool) -> Goal:
    loaded = load(options.file, secrets=secrets)
    for finding in loaded.findings:
        if secrets or finding.severity is Severity.ERROR:
            print(finding, file=sys.stderr)
    if loaded.cluster is None:
        raise RefusedError(f"{options.file}: mend the errors above; nothing was touched")
    cluster = loaded.cluster
    try:
        if not secrets:
            return goal(cluster, None, Program(b""))
        passwords = read_secrets(cluster)
        program = Program(options.program.read_bytes()) if options.program else build()
        return goal(cluster, passwords, program, Compat(options.compat))
    except OSError as error:
        raise RefusedError(f"{error.filename}: {error.strerror}; nothing was touched") from None
    except (PasswordError, RenderError) as error:
        raise RefusedError(f"{error}; nothing was touched") from None


@contextmanager
def interruptible(working: Fleet) -> Iterator[None]:
    """Let a signal stop the work after the steps under way, and a second one at once."""

    def stop(_signum: int, _frame: FrameType | None) -> None:
        if working.halt.is_set():
            print("carpool: hanging up", file=sys.stderr, flush=True)
            working.hang_up()
            return
        working.halt.set()
        print(
            "carpool: stopping after the steps under way; once more to hang up at once",
            file=sys.stderr,
            flush=True,
        )

    before = {signum: signal.signal(signum, stop) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


class Progress:
    """Lines of progress on standard error, from many threads."""

    def __init__(self, made: Goal) -> None:
        self._hypervisors = {target.node: target.hypervisor for target in made.targets}
        self._turn = Lock()

    def __call__(self, node: str, text: str) -> None:
        """Print a line about a node."""
        with self._turn:
            print(f"{self._hypervisors[node]}: {node}: {text}", file=sys.stderr, flush=True)


def print_problems(command: str, problems: Sequence[Problem]) -> None:
    """Print what went wrong, a line each."""
    for problem in dict.fromkeys(problems):
        print(f"carpool {command}: {problem}", file=sys.stderr)


def print_json(document: dict[str, Any]) -> None:
    """Print a JSON document."""
    show(json.dumps(document, indent=2) + "\n")


def refuse(command: str, error: RefusedError | DeployError, *, as_json: bool) -> int:
    """Print why a command cannot begin, and return the exit code."""
    if as_json:
        print_json({"error": str(error)})
    print(f"carpool {command}: {error}", file=sys.stderr)
    return 2
