"""``carpool completion SHELL``: what a shell needs to complete carpool's words."""

import argparse
import socket
from collections.abc import Callable

from carpool.cli.check import show
from carpool.cli.paragraphs import Paragraphs
from carpool.cli.shells import SHELLS

EPILOG = """to use it now:
  source <(carpool completion bash)
  source <(carpool completion zsh)
  carpool completion fish | source

to keep it:
  carpool completion bash > /etc/bash_completion.d/carpool
  carpool completion zsh > /usr/local/share/zsh/site-functions/_carpool
  carpool completion fish > ~/.config/fish/completions/carpool.fish

exit codes: 0 printed; 2 wrong usage.
"""


def main(arguments: list[str]) -> int:
    """Print the script of a shell, or the words that it asks for. Return the exit code."""
    made = parser()
    options = made.parse_args(arguments)
    if options.list is not None:
        show("".join(f"{word}\n" for word in LISTS[options.list]()))
    elif options.shell is None:
        made.error(f"name a shell: {', '.join(SHELLS)}")
    else:
        show(SHELLS[options.shell]())
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool completion",
        description="Print what a shell needs to complete the words of carpool's command line.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("shell", nargs="?", choices=tuple(SHELLS), help="for which shell")
    # Asked by the scripts themselves, for words that only this host knows.
    made.add_argument("--list", choices=tuple(LISTS), help=argparse.SUPPRESS)
    return made


def _codes() -> list[str]:
    """Return the codes of what check finds, which it can be told to leave out."""
    from carpool.cluster.findings import Rule

    return [rule.code for rule in Rule]


def _findings() -> list[str]:
    """Return the codes of what check and doctor find, which explain explains."""
    from carpool.doctor.faults import BY_CODE

    return [*_codes(), *BY_CODE]


def _groups() -> list[str]:
    """Return the groups of the daemons of this host, as far as they may be asked."""
    from carpool.cli.daemons import ask_each

    answers, _, _ = ask_each("status", argparse.Namespace(node=None, run_dir=None))
    return [*sorted({group["group"] for answer in answers for group in answer["groups"]}), "all"]


def _interfaces() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


def _nodes() -> list[str]:
    from carpool.node.rundir import default_run_directories, nodes_in

    try:
        return list(nodes_in(default_run_directories()))
    except OSError:
        return []


LISTS: dict[str, Callable[[], list[str]]] = {
    "codes": _codes,
    "findings": _findings,
    "groups": _groups,
    "interfaces": _interfaces,
    "nodes": _nodes,
}
"""Words that only this host knows, by what they are."""
