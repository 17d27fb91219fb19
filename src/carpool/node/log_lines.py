"""Lines of the log for machines: JSON, and the messages of syslog's RFC 5424."""

import json
import os
import socket
import time

from carpool.node.log import FACILITIES, LONGEST_LINE, About, Level

EXAMPLE_ENTERPRISE = 32473
"""IANA's number for examples (RFC 5612), which names carpool's elements until it has its own."""

_LONGEST_MESSAGE = 2048
"""Bytes that every receiver of syslog should take (RFC 5424, 6.1)."""
_LONGEST_NAME, _LONGEST_HOST = 48, 255  # characters of APP-NAME and HOSTNAME (RFC 5424, 6)
_LONGEST_MSGID = 32
_MOST_SEQUENCE = 2**31 - 1  # RFC 5424, 7.3.1
_CUT = "..."


class JsonLine:
    """One JSON object a line, with the keys of `carpool events --json` as far as they are known."""

    def __init__(self, node: str, *, for_journal: bool = False) -> None:
        """Name the node in each; `for_journal`: with the level before it, as sd-daemon(3) says."""
        self._node = node
        self._for_journal = for_journal

    def __call__(self, level: Level, text: str, about: About | None = None) -> str:
        """Return a line that fits into what a pipe takes at once."""
        head: dict[str, object] = {"time": utc(), "node": self._node}
        details: dict[str, object] = {}
        if about is not None:
            if about.seq is not None:
                head = {"seq": about.seq, **head}
            head |= {"group": about.group, "kind": about.kind}
            details = {"details": dict(about.details)}
        head["level"] = level.name.lower()
        mark = f"<{level}>" if self._for_journal else ""
        line = mark + json.dumps({**head, "text": text, **details})
        room = LONGEST_LINE - 1 - len(line)
        if room < 0:
            # Cut it must be, yet remain JSON: of a quarter of the room, which escapes make three.
            short = text.encode()[: LONGEST_LINE // 4].decode(errors="ignore") + _CUT
            line = mark + json.dumps({**head, "text": short, "cut": True})
        return line


class Rfc5424:
    """Messages of RFC 5424: what a log server reads.

    The message id is the kind of event. Structured data has a number that counts the messages of
    this sender ("meta", 7.3.1) and what the event concerns, under a name that needs an enterprise
    number (6.3.2, 7.2.2).
    """

    def __init__(
        self,
        ident: str,
        node: str,
        facility: str = "daemon",
        enterprise: int = EXAMPLE_ENTERPRISE,
    ) -> None:
        """Raise KeyError for a facility that is not in `FACILITIES`."""
        self._priority = FACILITIES[facility] * 8
        self._host = _printable(socket.gethostname(), _LONGEST_HOST)
        self._ident = _printable(ident, _LONGEST_NAME)
        self._node = node
        self._id = f"{ident}@{enterprise}"
        self._sequence = 0

    def __call__(self, level: Level, text: str, about: About | None = None) -> bytes:
        """Return a message of 2,048 bytes at most; of a longer one, the end of the text is cut."""
        self._sequence = self._sequence % _MOST_SEQUENCE + 1
        names: dict[str, object] = {"node": self._node}
        kind = "-"
        if about is not None:
            kind = _printable(about.kind, _LONGEST_MSGID)
            names |= {"group": about.group, "kind": about.kind, "seq": about.seq}
        # The process id changes where a daemon detaches.
        head = (
            f"<{self._priority + level}>1 {utc()} {self._host} {self._ident} {os.getpid()} {kind} "
            f'[meta sequenceId="{self._sequence}"][{self._id}{_parameters(names)}] '
        ).encode()
        # What is not ASCII is to be announced as UTF-8 (6.4); most receivers show the mark.
        body = text.encode() if text.isascii() else b"\xef\xbb\xbf" + text.encode()
        room = _LONGEST_MESSAGE - len(head)
        if len(body) > room:
            kept = body[: max(room - len(_CUT), 0)].decode(errors="ignore")
            body = f"{kept}{_CUT}".encode()
        return head + body


def utc() -> str:
    """Return the time of the day as RFC 3339 has it, with milliseconds."""
    now = time.time_ns()
    day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1_000_000_000))
    return f"{day}.{now // 1_000_000 % 1000:03d}Z"


def _parameters(values: dict[str, object]) -> str:
    return "".join(
        f' {name}="{_escaped(str(value))}"' for name, value in values.items() if value is not None
    )


def _escaped(value: str) -> str:
    r"""Escape what ends a parameter's value: " \ and ] (RFC 5424, 6.3.3)."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _printable(text: str, most: int) -> str:
    """Return the printable ASCII of a name, cut; "-" for none."""
    return "".join(char for char in text if "!" <= char <= "~")[:most] or "-"
