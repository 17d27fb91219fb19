"""Addresses by logical interface (net0, net0:1), which illumos has and Linux has not.

What is up is in the kernel, and the kernel is asked each time: others put addresses on too. What
is plumbed and not up, and which address has which number, is kept in a file until the zone halts.
"""

import fcntl
import json
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path
from typing import Final

from carpool.carp.frames import announcement
from carpool.lab.smartos.stage import keep_only, worker
from carpool.netlink import Route
from carpool.netlink.messages import LinkInfo

_FILE: Final = Path("/run/ifconfig.json")
_PROBE_SECONDS: Final = 0.5
_ANNOUNCEMENTS: Final = 5
_ANNOUNCEMENT_SECONDS: Final = 2.0
_ARP: Final = 0x0806
_ARP_SENDER: Final = slice(14 + 14, 14 + 18)  # in a frame: the sender's protocol address
_ETHERNET_SOURCE: Final = slice(6, 12)


@dataclass(slots=True)
class Unit:
    """A logical interface of one family (4 or 6); `address` with its prefix, 0.0.0.0/0 if none."""

    interface: str
    number: int
    family: int
    address: str
    up: bool = False
    duplicate: bool = False

    @property
    def name(self) -> str:
        """As ifconfig writes it."""
        return f"{self.interface}:{self.number}" if self.number else self.interface

    @property
    def parsed(self) -> IPv4Interface | IPv6Interface:
        """The address."""
        return ip_interface(self.address)


class Logical:
    """The logical interfaces of this zone."""

    def __init__(self, route: Route, units: list[Unit]) -> None:
        self._route = route
        self.units = units
        self.links = {link.name: link for link in route.links()}
        self._adjust()

    def of(self, interface: str, family: int) -> list[Unit]:
        """Return the logical interfaces of an interface, by their numbers."""
        found = [
            unit for unit in self.units if (unit.interface, unit.family) == (interface, family)
        ]
        return sorted(found, key=lambda unit: unit.number)

    def find(self, name: str, family: int) -> Unit | None:
        """Return the logical interface of that name."""
        return next((it for it in self.units if (it.name, it.family) == (name, family)), None)

    def add(self, interface: str, family: int, number: int | None = None) -> Unit:
        """Plumb a logical interface, the next free one for None; it has no address yet."""
        taken = {unit.number for unit in self.of(interface, family)}
        free = next(one for one in range(len(taken) + 1) if one not in taken)
        chosen = free if number is None else number
        unit = Unit(interface, chosen, family, "0.0.0.0/0" if family == 4 else "::/0")
        self.units.append(unit)
        return unit

    def remove(self, unit: Unit) -> None:
        """Unplumb a logical interface."""
        self.take_down(unit)
        self.units.remove(unit)

    def set_address(self, unit: Unit, address: IPv4Interface | IPv6Interface) -> None:
        """Give a logical interface another address."""
        was_up = unit.up
        self.take_down(unit)
        unit.address = str(address)
        if was_up:
            self.bring_up(unit)

    def bring_up(self, unit: Unit) -> None:
        """Put the address to use, unless another host answers for it: then it is DUPLICATE."""
        address, link = unit.parsed, self.links[unit.interface]
        if unit.up:
            return
        if address.ip.is_unspecified:
            unit.up = True
            return
        if isinstance(address, IPv4Interface) and _is_taken(link, address.ip):
            unit.duplicate = True
            return
        self._route.add_address(link.index, address)
        unit.up, unit.duplicate = True, False
        if os.fork() == 0:
            keep_only()
            worker(lambda: _announce(link, address))

    def take_down(self, unit: Unit) -> None:
        """Stop to use the address."""
        if unit.up and not unit.parsed.ip.is_unspecified:
            self._route.delete_address(self.links[unit.interface].index, unit.parsed)
        unit.up = unit.duplicate = False

    def _adjust(self) -> None:
        """Follow the kernel, which others may have changed."""
        names = {link.index: link.name for link in self.links.values()}
        held = {
            (names[it.index], str(it.interface)): it.interface.version
            for it in self._route.addresses()
            if it.index in names
        }
        known = {(unit.interface, unit.address) for unit in self.units}
        self.units[:] = [
            unit
            for unit in self.units
            if not unit.up
            or (unit.interface, unit.address) in held
            or unit.parsed.ip.is_unspecified
        ]
        for (interface, address), family in held.items():
            if (interface, address) not in known:
                unit = self.add(interface, family)
                unit.address, unit.up = address, True


@contextmanager
def changing() -> Iterator[Logical]:
    """Yield the logical interfaces, for reading and changing, to one at a time."""
    with (
        os.fdopen(os.open(_FILE, os.O_RDWR | os.O_CREAT, 0o644), "r+") as file,
        Route() as route,
    ):
        fcntl.flock(file, fcntl.LOCK_EX)
        logical = Logical(route, [Unit(**entry) for entry in json.loads(file.read() or "[]")])
        try:
            yield logical
        finally:
            file.seek(0)
            file.truncate()
            json.dump([asdict(unit) for unit in logical.units], file)
            file.flush()


def _is_taken(link: LinkInfo, address: IPv4Address) -> bool:
    """Ask whether another host has the address, as RFC 5227 says, for half a second."""
    probe = struct.pack(
        "!6s6sHHHBBH6s4s6s4s",
        *(b"\xff" * 6, link.mac, _ARP, 1, 0x0800, 6, 4, 1, link.mac, bytes(4), bytes(6)),
        address.packed,
    )
    deadline = time.monotonic() + _PROBE_SECONDS
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP)) as wire:
        wire.bind((link.name, _ARP))
        wire.send(probe)
        # What has come by the deadline counts, however late we get to read it.
        while select.select([wire], [], [], max(0, deadline - time.monotonic()))[0]:
            frame = wire.recv(64)
            if frame[_ARP_SENDER] == address.packed and frame[_ETHERNET_SOURCE] != link.mac:
                return True
    return False


def _announce(link: LinkInfo, address: IPv4Interface | IPv6Interface) -> int:
    """Tell the network of an address, as long as it is here."""
    with (
        Route() as route,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire,
        suppress(OSError),
    ):
        wire.bind((link.name, 0))
        for _ in range(_ANNOUNCEMENTS):
            if all(it.interface != address for it in route.addresses(link.index)):
                break
            wire.send(announcement(link.mac, address.ip.packed))
            time.sleep(_ANNOUNCEMENT_SECONDS)
    return 0
