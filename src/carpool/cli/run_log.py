"""What `carpool run` logs, by its options and the cluster file."""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from carpool.cluster.model import Logging
from carpool.node.log import Level, Log, stderr_sink, syslog_listens

if TYPE_CHECKING:
    from carpool.node.loop import Loop


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how to log."""
    parser.add_argument("--debug", action="store_true", help="log rejected frames and more")
    parser.add_argument(
        "--log",
        type=_wanted,
        metavar="FORMAT[:FACILITY]",
        help="log as text, json, journal, syslog, or rfc5424 (to syslog as well), whatever the "
        "file says; the facility of syslog is daemon unless named",
    )


def wanted_log(options: argparse.Namespace, given: Logging | None) -> Logging:
    """Return how to log, by the options, else by what the file has given."""
    log = given or Logging()
    if options.log is not None:
        log = replace(log, **options.log)
    return replace(log, level="debug") if options.debug else log


def first_log(wanted: Logging) -> Log:
    """Return a log on standard error, for what there is to say before the node is known."""
    return Log(stderr_sink(), level=Level[wanted.level.upper()])


def direct(log: Log, wanted: Logging, node: str, loop: "Loop") -> None:
    """Let the log go where it is to go."""
    if wanted != Logging(level=wanted.level):
        # Only here: most daemons log as they always have.
        from carpool.cluster.log_schema import TO_SYSLOG
        from carpool.node.log_sinks import make_sinks

        if wanted.format in TO_SYSLOG and not syslog_listens():
            log.warning(
                "no syslog daemon listens on this host: what is logged is lost until one does; "
                "use another format of the log, or start one"
            )
        log.sinks = make_sinks(wanted, node, loop)


def _wanted(text: str) -> dict[str, str]:
    from carpool.cluster.log_schema import FACILITIES, FORMATS, TO_SYSLOG
    from carpool.cluster.wording import choose_from

    form, colon, facility = text.partition(":")
    if form not in FORMATS:
        raise argparse.ArgumentTypeError(
            f"there is no format {form!r}; {choose_from(form, FORMATS)}"
        )
    if not colon:
        return {"format": form}
    if form not in TO_SYSLOG:
        raise argparse.ArgumentTypeError(f"{form} has no facility: {' and '.join(TO_SYSLOG)} have")
    if facility not in FACILITIES:
        raise argparse.ArgumentTypeError(
            f"syslog has no facility {facility!r}; {choose_from(facility, FACILITIES)}"
        )
    return {"format": form, "facility": facility}
