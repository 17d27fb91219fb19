"""``carpool yield GROUP ...``: hand groups that are master here to another node."""

import argparse

from carpool.cli.daemons import daemon_parser, named_groups, tell


def main(arguments: list[str]) -> int:
    """Let another node take over, and return the exit code."""
    options = parser().parse_args(arguments)
    answer = tell("yield", options, groups=named_groups(options))
    if isinstance(answer, int):
        return answer
    print(f"yielded {', '.join(answer['yielded']) or 'nothing: master of none of them'}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = daemon_parser(
        "yield",
        "Let another node take over groups that are master here. This one stands back for 3 s; "
        "where it is preferred and preempts, it then takes them back: see carpool maintenance.",
    )
    made.add_argument("groups", nargs="+", metavar="GROUP", help="a group, or all")
    return made
