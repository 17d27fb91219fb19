"""What the daemon needs of an operating system; one module in `carpool.node.hosts` for each.

The daemon knows interfaces, addresses and links by these names only. Everything here is quick or
calls back: nothing waits.
"""

import socket
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from typing import Protocol

from carpool.carp.auth import Address
from carpool.carp.frames import Claim
from carpool.carp.packet import Datagram
from carpool.carp.wire import Rejection
from carpool.node.loop import Loop
from carpool.node.settings import Advertise

AnyInterface = IPv4Interface | IPv6Interface
Done = Callable[[str | None], None]
"""Called when a change of addresses has ended: with None, or with what went wrong."""


class HostError(Exception):
    """The host refused something; the text says what, why and the mend if there is one."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface as it is now; `mac` has 6 bytes, or none where there is none."""

    name: str
    index: int
    mac: bytes
    carrier: bool
    """Whether it can pass traffic: up, and a live cable in it."""


@dataclass(frozen=True, slots=True)
class HostAddress:
    """An address on interface number `index`."""

    index: int
    interface: AnyInterface
    usable: bool
    """False while it may not be used yet (IPv6 duplicate detection)."""


@dataclass(frozen=True, slots=True)
class InterfaceGone:
    """Event: interface number `index` is no more."""

    index: int


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """Event: an address was put on an interface, taken off or changed."""

    address: Address
    gone: bool = False
    """Whether it was taken off."""


@dataclass(frozen=True, slots=True)
class EventsLost:
    """Event: others were missed; what there is has to be listed anew."""


HostEvent = Interface | InterfaceGone | AddressChanged | EventsLost


class Link(Protocol):
    """The sockets of one interface and multicast group."""

    interface: str
    index: int
    mac: bytes

    def sockets(self) -> list[socket.socket]:
        """Return the sockets to watch for reading."""
        ...

    def only_hear(
        self,
        vhids: Collection[int],
        *,
        sample: bool = False,
        muted: Collection[bytes] = (),
    ) -> bool:
        """Let the kernel turn away what is for none of `vhids`, where it can. Raises OSError.

        To `sample` is to let only a few through of what does not have the form of CARP, and a few
        of what comes from the IPv4 addresses `muted`. Tell whether the system can.
        """
        ...

    def receive(
        self, sieve: Callable[[bytes], bool] | None = None
    ) -> Iterator[Datagram | Rejection]:
        """Yield what has arrived, within a budget.

        IPv4 packets of which `sieve` is true are dropped, where the system delivers them whole.
        """
        ...

    def advertise(self, vhid: int, source: bytes, payload: bytes, how: Advertise) -> None:
        """Send an advertisement from our address `source`, over its family. Raises OSError."""
        ...

    def announce(self, address: bytes) -> None:
        """Tell the network that `address` (4 or 16 bytes) lives here now. Raises OSError."""
        ...

    def watch_claims(self, families: Collection[int]) -> list[socket.socket]:
        """Be ready to hear who else claims addresses of `families` (4, 6), of none so far.

        Return the sockets to watch for reading: none where the system cannot. Raises OSError.
        """
        ...

    def only_claims_of(self, addresses: Collection[bytes]) -> None:
        """Hear from now on who else claims `addresses` (4 or 16 bytes). Raises OSError."""
        ...

    def claims(self) -> Iterator[Claim]:
        """Yield what claims have arrived, within a budget."""
        ...

    def probe(self, address: bytes) -> None:
        """Ask who has `address` (4 or 16 bytes). Raises OSError."""
        ...

    def close(self) -> None:
        """Close the sockets."""
        ...


class Host(Protocol):
    """One operating system's way to do it all."""

    def interfaces(self) -> list[Interface]:
        """Return every interface. Raises HostError."""
        ...

    def addresses(self) -> list[HostAddress]:
        """Return every address of every interface. Raises HostError."""
        ...

    def present(self) -> Container[Address]:
        """Return every address there is, as of this round of the loop. Raises HostError.

        Thousands that have gone at once, each of which is looked for, are to cost one listing.
        """
        ...

    def missing_privileges(self, *, change_addresses: bool) -> str | None:
        """Return what this process may not do and how to mend it, or None."""
        ...

    def watch(
        self, callback: Callable[[list[HostEvent]], None], own: Collection[Address] = ()
    ) -> None:
        """Tell `callback` of every change to interfaces and addresses. Raises HostError.

        Of the addresses `own`, which the daemon itself puts on, only that they go need be told.
        """
        ...

    def open_link(self, interface: Interface, group: bytes, families: Sequence[int]) -> Link:
        """Open the sockets for an IPv4 multicast group and `families`, of 4 and 6.

        Raises OSError.
        """
        ...

    def add_addresses(
        self,
        interface: Interface,
        addresses: Sequence[AnyInterface],
        done: Done,
        *,
        lifetime: int | None = None,
    ) -> None:
        """Put `addresses` on; also what is there already. Then call `done`.

        The kernel takes them off after `lifetime` seconds, unless they are renewed; where kernels
        have no lifetimes, or for None, they stay.
        Where it takes time and the opposite is asked for meanwhile, only that one's is called.
        """
        ...

    def renewal(
        self, interface: Interface, addresses: Sequence[AnyInterface], lifetime: int
    ) -> Callable[[], None]:
        """Return what lets the kernel keep `addresses`, which are on, for `lifetime` seconds.

        These begin at the end of the loop's round in which it is called; it may be called again and
        again. Does nothing where kernels have no lifetimes. An address that cannot be renewed goes,
        which is told as an event.
        """
        ...

    def remove_addresses(
        self, interface: Interface, addresses: Sequence[AnyInterface], done: Done
    ) -> None:
        """Take `addresses` off; also what is not there. Then call `done`, as when adding."""
        ...

    def sweep(self, addresses: Iterable[Address]) -> list[AnyInterface]:
        """Take `addresses` off whatever interface has them: what a killed daemon left.

        Return what was there. Raises HostError.
        """
        ...

    def for_child(self, loop: Loop) -> "Host":
        """Return a host for a child process and its loop, which shares no descriptor with this one.

        Raises HostError.
        """
        ...
