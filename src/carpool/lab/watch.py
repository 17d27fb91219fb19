"""Watching which zones have an address on an interface, as the kernels tell it."""

import select
import time
from collections.abc import Iterable
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Address
from typing import Self

from carpool.lab.zone import Zone
from carpool.netlink import RouteMonitor
from carpool.sim.record import Span


class Watch:
    """Notes, whenever it is let look, which of the zones hold the address. A context manager."""

    def __init__(self, zones: Iterable[Zone], address: IPv4Address | IPv6Address) -> None:
        self._address = address
        self._zones: dict[RouteMonitor, Zone] = {}
        self._stack = ExitStack()
        for zone in zones:
            with zone.namespace.entered():
                self._zones[self._stack.enter_context(RouteMonitor())] = zone
        self._ended: list[Span] = []
        self._since = time.monotonic_ns()
        self.holders = frozenset(
            zone.name for zone in self._zones.values() if zone.holds(self._address)
        )
        """The zones that have it, by name, when last looked at."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def look(self, duration: int) -> None:
        """Wait for a change of addresses, `duration` ns at most, and note who holds it then."""
        for monitor in select.select(list(self._zones), [], [], duration / 1e9)[0]:
            now, zone = time.monotonic_ns(), self._zones[monitor]
            monitor.read()
            holders = self.holders - {zone.name}
            if zone.holds(self._address):
                holders |= {zone.name}
            if holders != self.holders:
                self._ended.append(Span(self._since, now, self.holders))
                self._since, self.holders = now, holders

    def spans(self) -> list[Span]:
        """Return who held the address, from the beginning until now."""
        return [*self._ended, Span(self._since, time.monotonic_ns(), self.holders)]
