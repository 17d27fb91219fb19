"""``carpool promote GROUP ...``: take back what ``carpool demote`` did."""

import argparse

from carpool.cli.daemons import daemon_parser, report_demotions


def main(arguments: list[str]) -> int:
    """Let this host be as wanted as it was, and return the exit code."""
    return report_demotions("promote", parser().parse_args(arguments))


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = daemon_parser("promote", "Take back what carpool demote did. Other reasons stay.")
    made.add_argument("groups", nargs="+", metavar="GROUP", help="a group, or all")
    return made
