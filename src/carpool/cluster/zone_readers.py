"""Readers of the values that make a SmartOS zone; see ``readers`` for what a reader is.

What vmadm accepts is looser in places than what then works; the readers want what works.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, TypeAlias

from carpool.cluster.findings import Rule
from carpool.cluster.readers import typed

if TYPE_CHECKING:
    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key

Address: TypeAlias = IPv4Address | IPv6Address

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS_NAME = rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*"
_DNS_NAME_PATTERN = re.compile(_DNS_NAME)


def is_dns_name(text: str) -> bool:
    """Return whether DNS can have ``text`` as a host's name (RFC 1123 section 2.1, RFC 1035)."""
    return _DNS_NAME_PATTERN.fullmatch(text) is not None


class Text:
    """Text of a certain form: ``pattern`` must match the whole of it."""

    def __init__(self, kind: str, example: str, pattern: str, rule: Rule, mend: str) -> None:
        self.kind = kind
        self.example = example
        self._pattern = re.compile(pattern)
        self._rule = rule
        self._mend = mend

    def read(self, value: object, key: Key, source: Source) -> str | None:
        """Return the text."""
        text = typed(value, str, self, key, source)
        if text is None or self._pattern.fullmatch(text):
            return text
        source.report(self._rule, key, f"{text[:80]!r} is not {self.kind}", self._mend)
        return None


UUID = Text(
    "a UUID in lower case",
    '"f8f9a0b4-62b7-4f5d-9d5e-1c2d3e4f5a6b"',
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    Rule.BAD_UUID,
    "write it as imgadm and vmadm show it, 8-4-4-4-12 digits of 0-9 and a-f",
)
NIC_TAG = Text(
    "a nic tag",
    '"external"',
    r"[a-zA-Z0-9_/]{1,31}",
    Rule.BAD_NIC_TAG,
    "use a tag that 'nictagadm list' shows: letters, digits, '_' and '/', no '-'",
)
HOSTNAME = Text(
    "a host name",
    '"web1"',
    _DNS_NAME,
    Rule.BAD_HOST_NAME,
    "use letters, digits and '-', not first or last, with dots between the parts",
)
DOMAIN = Text(
    "a domain",
    '"example.com"',
    _DNS_NAME,
    Rule.BAD_HOST_NAME,
    "use letters, digits and '-', not first or last, with dots between the parts",
)
ALIAS = Text(
    "an alias",
    '"web1"',
    r"[A-Za-z0-9][A-Za-z0-9_.-]{0,189}",
    Rule.BAD_HOST_NAME,
    "use letters, digits, '_', '.' and '-', a letter or digit first",
)
HYPERVISOR = Text(
    "an address for ssh",
    '"gz1.example.com"',
    # A word that begins with '-' would be an option of ssh.
    rf"(?:[A-Za-z_][A-Za-z0-9_.-]{{0,31}}@)?(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:.]+\])"
    r"(?::[1-9][0-9]{0,4})?",
    Rule.BAD_HYPERVISOR,
    "write [user@]host[:port], an IPv6 address in brackets",
)
KERNEL_VERSION = Text(
    "a Linux version",
    '"4.10"',
    r"[0-9]{1,3}(?:\.[0-9]{1,3}){1,2}",
    Rule.BAD_KERNEL_VERSION,
    'use what the image asks for, such as "4.10"',
)
PACKAGE = Text(
    "the name of a package",
    '["python312"]',
    r"[A-Za-z0-9][A-Za-z0-9._+-]*",
    Rule.BAD_PACKAGE,
    "use a name that pkgin or apt can install",
)
FMRI = Text(
    "the name of a service",
    '["network/nginx"]',
    r"(?:svc:/|lrc:/)?[A-Za-z0-9][A-Za-z0-9_.,/-]*(?::[A-Za-z0-9][A-Za-z0-9_.,-]*)?",
    Rule.BAD_FMRI,
    "use a name that 'svcs -a' shows, such as network/nginx or svc:/network/nginx:default",
)


class Words:
    """A list of texts of one form."""

    def __init__(self, each: Text) -> None:
        self.each = each
        self.kind = f"a list, each {each.kind}"
        self.example = each.example

    def read(self, value: object, key: Key, source: Source) -> tuple[str | None, ...] | None:
        """Return the texts in the order of the file."""
        words = typed(value, list, self, key, source)
        if words is None:
            return None
        return tuple(self.each.read(word, (*key, i), source) for i, word in enumerate(words))


class Hosts:
    """A list of addresses of single hosts, without prefix lengths."""

    def __init__(self, example: str, *, only_ipv4: bool = False) -> None:
        self.kind = "a list of IPv4 addresses" if only_ipv4 else "a list of IP addresses"
        self.example = example
        self._only_ipv4 = only_ipv4

    def read(self, value: object, key: Key, source: Source) -> tuple[Address | None, ...] | None:
        """Return the addresses in the order of the file."""
        items = typed(value, list, self, key, source)
        if items is None:
            return None
        return tuple(self._one(item, (*key, i), source) for i, item in enumerate(items))

    def _one(self, value: object, key: Key, source: Source) -> Address | None:
        text = typed(value, str, self, key, source)
        if text is None:
            return None
        kind = "IPv4 address" if self._only_ipv4 else "IP address"
        try:
            address = IPv4Address(text) if self._only_ipv4 else ip_address(text)
        except ValueError:
            mend = f"write one {kind}, without a prefix length"
            source.report(Rule.BAD_ADDRESS, key, f"{text[:80]!r} is not an {kind}", mend)
            return None
        if address.is_unspecified or address.is_multicast or "%" in text:
            mend = "write the address of one host"
            source.report(Rule.UNUSABLE_ADDRESS, key, f"{address} is no host's address", mend)
            return None
        return address
