"""Readers of the values of health checks; see ``readers`` for what a reader is.

Hosts are given by their addresses: a check that looks up a name can take long, and then says more
of the name server than of the host.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from carpool.cluster.findings import Rule
from carpool.cluster.model import Url
from carpool.cluster.readers import FileName, Integer, typed
from carpool.cluster.zone_readers import is_dns_name

if TYPE_CHECKING:
    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key
    from carpool.cluster.zone_readers import Address

_URL = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^][/:?#@\s]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!\"$-~]*)?",  # printable ASCII without '#'
)
_MOST_PORT = 65535


class HostAddress:
    """The address of one host."""

    kind = "an IP address"
    example = '"192.168.0.1"'

    def read(self, value: object, key: Key, source: Source) -> Address | None:
        """Return the address."""
        text = typed(value, str, self, key, source)
        if text is None:
            return None
        address = _address(text)
        if address is None:
            mend = "write one IP address, without a prefix length; names are not looked up"
            source.report(Rule.BAD_ADDRESS, key, f"{text[:80]!r} is not an IP address", mend)
        elif address.is_unspecified or address.is_multicast:
            mend = "write the address of one host"
            source.report(Rule.UNUSABLE_ADDRESS, key, f"{address} is no host's address", mend)
        else:
            return address
        return None


class UrlText:
    """The URL of a page on a host that is given by its address."""

    kind = "a URL with an address for its host"
    example = '"http://127.0.0.1:8080/health"'

    def read(self, value: object, key: Key, source: Source) -> Url | None:
        """Return the URL. A finding does not repeat it: there may be a password in it."""
        text = typed(value, str, self, key, source)
        if text is None:
            return None
        match = _URL.fullmatch(text)
        if match is None:
            message, mend = "is not a URL that can be checked", f"write for example: {self.example}"
            source.report(Rule.BAD_URL, key, message, mend)
            return None
        scheme, host, path = match["scheme"], match["v6"] or match["host"], match["path"] or "/"
        port = int(match["port"] or (443 if scheme == "https" else 80))
        address = _address(host)
        if address is None:
            mend = f'write its address, and host = "{host[:80]}"'
            if not is_dns_name(host):
                mend = f"write for example: {self.example}"
            message = f"{host[:80]!r} is no address, and names are not looked up"
            source.report(Rule.BAD_URL, key, message, mend)
        elif not 1 <= port <= _MOST_PORT:
            message, mend = f"there is no port {port}", f"use 1 to {_MOST_PORT}"
            source.report(Rule.BAD_URL, key, message, mend)
        else:
            return Url(scheme == "https", address, port, path)
        return None


def _address(text: str) -> Address | None:
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


class Statuses:
    """One status of HTTP, or a list of them."""

    kind = "a status of HTTP, 200 to 599, or a list of them"
    example = "200"
    _each = Integer(200, 599, "200")

    def read(self, value: object, key: Key, source: Source) -> tuple[int | None, ...] | None:
        """Return the statuses in the order of the file."""
        if not isinstance(value, list):
            return (self._each.read(value, key, source),)
        if not value:
            mend = f"write for example: {key[-1]} = [200, 204]"
            source.report(Rule.EMPTY, key, "has no status", mend)
        return tuple(self._each.read(item, (*key, i), source) for i, item in enumerate(value))


class Words(FileName):
    """Text on one line."""

    kind = "a text"
    example = '"all is well"'
