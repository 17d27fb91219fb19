"""Debian's /etc/network/interfaces, as far as it sets up addresses and ucarp.

Grammar: interfaces(5). Of ucarp: README.Debian of the package, and what its if-up script does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address, ip_interface
from typing import TYPE_CHECKING

from carpool.cluster.facts import At, Host, Nic
from carpool.cluster.findings import Rule
from carpool.cluster.ucarp_setup import Setup, read_setup
from carpool.cluster.wording import Place, choose_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carpool.cluster.facts import Address
    from carpool.cluster.model import Interface
    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key

_LINE = re.compile(r"[ \t]*(?P<word>[^ \t#][^ \t]*)[ \t]*(?P<rest>.*)")
_OTHER_STANZAS = ("auto", "mapping", "source", "source-directory", "no-auto-down", "no-scripts")
_NO = re.compile(r"no|off|false|0")  # as the package's if-up script asks

OPTIONS = {
    "ucarp-vid": "vhid",
    "ucarp-vip": "addr",
    "ucarp-password": "pass",
    "ucarp-upscript": "upscript",
    "ucarp-downscript": "downscript",
    "ucarp-advskew": "advskew",
    "ucarp-advbase": "advbase",
    "ucarp-deadratio": "deadratio",
    "ucarp-master": "preempt",
    "ucarp-nomcast": "nomcast",
    "ucarp-xparam": "xparam",
}
"""The package's words for ucarp's options."""

_FLAGS = ("ucarp-master", "ucarp-nomcast")


@dataclass(slots=True)
class _Stanza:
    """One ``iface`` and its options; ``interface`` is without the label after a colon."""

    name: str
    method: str
    key: Key
    options: dict[str, At[str]] = field(default_factory=dict)

    @property
    def interface(self) -> str:
        return self.name.partition(":")[0]


def looks_like_interfaces(text: str) -> bool:
    """Return whether the text is a file of ifupdown's."""
    return re.search(r"^[ \t]*iface[ \t]+\S+[ \t]+inet6?[ \t]", text, re.MULTILINE) is not None


def read_interfaces(
    content: str, source: Source, name: str, *, readable_by_all: bool
) -> tuple[Host, list[Setup]]:
    """Read one host's interfaces and the ucarp processes on them, reporting their mistakes."""
    places: dict[Key, Place] = {}
    source.locate = lambda _: places
    source.text = content
    stanzas = list(_stanzas(content, places))
    setups = []
    for stanza in stanzas:
        words = _ucarp_words(stanza, source)
        if words:
            words["interface"] = At(stanza.interface, stanza.key)
            if "address" in stanza.options:
                text, key = stanza.options["address"]
                words["srcip"] = At(text.partition("/")[0], key)
            setups.append(read_setup(words, stanza.key, source, readable_by_all=readable_by_all))
    vips = {setup.get("addr") for setup in setups}
    nics: dict[str, Nic] = {}
    for stanza in stanzas:
        address = _address(stanza, source)
        # The stanza that ucarp brings up as eth0:ucarp has the virtual address, and no other.
        if address is None or address.value.ip in vips:
            continue
        before = nics.get(stanza.interface, Nic(stanza.key))
        gateways = before.gateways + tuple(_addresses(stanza, "gateway"))
        nics[stanza.interface] = Nic(before.key, (*before.addresses, address), gateways)
    resolvers = [at for stanza in stanzas for at in _addresses(stanza, "dns-nameservers")]
    host = Host(source, (), name, tuple(nics.values()), resolvers=tuple(resolvers))
    return host, setups


def _stanzas(text: str, places: dict[Key, Place]) -> Iterator[_Stanza]:
    """Yield the stanzas, and note the places of their options."""
    stanza: _Stanza | None = None
    for number, line in _logical_lines(text):
        found = _LINE.match(line)
        if found is None:
            continue
        word, rest = found["word"], found["rest"].strip()
        place = Place(number, found.start("word") + 1)
        if word == "iface":
            if stanza is not None:
                yield stanza
            name, _, method = (rest.split() + [""] * 3)[:3]
            key: Key = (name,)
            while key in places:  # a second stanza of the same interface, for IPv6 say
                key = (f"{key[0]}'",)
            places[key] = place
            stanza = _Stanza(name, method, key)
        elif word in _OTHER_STANZAS or word.startswith("allow-"):
            if stanza is not None:
                yield stanza
            stanza = None
        elif stanza is not None:
            at = (*stanza.key, word)
            places[at] = place
            stanza.options[word] = At(rest, at)
    if stanza is not None:
        yield stanza


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines, those that end in a backslash joined with the next, and their numbers."""
    begun, joined = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        joined += line
        begun = begun or number
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        yield begun, joined
        begun, joined = 0, ""
    if joined:
        yield begun, joined


def _ucarp_words(stanza: _Stanza, source: Source) -> dict[str, At[str]]:
    words = {}
    for name, at in stanza.options.items():
        if not name.startswith(("ucarp-", "ucarp_")):
            continue
        option = OPTIONS.get(name.replace("_", "-"))
        if option is None:
            mend = choose_from(name, OPTIONS)
            source.report(Rule.UNKNOWN_OPTION, at.key, f"{name[:40]!r} does nothing", mend)
        elif name.replace("_", "-") in _FLAGS:
            if at.value and not _NO.match(at.value):
                words[option] = At("", at.key)
        elif at.value:
            words[option] = at
    return words


def _address(stanza: _Stanza, source: Source) -> At[Interface] | None:
    """Return the address of the stanza, with its network."""
    if "address" not in stanza.options or stanza.method == "loopback":
        return None
    text, key = stanza.options["address"]
    netmask = stanza.options.get("netmask")
    if netmask is not None and "/" not in text:
        text = f"{text}/{netmask.value}"
    try:
        return At(ip_interface(text), key)
    except ValueError:
        message, mend = f"{text[:80]!r} is not an IP address", "write for example 192.168.0.201/24"
        source.report(Rule.BAD_ADDRESS, key, message, mend)
        return None


def _addresses(stanza: _Stanza, name: str) -> Iterator[At[Address]]:
    """Yield the addresses that the option lists; what is none is ifupdown's to refuse."""
    text, key = stanza.options.get(name, At("", stanza.key))
    for word in text.split():
        try:
            address = ip_address(word)
        except ValueError:
            continue
        if name != "gateway" or isinstance(address, IPv4Address):
            yield At(address, key)
