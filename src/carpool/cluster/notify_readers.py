"""Readers of the values of notifiers; see ``readers`` for what a reader is.

Hosts may have names here: they are looked up by a child process, which nobody waits for.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from carpool.cluster.findings import Rule
from carpool.cluster.readers import Choice, FileName, report_type, typed
from carpool.cluster.zone_readers import Text, is_dns_name

if TYPE_CHECKING:
    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key

_URL = re.compile(
    r"https?://(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^][/:?#@\s]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/[!\"$-~]*)?",  # printable ASCII without '#'
)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2, token
_MOST_PORT = 65535
_NOT_IN_NAGIOS = "`~!$%^&*\"|'<>?,()=;"
"""illegal_object_name_chars of Nagios, and what divides the fields of its external commands."""

MAIL_ADDRESS = Text(
    "a mail address",
    '"ops@example.com"',
    # RFC 5321 section 4.1.2, without quoted parts and address literals.
    r"(?=.{3,254}\Z)(?=[^@]{1,64}@)"
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*",
    Rule.BAD_MAIL_ADDRESS,
    "write it as name@domain, without a name of the person",
)


class Line(FileName):
    """Text on one line."""

    def __init__(self, kind: str, example: str) -> None:
        self.kind = kind
        self.example = example


class UserName(Line):
    """Who logs in at a mail server: ASCII, for smtplib's login takes nothing else."""

    def read(self, value: object, key: Key, source: Source) -> str | None:
        """Return the name."""
        text = super().read(value, key, source)
        if text is None or text.isascii():
            return text
        message = f"{text[:80]!r} is not ASCII, which the login of mail needs"
        source.report(Rule.BAD_TEXT, key, message, "use a user of the mail server that is")
        return None


class MailAddresses:
    """One mail address, or a list of them."""

    kind = "a mail address, or a list of them"
    example = '["ops@example.com"]'

    def read(self, value: object, key: Key, source: Source) -> tuple[str | None, ...] | None:
        """Return the addresses in the order of the file."""
        if not isinstance(value, list):
            return (MAIL_ADDRESS.read(value, key, source),)
        if not value:
            mend = f"write for example: {key[-1]} = {self.example}"
            source.report(Rule.EMPTY, key, "has no address", mend)
        return tuple(
            MAIL_ADDRESS.read(item, (*key, index), source) for index, item in enumerate(value)
        )


class ServerName:
    """The name of a server, or its address."""

    kind = "the name or the address of a server"
    example = '"mail.example.com"'

    def read(self, value: object, key: Key, source: Source) -> str | None:
        """Return it as it is."""
        text = typed(value, str, self, key, source)
        if text is None or is_host(text):
            return text
        message, mend = f"{text[:80]!r} is no name of a host", "the port has a key of its own"
        source.report(Rule.BAD_HOST_NAME, key, message, mend)
        return None


class WebUrl:
    """The URL of something on a web server."""

    kind = "a URL of http or https"
    example = '"https://alerts.example.com/carpool"'

    def read(self, value: object, key: Key, source: Source) -> str | None:
        """Return the URL. A finding does not repeat it: there may be a secret in it."""
        text = typed(value, str, self, key, source)
        if text is None:
            return None
        match = _URL.fullmatch(text)
        port = int(match["port"] or 80) if match else 0
        named = match is not None and (
            is_host(match["host"]) if match["v6"] is None else _is_ipv6(match["v6"])
        )
        if named and 1 <= port <= _MOST_PORT:
            return text
        message, mend = "is not a URL that can be used", f"write for example: {self.example}"
        if "@" in text:
            mend += "; a user and a password do not belong into it: secret_file, secret_header"
        source.report(Rule.BAD_NOTIFY_URL, key, message, mend)
        return None


class Headers:
    """Headers of HTTP: a table of texts."""

    kind = "a table of headers and their values"
    example = '{ X-Team = "web" }'

    def read(self, value: object, key: Key, source: Source) -> dict[str, str] | None:
        """Return the headers in the order of the file."""
        if not isinstance(value, dict):
            report_type(value, self, key, source)
            return None
        made: dict[str, str] = {}
        for name, given in value.items():
            text = typed(given, str, self, (*key, name), source)
            if text is None:
                continue
            if _HEADER.fullmatch(name) is None:
                message, mend = f"{name[:80]!r} is no name of a header", "use letters, digits, '-'"
                source.report(Rule.BAD_TEXT, (*key, name), message, mend)
            elif not text or not text.isprintable() or not text.isascii():
                message, mend = "is empty or not printable ASCII", "write it on one line of ASCII"
                source.report(Rule.BAD_TEXT, (*key, name), message, mend)
            else:
                made[name] = text
        return made


class HeaderName:
    """The name of one header of HTTP."""

    kind = "the name of a header"
    example = '"Authorization"'

    def read(self, value: object, key: Key, source: Source) -> str | None:
        """Return the name."""
        text = typed(value, str, self, key, source)
        if text is None or _HEADER.fullmatch(text):
            return text
        message, mend = f"{text[:80]!r} is no name of a header", "use letters, digits, '-'"
        source.report(Rule.BAD_TEXT, key, message, mend)
        return None


class NagiosName:
    """The name of a host or a service in Nagios."""

    def __init__(self, what: str, example: str) -> None:
        self.kind = f"the name of a {what} in Nagios"
        self.example = example

    def read(self, value: object, key: Key, source: Source) -> str | None:
        """Return the name."""
        text = typed(value, str, self, key, source)
        if text is None:
            return None
        if text and text.isprintable() and not set(_NOT_IN_NAGIOS) & set(text):
            return text
        message = "is empty, or has a character that Nagios has not in names"
        source.report(Rule.BAD_TEXT, key, message, f"leave out {_NOT_IN_NAGIOS}")
        return None


class Occasions:
    """A list of words: what to tell of."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self._each = Choice(*words)
        self.kind = "a list of " + ", ".join(f'"{word}"' for word in words)
        self.example = f'["{words[0]}"]'

    def read(self, value: object, key: Key, source: Source) -> tuple[str | None, ...] | None:
        """Return the words in the order of the file."""
        words = typed(value, list, self, key, source)
        if words is None:
            return None
        if not words:
            mend = f"write for example: {key[-1]} = {self.example}"
            source.report(Rule.EMPTY, key, "names nothing to tell of", mend)
        return tuple(
            self._each.read(word, (*key, index), source) for index, word in enumerate(words)
        )


def _is_ipv6(text: str) -> bool:
    try:
        return bool(IPv6Address(text))
    except ValueError:
        return False


def is_host(text: str) -> bool:
    """Return whether the text is the name of a host, or an address without a zone."""
    try:
        return "%" not in text and bool(ip_address(text))
    except ValueError:
        return is_dns_name(text)
