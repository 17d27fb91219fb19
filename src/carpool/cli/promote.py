"""``carpool promote GROUP ...``: take back what ``carpool demote`` did."""

from carpool.cli.daemons import parser, report_demotions


def main(arguments: list[str]) -> int:
    """Let this host be as wanted as it was, and return the exit code."""
    made = parser("promote", "Take back what carpool demote did. Other reasons stay.")
    made.add_argument("groups", nargs="+", metavar="GROUP", help="a group, or all")
    return report_demotions("promote", made.parse_args(arguments))
