"""Reads what ``ifconfig -a`` prints on illumos, FreeBSD, OpenBSD, NetBSD and macOS.

All of them begin an interface with ``name: flags=HEX<FLAG,...>`` at the margin and indent what
belongs to it. What differs is told apart word by word (ifconfig(8) of each):

- illumos lists each logical interface (``net0:1``) with flags of its own, and the IPv6 side of an
  interface once more; a netmask is ``ffffff00``, a MAC ``2:8:20:0:0:1`` (shown to the privileged).
- The BSDs list every address below its interface; a netmask is ``0xffffff00``, or NetBSD's
  ``/24``; a MAC follows ``ether``, OpenBSD's ``lladdr`` or NetBSD's ``address:``.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
from itertools import pairwise

from carpool.node.host import AnyInterface

_HEADER = re.compile(r"([^\s:]+)(:\d+)?: flags=(?:0x)?[0-9a-fA-F]+<([^>]*)>")
_FLAG_WORD = re.compile(r"[a-z]+")
_MAC_WORDS = ("ether", "lladdr", "address:")
_NO_CARRIER = ("no carrier", "no network", "inactive")
"""What ``status:`` says of a dead link; other words, such as "associated", tell of a live one."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An address; `unit` is what ifconfig calls its logical interface, such as ``net0:1``."""

    interface: str
    unit: str
    address: AnyInterface
    up: bool
    duplicate: bool
    """Taken out of use: another host answered for it."""
    tentative: bool
    """Not yet in use: whether another host has it is being asked."""

    @property
    def usable(self) -> bool:
        """Whether traffic may come from it now."""
        return self.up and not self.duplicate and not self.tentative


@dataclass(slots=True)
class Port:
    """An interface; `mac` has 6 bytes, or none where none is shown."""

    flags: set[str] = field(default_factory=set)
    mac: bytes = b""
    status: str = ""

    @property
    def carrier(self) -> bool:
        """Whether it can pass traffic.

        On illumos RUNNING follows the link; on the BSDs it tells of the driver, and ``status:``
        of the link where there is one.
        """
        return {"UP", "RUNNING"} <= self.flags and self.status not in _NO_CARRIER


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything that ifconfig listed."""

    ports: dict[str, Port]
    addresses: tuple[Listed, ...]


def parse(text: str) -> Listing:
    """Read a listing. Never raises: what cannot be understood is passed over."""
    ports: dict[str, Port] = {}
    addresses: list[Listed] = []
    name = unit = ""
    flags: set[str] = set()
    for line in text.splitlines():
        if header := _HEADER.match(line):
            name, unit = header[1], header[1] + (header[2] or "")
            flags = set(header[3].split(","))
            ports.setdefault(name, Port()).flags |= flags
            continue
        words = line.split()
        if not words or not name or not line[0].isspace():
            continue
        if words[0] in ("inet", "inet6"):
            address = _address(words)
            if address is not None and not address.ip.is_unspecified:
                said = set(_FLAG_WORD.findall(line.lower()))
                duplicate = "DUPLICATE" in flags or not said.isdisjoint(("duplicated", "duplicate"))
                tentative = "tentative" in said
                addresses.append(Listed(name, unit, address, "UP" in flags, duplicate, tentative))
        elif words[0] in _MAC_WORDS and len(words) > 1:
            ports[name].mac = _mac(words[1])
        elif words[0] == "status:":
            ports[name].status = " ".join(words[1:])
    return Listing(ports, tuple(addresses))


def _address(words: list[str]) -> AnyInterface | None:
    """Return the address of a line that begins with inet or inet6."""
    values = [word for word in words[1:] if word != "alias"]  # older NetBSD marks the further ones
    if not values:
        return None
    text, _, length = values[0].partition("/")
    text = text.partition("%")[0]
    after = dict(pairwise(values))
    try:
        if words[0] == "inet6":
            return IPv6Interface((text, int(length or after.get("prefixlen", "128"))))
        return IPv4Interface((text, int(length) if length else _ones(after.get("netmask"))))
    except ValueError:
        return None


def _ones(netmask: str | None) -> int:
    """Return the length of a netmask in hexadecimal."""
    return 32 if netmask is None else int(netmask, 16).bit_count()


def _mac(text: str) -> bytes:
    """Return the 6 bytes of a MAC, whose leading zeros may be missing; none if it is not one."""
    try:
        mac = bytes(int(part, 16) for part in text.split(":"))
    except ValueError:
        return b""
    return mac if len(mac) == 6 else b""
