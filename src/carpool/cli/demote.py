"""``carpool demote GROUP ...``: make this host less wanted as master."""

import argparse

from carpool.carp.election import MOST_DEMOTED
from carpool.cli.daemons import daemon_parser, report_demotions

DEFAULT_AMOUNT = 100


def main(arguments: list[str]) -> int:
    """Demote groups on this host, and return the exit code."""
    options = parser().parse_args(arguments)
    return report_demotions("demote", options, amount=options.by)


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = daemon_parser(
        "demote",
        "Make this host less wanted as master, until carpool promote or the end of the daemon. A "
        "node that is less demoted takes over at once; where there is none, this one stays.",
    )
    made.add_argument("groups", nargs="+", metavar="GROUP", help="a group, or all")
    made.add_argument(
        "--by",
        type=_amount,
        default=DEFAULT_AMOUNT,
        metavar="N",
        help=f"how much, 1 to {MOST_DEMOTED} (default {DEFAULT_AMOUNT}); it adds to other reasons",
    )
    return made


def _amount(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MOST_DEMOTED:
        raise argparse.ArgumentTypeError(f"{text}: not a number of 1 to {MOST_DEMOTED}")
    return number
