"""`carpool lab run`: a cluster in the lab, and where its commands come from."""

import subprocess
import sys
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Final

from carpool.carp.timing import SECOND, master_down_time
from carpool.cluster.model import Cluster, Group
from carpool.lab.cluster import ClusterLab, until
from carpool.lab.namespaces import LabError, why_unsupported
from carpool.lab.prepare import Prepared
from carpool.lab.session import in_lab
from carpool.lab.shell import CommandError, Shell
from carpool.lab.terminal import borrow_terminal, in_foreground, terminal_lent

PROMPT: Final = "lab> "
_LONGEST_SETTLING: Final = 15.0  # seconds
_DELIMITERS: Final = " ;"


def run_lab(prepared: Prepared, commands: str | None, *, as_json: bool) -> int:
    """Run the lab, with `commands` or those on standard input. Return the exit code.

    0: all commands worked; 1: one did not, and none came after it. At a prompt that ends nothing.
    Raises LabError where there can be no lab, or the cluster does not fit in it.
    """
    if reason := why_unsupported():
        raise LabError(f"{reason}. `carpool lab demo --virtual` needs no namespaces")
    for note in prepared.notes:
        print(note, file=sys.stderr)
    foreground = in_foreground()
    at_prompt = commands is None and foreground and sys.stdout.isatty()

    def main(folder: Path) -> int:
        if foreground:
            borrow_terminal()
        with ClusterLab(prepared.cluster, prepared.passwords, folder) as lab:
            # A program in a zone is not to read the commands that come after it.
            stdin = subprocess.DEVNULL if commands is None and not at_prompt else None
            if at_prompt:
                print(f"Starting {', '.join(lab.nodes)} ...", flush=True)
            shell = Shell(lab, sys.stdout, stdin=stdin, talkative=at_prompt, as_json=as_json)
            started = _start(shell)
            if at_prompt:
                return _converse(shell)
            return _obey(shell, sys.stdin if commands is None else [commands]) if started else 1

    with terminal_lent() if foreground else nullcontext():
        return in_lab(main)


def _start(shell: Shell) -> bool:
    """Start all daemons, in the order of the file, and wait until masters answer and say so.

    Return whether all started.
    """
    lab, started = shell.lab, True
    # One after the other: without preempt, the first that is ready rules.
    for name in (name for name in lab.nodes if lab.cluster.groups_of(name)):
        try:
            lab.start(name)
        except LabError as error:
            print(error, file=sys.stderr)
            started = False
    until(
        lambda: (
            all(_has_master(lab, group) for group in lab.cluster.groups)
            and all(probe.answers() for probe in shell.probes)
        ),
        min(_settling(lab.cluster), _LONGEST_SETTLING),
    )
    return started


def _has_master(lab: ClusterLab, group: Group) -> bool:
    """Return whether one node has the address, and has logged so, which comes a bit later."""
    holders = lab.holders(group)
    return len(holders) == 1 and lab.states(holders[0]).get(group.name) == "MASTER"


def _settling(cluster: Cluster) -> float:
    """Return in how many seconds there should be a master of every group."""
    longest = max(
        master_down_time(group.advbase, member.advskew, group.dead_ratio)
        for group in cluster.groups
        for member in group.members
    )
    return longest / SECOND + 1


def _obey(shell: Shell, lines: Iterable[str]) -> int:
    for line in lines:
        try:
            shell.run(line)
        except CommandError as error:
            print(f"carpool lab: {error}", file=sys.stderr)
            return 1
        if shell.ended:
            break
    return 0


def _converse(shell: Shell) -> int:
    _complete_by_tab(shell)
    print("`status` shows the zones, `help` what can be done to them.")
    while not shell.ended:
        try:
            shell.run(input(PROMPT))
        except EOFError:
            print()
            break
        except CommandError as error:
            print(error)
        except KeyboardInterrupt:
            print()
    return 0


def _complete_by_tab(shell: Shell) -> None:
    with suppress(ImportError):  # some builds of Python are without
        import readline  # noqa: PLC0415

        def complete(word: str, number: int) -> str | None:
            found = shell.completions(readline.get_line_buffer()[: readline.get_endidx()], word)
            return found[number] if number < len(found) else None

        readline.set_completer_delims(_DELIMITERS)
        readline.set_completer(complete)
        editline = "libedit" in (readline.__doc__ or "")
        readline.parse_and_bind("bind ^I rl_complete" if editline else "tab: complete")
