"""``carpool maintenance on|off [GROUP ...]``: forbid this host to be master, or no longer."""

import argparse
import sys

from carpool.cli.daemons import daemon_parser, named_groups, tell


def main(arguments: list[str]) -> int:
    """Begin or end maintenance, and return the exit code."""
    options = parser().parse_args(arguments)
    answer = tell("maintenance", options, on=options.what == "on", groups=named_groups(options))
    if isinstance(answer, int):
        return answer
    if "warning" in answer:
        print(f"carpool maintenance: warning: {answer['warning']}", file=sys.stderr)
    print(f"in maintenance: {', '.join(answer['maintenance']) or 'nothing'}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = daemon_parser(
        "maintenance",
        "Forbid this host to be master: it hands over, and stays backup even if no other node is "
        "left. Remembered over restarts and boots, until it is ended.",
    )
    made.add_argument("what", choices=("on", "off"), metavar="on|off", help="begin or end it")
    made.add_argument(
        "groups", nargs="*", default=[], metavar="GROUP", help="only these (default: the node)"
    )
    return made
