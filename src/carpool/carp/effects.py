"""What a virtual host asks of the machine it runs on, in the order in which it must happen."""

from dataclasses import dataclass
from typing import NamedTuple

from carpool.carp.election import Event, State


@dataclass(frozen=True, slots=True)
class Heard:
    """The advertisement behind a transition: its sender (packed, 4 or 16 bytes) and rank."""

    source: bytes
    interval: int
    """Nanoseconds."""
    demotion: int = 0


@dataclass(frozen=True, slots=True)
class Transition:
    """The state changed; the effects of the change follow."""

    previous: State
    state: State
    event: Event
    heard: Heard | None = None


@dataclass(frozen=True, slots=True)
class AddAddresses:
    """Put the virtual addresses on the interface."""


@dataclass(frozen=True, slots=True)
class RemoveAddresses:
    """Take the virtual addresses off."""


class Advertise(NamedTuple):
    """Send this 36-byte advertisement over IP `family`, 4 or 6.

    A farewell (a bow-out or a concession) tells the others that the addresses are gone. If taking
    them off takes time it waits for that, and is dropped if they are put back meanwhile.

    A tuple, made in a fifth of the time of a frozen dataclass: there may be hundreds a second.
    """

    family: int
    payload: bytes
    farewell: bool = False


@dataclass(frozen=True, slots=True)
class Announce:
    """Send a gratuitous ARP or neighbour advertisement for every virtual address."""


Effect = Transition | AddAddresses | RemoveAddresses | Advertise | Announce
