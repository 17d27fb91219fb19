"""Checks that an interface has its carrier."""

from collections.abc import Callable

from carpool.node.health.probe import Done
from carpool.node.host import Interface

Interfaces = Callable[[str], Interface | None]
"""Returns the interface of that name as it is now, None if there is none."""


class CarrierProbe:
    """Asks for what the host has told already, so it knows at once."""

    pid = None

    def __init__(self, interfaces: Interfaces, name: str) -> None:
        self._interfaces = interfaces
        self._name = name

    def start(self, done: Done) -> None:
        """Look at the interface."""
        interface = self._interfaces(self._name)
        if interface is None:
            done(f"there is no interface {self._name}")
        elif not interface.carrier:
            done(f"{self._name} has no carrier")
        else:
            done(None)

    def cancel(self) -> None:
        """Do nothing: there is never anything to wait for."""

    def close(self) -> None:
        """Do nothing: nothing is kept."""
