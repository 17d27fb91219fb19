"""The keys of the daemon's log, and what must hold between them.

A file without a table [log] need not load this.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from carpool.cluster.findings import Rule
from carpool.cluster.model import LogServer
from carpool.cluster.readers import Choice, Integer, typed
from carpool.cluster.table import Field, Table

if TYPE_CHECKING:
    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key

FORMATS = ("text", "json", "journal", "syslog", "rfc5424")
LEVELS = ("error", "warning", "notice", "info", "debug")
FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron"),
    *("authpriv", "ftp", *(f"local{number}" for number in range(8)), "security"),
)
TO_SYSLOG = ("syslog", "rfc5424")
"""The formats whose lines go to the syslog of the host."""

_SERVER = re.compile(
    r"(?P<transport>udp|tcp)://(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_PORTS = {"udp": 514, "tcp": 601}
_MOST_PORT = 65535


class Facility(Choice):
    """A facility of syslog."""

    def __init__(self) -> None:
        super().__init__(*FACILITIES)
        self.kind = "a facility of syslog"
        self.example = '"local3"'


class Server:
    """Where a log server listens, and how it is spoken to."""

    kind = "a log server, udp://ADDRESS:PORT or tcp://ADDRESS:PORT"
    example = '"udp://192.168.0.9:514"'

    def read(self, value: object, key: Key, source: Source) -> LogServer | None:
        """Return the server."""
        text = typed(value, str, self, key, source)
        if text is None:
            return None
        match = _SERVER.fullmatch(text.strip())
        try:
            address = ip_address(match["v6"] or match["v4"]) if match else None
        except ValueError:
            address = None
        if match is None or address is None:
            mend = f"write for example: {key[-1]} = {self.example}; names are not looked up"
            source.report(Rule.BAD_LOG_SERVER, key, f"{text[:80]!r} is not {self.kind}", mend)
            return None
        port = int(match["port"] or _PORTS[match["transport"]])
        if not 1 <= port <= _MOST_PORT:
            message, mend = f"there is no port {port}", f"use 1 to {_MOST_PORT}"
            source.report(Rule.BAD_LOG_SERVER, key, message, mend)
        elif address.is_unspecified or address.is_multicast:
            message, mend = f"{address} is no host's address", "write the address of one host"
            source.report(Rule.BAD_LOG_SERVER, key, message, mend)
        else:
            return LogServer("udp" if match["transport"] == "udp" else "tcp", address, port)
        return None


LOG = Table(
    "[log]",
    "What the daemon logs, and where to. The table may be left out.",
    (
        Field(
            "format",
            Choice(*FORMATS),
            "What a line is like: for people, a JSON object, or with its level for systemd's "
            "journal, on standard error; or a message for the syslog of the host, as syslog "
            "daemons have always read it (syslog) or as RFC 5424 has it.",
            absent="journal if systemd's journal reads standard error, else text",
        ),
        Field(
            "level",
            Choice(*LEVELS),
            "The least urgent lines that are logged.",
            "info",
        ),
        Field(
            "facility",
            Facility(),
            "Facility of the messages for syslog and for the log server.",
            "daemon",
        ),
        Field(
            "server",
            Server(),
            "Log server that gets every line as well, in the form of RFC 5424: over UDP, or over "
            "TCP with octet counting. Without a port, 514 for UDP and 601 for TCP.",
            absent="none",
        ),
        Field(
            "enterprise",
            Integer(1, 4_294_967_295, "32473"),
            "Private enterprise number (IANA) in the name of carpool's structured data, "
            "carpool@NUMBER; 32473 is the one for examples.",
            32473,
        ),
    ),
)


def check_log(values: dict[str, Any], given: object, source: Source) -> None:
    """Report keys that do nothing, because nothing goes to syslog or a server."""
    if not isinstance(given, dict) or "server" in given or "format" not in values:
        return
    idle = {"facility": TO_SYSLOG, "enterprise": TO_SYSLOG[1:]}
    for name, formats in idle.items():
        if name in given and name in values and values["format"] not in formats:
            wanted = " or ".join(f'"{one}"' for one in formats)
            message = "does nothing without a server"
            mend = f"add format = {wanted}, or a server; or take it out"
            source.report(Rule.IDLE_LOG_KEY, ("log", name), message, mend)
