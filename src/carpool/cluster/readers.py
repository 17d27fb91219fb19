"""Readers of single values in a cluster file: what they accept, in words and in code.

``read(value, key, source)`` returns the value as the model holds it, or reports each mistake to
``source`` and returns None (a list keeps None in the place of each wrong element). ``kind`` says
what is accepted, ``example`` is one such value as TOML; both are for findings and man pages.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_interface
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from carpool.cluster.findings import Rule
from carpool.cluster.wording import choose_from, toml_type

if TYPE_CHECKING:
    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key

Interface: TypeAlias = IPv4Interface | IPv6Interface
_T = TypeVar("_T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PREFIX = re.compile(r"[^/%]+(/[0-9]{1,3})?")
_INTERFACE_BYTES = 15  # IFNAMSIZ of Linux and the BSDs, less its NUL
_SHORTEST_S, _LONGEST_S = 0.001, 86_400


class Reader(Protocol):
    """Turns one TOML value into what the model holds."""

    @property
    def kind(self) -> str:
        """What is accepted, with its range."""

    @property
    def example(self) -> str:
        """One accepted value, as TOML."""

    def read(self, value: object, key: Key, source: Source) -> Any:
        """Return the value for the model, or None after reporting what is wrong."""


def is_name(text: str) -> bool:
    """Return whether ``text`` can name a cluster, a node or a group.

    That is 1 to 64 letters, digits, dots, hyphens and underscores, the first a letter or digit:
    every host name that Linux can have (HOST_NAME_MAX), and safe as a file name.
    """
    return _NAME.fullmatch(text) is not None


def typed(value: object, wanted: type[_T], reader: Reader, key: Key, source: Source) -> _T | None:
    """Return ``value`` if it is a ``wanted``, else report and return None. A bool is no int."""
    if type(value) is wanted:
        return value
    report_type(value, reader, key, source)
    return None


def report_type(value: object, reader: Reader, key: Key, source: Source) -> None:
    """Report that ``value`` is of a type that ``reader`` does not take."""
    name = next(part for part in reversed(key) if isinstance(part, str))
    source.report(
        Rule.WRONG_TYPE,
        key,
        f"must be {reader.kind}, not {toml_type(value)}",
        f"write for example: {name} = {reader.example}",
    )


def _report_range(number: float, low: float, high: int, key: Key, source: Source) -> None:
    # A hexadecimal integer may be longer than Python is willing to print.
    shown = "the number" if isinstance(number, int) and number.bit_length() > 64 else number
    message, mend = f"{shown} is out of range", f"use {low} to {high}"
    source.report(Rule.OUT_OF_RANGE, key, message, mend)


class Integer:
    """A whole number from ``low`` to ``high``."""

    def __init__(self, low: int, high: int, example: str) -> None:
        self.low = low
        self.high = high
        self.kind = f"an integer from {low} to {high}"
        self.example = example

    def read(self, value: object, key: Key, source: Source) -> int | None:
        """Return the number."""
        number = typed(value, int, self, key, source)
        if number is None or self.low <= number <= self.high:
            return number
        _report_range(number, self.low, self.high, key, source)
        return None


class Seconds:
    """A time in seconds, with a fraction if wanted; read as nanoseconds."""

    def __init__(self, example: str = "30", *, shortest: float = _SHORTEST_S) -> None:
        """Take `shortest` seconds and more; 0 is no time at all."""
        self.shortest = shortest
        self.kind = f"a number of seconds from {shortest} to {_LONGEST_S}"
        self.example = example

    def read(self, value: object, key: Key, source: Source) -> int | None:
        """Return the time in ns."""
        if type(value) is not int and type(value) is not float:
            report_type(value, self, key, source)
        elif self.shortest <= value <= _LONGEST_S:
            return round(value * 1_000_000_000)
        else:
            _report_range(value, self.shortest, _LONGEST_S, key, source)
        return None


class Boolean:
    """Yes or no."""

    kind = "true or false"
    example = "true"

    def read(self, value: object, key: Key, source: Source) -> bool | None:
        """Return the boolean."""
        return typed(value, bool, self, key, source)


class Name:
    """The name of a cluster, node or group; see ``is_name``."""

    kind = "a name"

    def __init__(self, example: str) -> None:
        self.example = example

    def read(self, value: object, key: Key, source: Source) -> str | None:
        """Return the name."""
        text = typed(value, str, self, key, source)
        if text is None or is_name(text):
            return text
        report_name(text, key, source)
        return None


def report_name(text: str, key: Key, source: Source) -> None:
    """Report that ``text`` is no name."""
    source.report(
        Rule.BAD_NAME,
        key,
        f"{text[:80]!r} cannot be a name",
        "use up to 64 letters, digits, '-', '_' and '.', beginning with a letter or digit",
    )


class InterfaceName:
    """The name of a network interface."""

    kind = f"an interface name of up to {_INTERFACE_BYTES} bytes"
    example = '"net0"'

    def read(self, value: object, key: Key, source: Source) -> str | None:
        """Return the name. Rules: dev_valid_name() in Linux, net/core/dev.c."""
        text = typed(value, str, self, key, source)
        if text is None:
            return None
        wrong = ""
        if not text:
            wrong = "is empty"
        elif not text.isprintable() or any(char.isspace() or char in "/:" for char in text):
            wrong = "has a blank, '/', ':' or a control character"
        elif len(text.encode()) > _INTERFACE_BYTES:
            wrong = f"is longer than {_INTERFACE_BYTES} bytes"
        elif text in {".", ".."}:
            wrong = "cannot be one"
        if not wrong:
            return text
        mend = "use a name that 'ip link' shows"
        source.report(Rule.BAD_INTERFACE, key, f"interface name {text[:80]!r} {wrong}", mend)
        return None


class FileName:
    """The name of a file."""

    kind = "the name of a file"
    example = '"www.key"'

    def read(self, value: object, key: Key, source: Source) -> str | None:
        """Return the name."""
        text = typed(value, str, self, key, source)
        if text is None or (text and text.isprintable()):
            return text
        _report_text(key, source)
        return None


class FileNames:
    """A list of names of files, one to ``most``."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kind = f"a list of 1 to {most} names of files"
        self.example = '["old.key"]'

    def read(self, value: object, key: Key, source: Source) -> tuple[str | None, ...] | None:
        """Return the names."""
        names = typed(value, list, self, key, source)
        if names is None:
            return None
        if not 1 <= len(names) <= self.most:
            _report_range(len(names), 1, self.most, key, source)
            return None
        return tuple(FileName().read(name, (*key, i), source) for i, name in enumerate(names))


def _report_text(key: Key, source: Source) -> None:
    message = "is empty or has control characters"
    source.report(Rule.BAD_TEXT, key, message, "write it in printable characters, on one line")


class Command:
    """A program, or a program and its arguments; no shell reads them."""

    kind = "a program, or a list of a program and its arguments"
    example = '"/etc/carpool/up"'

    def read(self, value: object, key: Key, source: Source) -> tuple[str, ...] | None:
        """Return program and arguments; only arguments may be empty."""
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            report_type(value, self, key, source)
        elif not words:
            mend = f"name a program, or leave {key[-1]} out"
            source.report(Rule.EMPTY, key, "names no program", mend)
        elif not words[0] or "\0" in "".join(words):
            mend = f'write for example: {key[-1]} = ["/etc/carpool/up", "argument"]'
            source.report(Rule.BAD_TEXT, key, "has an empty program name or a NUL", mend)
        else:
            if "/" not in words[0]:
                message = f"{words[0][:80]!r} has no path, and PATH is not searched"
                mend = "write its whole path, which `command -v` in a shell tells"
                source.report(Rule.NO_PATH, key, message, mend)
            return tuple(words)
        return None


class Services:
    """One service or a list of them: names, or scripts by their whole paths."""

    kind = "a service, or a list of them"
    example = '["apache2"]'
    _name = re.compile(r"(?:[A-Za-z0-9]|svc:/)[A-Za-z0-9:_.@/\\-]{0,254}")

    def read(self, value: object, key: Key, source: Source) -> tuple[str | None, ...] | None:
        """Return the services in the order of the file."""
        if not isinstance(value, list):
            return (self._one(value, key, source),)
        if not value:
            mend = f"write for example: {key[-1]} = {self.example}"
            source.report(Rule.EMPTY, key, "names no service", mend)
        return tuple(self._one(item, (*key, i), source) for i, item in enumerate(value))

    def _one(self, value: object, key: Key, source: Source) -> str | None:
        text = typed(value, str, self, key, source)
        if text is None or self._name.fullmatch(text) or (text[:1] == "/" and text.isprintable()):
            return text
        mend = "write a name that systemctl or svcs shows, or the whole path of a script"
        source.report(Rule.BAD_SERVICE, key, f"{text[:80]!r} is no service", mend)
        return None


class Choice:
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.kind = " or ".join(f'"{word}"' for word in words)
        self.example = f'"{words[0]}"'

    def read(self, value: object, key: Key, source: Source) -> str | None:
        """Return the word."""
        text = typed(value, str, self, key, source)
        if text is None or text in self.words:
            return text
        mend = choose_from(text, self.words)
        source.report(Rule.BAD_CHOICE, key, f"{text[:80]!r} is not {self.kind}", mend)
        return None


class Multicast:
    """An IPv4 multicast group."""

    kind = "an IPv4 multicast group"
    example = '"224.0.0.18"'

    def read(self, value: object, key: Key, source: Source) -> IPv4Address | None:
        """Return the group's address."""
        text = typed(value, str, self, key, source)
        if text is None:
            return None
        try:
            address = IPv4Address(text)
        except ValueError:
            address = None
        if address is not None and address.is_multicast:
            return address
        mend = "use 224.0.0.18, the group of CARP, or another of 224.0.0.0 to 239.255.255.255"
        source.report(Rule.NOT_MULTICAST, key, f"{text[:80]!r} is no IPv4 multicast group", mend)
        return None


class Addresses:
    """One address or a list of them, of either family, each with its prefix length.

    Without a prefix length it is a single host: /32 or /128.
    """

    kind = "an IP address or a list of them"

    def __init__(self, example: str) -> None:
        self.example = example

    def read(self, value: object, key: Key, source: Source) -> tuple[Interface | None, ...] | None:
        """Return the addresses in the order of the file."""
        if isinstance(value, list):
            if not value:
                message = "has no address"
                mend = f"write for example: {key[-1]} = {self.example}"
                source.report(Rule.EMPTY, key, message, mend)
            return tuple(self._one(item, (*key, i), source) for i, item in enumerate(value))
        return (self._one(value, key, source),)

    def _one(self, value: object, key: Key, source: Source) -> Interface | None:
        text = typed(value, str, self, key, source)
        if text is None:
            return None
        try:
            # ipaddress takes netmasks and zones as well: 10.0.0.1/255.0.0.0, fe80::1%eth0.
            address = ip_interface(text) if _PREFIX.fullmatch(text) else None
        except ValueError:
            address = None
        if address is None:
            mend = "write for example 192.168.0.200/24 or 2001:db8::200/64"
            source.report(Rule.BAD_ADDRESS, key, f"{text[:80]!r} is not an IP address", mend)
        elif refusal := _refusal(address):
            mend = "give an address that one host can hold, with its network's prefix length"
            source.report(Rule.UNUSABLE_ADDRESS, key, f"{address} is {refusal}", mend)
        else:
            return address
        return None


def _refusal(interface: Interface) -> str | None:
    """Return why no single host can hold the address, or None.

    RFC 1122 section 3.2.1.3 (network, broadcast, loopback), RFC 3021 (/31 has neither),
    RFC 4291 section 2.6.1 (a subnet's first address is its routers'), RFC 6164 (not in /127).
    """
    address = interface.ip
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_loopback:
        return "a loopback address"
    if address.is_multicast:
        return "a multicast address"
    if isinstance(address, IPv4Address):
        if address.packed[0] == 0:
            return "an address of 0.0.0.0/8"
        if address.packed == b"\xff\xff\xff\xff":
            return "the broadcast address"
    elif address.ipv4_mapped:
        return "an IPv4 address in IPv6 form"
    if interface.network.prefixlen == 0:
        return "without a network (/0)"
    if address in network_edges(interface):
        first = address == interface.network.network_address
        return f"the {'network' if first else 'broadcast'} address of {interface.network}"
    return None


def network_edges(interface: Interface) -> tuple[object, ...]:
    """Return the addresses of the interface's network that are no host's."""
    network = interface.network
    if network.max_prefixlen - network.prefixlen <= 1:
        return ()
    if network.version == 4:
        return (network.network_address, network.broadcast_address)
    return (network.network_address,)


class Names:
    """A list of names of nodes, or of checks; whether there are such is not asked here."""

    def __init__(self, what: str, example: str) -> None:
        """Take names of `what`, in the plural."""
        self.kind = f"a list of names of {what}"
        self.example = example

    def read(self, value: object, key: Key, source: Source) -> tuple[str | None, ...] | None:
        """Return the names in the order of the file."""
        names = typed(value, list, self, key, source)
        if names is None:
            return None
        one = Name(self.example)
        return tuple(typed(name, str, one, (*key, i), source) for i, name in enumerate(names))


class PerNode:
    """One value for every node, or a table of a value per node."""

    def __init__(self, each: Reader) -> None:
        self.each = each
        self.kind = f"{each.kind}, or a table of one per node"
        self.example = each.example

    def read(self, value: object, key: Key, source: Source) -> Any:
        """Return the value, or a dict of node name to value (None if that one is wrong)."""
        if isinstance(value, dict):
            return {node: self.each.read(v, (*key, node), source) for node, v in value.items()}
        return self.each.read(value, key, source)
