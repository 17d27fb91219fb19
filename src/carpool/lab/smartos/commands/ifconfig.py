"""ifconfig: addresses by logical interface, as illumos has them."""

import os
import pwd
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path
from typing import Final

from carpool.lab.smartos import logical, stage
from carpool.lab.smartos.kernel import CAP_NET_ADMIN
from carpool.lab.smartos.logical import Logical, Unit
from carpool.lab.smartos.stage import CommandError
from carpool.netlink.messages import LinkInfo

_AUTHORISATION: Final = "solaris.network.interface.config"
_FAMILIES: Final = {"inet": 4, "inet6": 6}


def main(words: Sequence[str]) -> int:
    """List interfaces, or change one."""
    if not words:
        raise CommandError("usage: ifconfig -a | interface [family] [words]")
    first, *rest = words
    family = _FAMILIES[rest.pop(0)] if rest and rest[0] in _FAMILIES else 4
    if rest:
        _become_able()
    with logical.changing() as interfaces:
        if first in ("-a", "-a4", "-a6", "-au"):
            families = (int(first[2:]),) if first[2:].isdecimal() else (4, 6)
            _list(interfaces, families)
        elif not rest:
            _show(interfaces, first, family)
        else:
            _change(interfaces, first, family, rest)
    return 0


def _become_able() -> None:
    """Be root again if the caller may change addresses. Raises CommandError."""
    user = os.geteuid()
    if user == 0:
        return
    name = pwd.getpwuid(user).pw_name
    os.seteuid(0)
    attributes = Path("/etc/user_attr")
    granted = attributes.read_text().splitlines() if attributes.exists() else []
    authorised = any(
        line.startswith(f"{name}:") and _AUTHORISATION in line.rpartition("auths=")[2].split(",")
        for line in granted
    )
    if not authorised or not stage.caller_has(CAP_NET_ADMIN):
        raise CommandError("setifflags: SIOCSLIFFLAGS: permission denied")


def _list(interfaces: Logical, families: Sequence[int]) -> None:
    # As the real one: all of IPv4, then all of IPv6.
    for family in families:
        for link in interfaces.links.values():
            for line in _stanzas(interfaces, link, family):
                print(line)


def _show(interfaces: Logical, name: str, family: int) -> None:
    link = interfaces.links.get(name.partition(":")[0])
    unit = interfaces.find(name, family)
    if link is None or (":" in name and unit is None):
        raise CommandError(f"status: SIOCGLIFFLAGS: {name}: no such interface")
    shown = list(_stanza(link, unit or Unit(link.name, 0, family, "0.0.0.0/0")))
    print("\n".join(shown))


def _stanzas(interfaces: Logical, link: LinkInfo, family: int) -> Iterator[str]:
    units = interfaces.of(link.name, family)
    if family == 4 and not any(unit.number == 0 for unit in units):
        units.insert(0, Unit(link.name, 0, 4, "0.0.0.0/0"))
    for unit in units:
        yield from _stanza(link, unit)


def _stanza(link: LinkInfo, unit: Unit) -> Iterator[str]:
    marks = {
        "UP": unit.up,
        "LOOPBACK": link.name == "lo",
        "BROADCAST": unit.family == 4 and link.name != "lo",
        "RUNNING": link.carrier,
        "MULTICAST": True,
        f"IPv{unit.family}": True,
        "DUPLICATE": unit.duplicate,
    }
    flags = ",".join(name for name, on in marks.items() if on)
    yield f"{unit.name}: flags=1000843<{flags}> mtu {link.mtu} index {link.index}"
    address = unit.parsed
    if isinstance(address, IPv4Interface):
        broadcast = address.network.broadcast_address
        yield f"\tinet {address.ip} netmask {int(address.netmask):x} broadcast {broadcast}"
    else:
        yield f"\tinet6 {address} "
    if unit.number == 0 and any(link.mac):
        yield f"\tether {':'.join(f'{octet:x}' for octet in link.mac)} "


def _change(interfaces: Logical, name: str, family: int, words: Sequence[str]) -> None:
    interface, _, number = name.partition(":")
    if interface not in interfaces.links:
        raise CommandError(f"plumb: {interface}: no such interface")
    unit = interfaces.find(name, family)
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "plumb":
            if unit is not None:
                raise CommandError(f"{name}: already plumbed")
            unit = interfaces.add(interface, family, int(number or 0))
        elif word == "addif":
            unit = _add(interfaces, interface, _address(left))
        elif word == "removeif":
            _remove(interfaces, interface, _argument(left, word))
        else:
            if unit is None:
                raise CommandError(f"status: SIOCGLIFFLAGS: {name}: no such interface")
            _change_unit(interfaces, unit, word, left)


def _change_unit(interfaces: Logical, unit: Unit, word: str, left: list[str]) -> None:
    match word:
        case "up":
            interfaces.bring_up(unit)
        case "down":
            interfaces.take_down(unit)
        case "unplumb":
            interfaces.remove(unit)
        case "netmask":
            interfaces.set_address(unit, _interface(f"{unit.parsed.ip}/{_argument(left, word)}"))
        case "broadcast" | "mtu" | "metric":
            _argument(left, word)
        case _:
            interfaces.set_address(unit, _address([word]))


def _add(interfaces: Logical, interface: str, address: IPv4Interface | IPv6Interface) -> Unit:
    unit = interfaces.add(interface, address.version)
    if unit.number == 0:  # that one is never added, only plumbed
        unit.number = 1
    print(f"Created new logical interface {unit.name}")
    if any(other.parsed.ip == address.ip for other in interfaces.units):
        raise CommandError(f"SIOCSLIFADDR: {unit.name}: cannot assign requested address")
    unit.address = str(address)
    return unit


def _remove(interfaces: Logical, interface: str, text: str) -> None:
    wanted = _interface(text).ip
    found = [
        unit
        for unit in interfaces.units
        if unit.interface == interface and unit.parsed.ip == wanted
    ]
    if not found:
        raise CommandError(f"removeif: SIOCLIFREMOVEIF: {interface}: no such interface")
    if found[0].number == 0:
        raise CommandError(f"removeif: can't remove interface: {interface}")
    interfaces.remove(found[0])


def _address(words: list[str]) -> IPv4Interface | IPv6Interface:
    """Return the address at the front of `words`; its prefix, if it has none, is of its class."""
    text = _argument(words, "addif")
    found = _interface(text)
    if "/" not in text and isinstance(found, IPv4Interface):
        octet = found.packed[0]
        length = 8 if octet < 128 else 16 if octet < 192 else 24
        return _interface(f"{text}/{length}")
    return found


def _argument(words: list[str], name: str) -> str:
    if not words:
        raise CommandError(f"{name}: missing argument")
    return words.pop(0)


def _interface(text: str) -> IPv4Interface | IPv6Interface:
    try:
        return ip_interface(text)
    except ValueError:
        raise CommandError(f"{text}: bad address") from None
