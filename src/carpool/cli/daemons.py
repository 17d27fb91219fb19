"""What the commands share that talk to the daemons of this host over their control sockets."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from carpool.cli.paragraphs import Paragraphs
from carpool.node.client import AskError, Connection, NotRunningError, RefusedError, find
from carpool.node.rundir import default_run_directories

NOT_RUNNING = 3
"""Exit code, as that of an init script's status action (LSB 3.1, "Init Script Actions")."""
CANNOT_ASK = 4
"""Exit code of one that does not answer, or may not be asked."""
_MOST_AT_ONCE = 64
_SECONDS = 5.0
BRISKLY = 1.0
"""Seconds to wait where somebody looks on who would rather know that a daemon is silent."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which daemon is meant."""
    parser.add_argument(
        "--node", metavar="NAME", help="the daemon of this node, where several run on this host"
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="where the control socket is (default: "
        f"{' or '.join(map(str, default_run_directories()))})",
    )


def daemon_parser(
    command: str, description: str, epilog: str = "", codes: str = ""
) -> argparse.ArgumentParser:
    """Return a parser of a command that tells one daemon to do something.

    `codes` are its own exit codes, besides those that all of these have.
    """
    made = argparse.ArgumentParser(
        f"carpool {command}",
        description=description,
        epilog=f"{epilog}exit codes: 0 done; 1 the daemon refuses; 2 wrong usage; 3 it is not "
        f"running; 4 it cannot be asked, or does not answer{codes}.",
        formatter_class=Paragraphs,
    )
    add_options(made)
    return made


def directories(options: argparse.Namespace) -> list[Path]:
    """Return where to look for sockets."""
    return [options.run_dir] if options.run_dir else default_run_directories()


def ask_each(
    command: str, options: argparse.Namespace, seconds: float = _SECONDS
) -> tuple[list[dict[str, Any]], list[str], int]:
    """Ask every daemon that is meant. Return the answers, the problems, and an exit code or 0."""
    answers, _, problems, code = ask_all(command, options, seconds)
    return answers, problems, code


def ask_all(
    command: str, options: argparse.Namespace, seconds: float = _SECONDS
) -> tuple[list[dict[str, Any]], list[str], list[str], int]:
    """Ask every daemon that is meant, all at once, so that one that is frozen holds up no other.

    Return the answers, the nodes without one, the problems, and an exit code or 0.
    """
    answers, silent, problems, code = [], [], [], 0
    try:
        there = find(directories(options), options.node)
    except NotRunningError as error:
        return [], [], [str(error)], NOT_RUNNING
    except AskError as error:
        return [], [], [str(error)], CANNOT_ASK
    found = _together(partial(_ask, command, seconds), list(there.values()))
    for node, answer in zip(there, found, strict=True):
        match answer:
            case dict():
                answers.append(answer)
            case NotRunningError():
                silent.append(node)
                problems.append(f"node {node}: not running; its daemon was killed")
                code = code or NOT_RUNNING
            case AskError():
                silent.append(node)
                problems.append(f"node {node}: {answer}")
                code = CANNOT_ASK
    return answers, silent, problems, code


_Answer = dict[str, Any] | NotRunningError | AskError


def _ask(command: str, seconds: float, path: Path) -> _Answer:
    try:
        with Connection(path, seconds) as connection:
            return connection.ask(command)
    except (NotRunningError, AskError) as error:
        return error


def _together(ask: Callable[[Path], _Answer], paths: Sequence[Path]) -> list[_Answer]:
    if len(paths) == 1:
        return [ask(paths[0])]
    # Only here: nearly every host has one daemon.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_MOST_AT_ONCE) as threads:
        return list(threads.map(ask, paths))


def tell(
    command: str, options: argparse.Namespace, *, seconds: float = _SECONDS, **arguments: Any
) -> dict[str, Any] | int:
    """Tell the one daemon that is meant to do something. Return its answer, or the exit code.

    What went wrong has been said on standard error.
    """
    path = one_daemon(command, options)
    if isinstance(path, int):
        return path
    try:
        with Connection(path, seconds) as connection:
            return connection.ask(command, **arguments)
    except (NotRunningError, AskError) as error:
        return complain(command, error)


def one_daemon(command: str, options: argparse.Namespace) -> Path | int:
    """Return the socket of the one daemon that is meant, or the exit code.

    What went wrong has been said on standard error.
    """
    try:
        there = find(directories(options), options.node)
    except (NotRunningError, AskError) as error:
        return complain(command, error)
    if len(there) > 1:
        running = ", ".join(there)
        print(
            f"carpool {command}: several daemons run here: {running}; name one with --node",
            file=sys.stderr,
        )
        return 2
    ((_, path),) = there.items()
    return path


def complain(command: str, error: NotRunningError | AskError) -> int:
    """Say on standard error why a daemon did not do something. Return the exit code."""
    print(f"carpool {command}: {error}", file=sys.stderr)
    if isinstance(error, RefusedError):
        return 1
    return NOT_RUNNING if isinstance(error, NotRunningError) else CANNOT_ASK


def named_groups(options: argparse.Namespace) -> list[str] | None:
    """Return the groups that are named on the command line, None if all are meant."""
    return None if options.groups in ([], ["all"]) else list(options.groups)


def report_demotions(command: str, options: argparse.Namespace, **arguments: Any) -> int:
    """Change the demotion of groups, and say what it is now. Return the exit code."""
    answer = tell(command, options, groups=named_groups(options), **arguments)
    if isinstance(answer, int):
        return answer
    for group, demotions in answer["demotions"].items():
        reasons = ", ".join(f"{amount} ({reason})" for reason, amount in demotions.items())
        print(f"{group}: {f'demoted by {reasons}' if reasons else 'not demoted'}")
    return 0
