"""Hearing on Linux who else claims an address: ARP of any kind, and neighbour advertisements."""

import socket
import struct
from collections.abc import Collection, Iterator, Sequence

from carpool.carp.frames import Claim, claim
from carpool.node.links.filters import JEQ, LD, LDB, RET, Step, attach
from carpool.node.links.packet import listen

_BUDGET = 64  # frames per round of the loop
_FRAME_BYTES = 128
_LONGEST_PROGRAM = 4096  # BPF_MAXINSNS
_ARP, _IPV6 = 0x0806, 0x86DD
_ICMPV6, _NEIGHBOUR_ADVERTISEMENT = 58, 136


class ClaimListener:
    """The sockets that hear it on one interface; our own frames are not heard."""

    def __init__(self, interface: str, families: Collection[int]) -> None:
        """Be ready for claims of addresses of `families`, 4 and 6. Raises OSError."""
        self.sockets: list[socket.socket] = []
        self._families = [family for family in (4, 6) if family in families]
        try:
            for family in self._families:
                protocol = _ARP if family == 4 else _IPV6
                self.sockets.append(listen(interface, protocol, _claims_of((), family)))
        except OSError:
            self.close()
            raise

    def only(self, addresses: Collection[bytes]) -> None:
        """Listen for claims of `addresses` from now on, of 4 and 16 bytes. Raises OSError."""
        for one, family in zip(self.sockets, self._families, strict=True):
            attach(one, _claims_of(addresses, family))

    def receive(self) -> Iterator[Claim]:
        """Yield what has arrived, within a budget."""
        for one in self.sockets:
            for _ in range(_BUDGET):
                try:
                    frame = one.recv(_FRAME_BYTES)
                except OSError:  # nothing more, or the interface has gone: its link event tells
                    break
                found = claim(frame)
                if found is not None:
                    yield found

    def close(self) -> None:
        """Close the sockets."""
        for one in self.sockets:
            one.close()
        self.sockets.clear()


def _claims_of(addresses: Collection[bytes], family: int) -> list[Step]:
    if family == 4:
        return arp_filter([address for address in addresses if len(address) == 4])
    return neighbour_filter([address for address in addresses if len(address) == 16])


def arp_filter(addresses: Sequence[bytes]) -> list[Step]:
    """Return a program that accepts ARP from one of the IPv4 `addresses`."""
    return [(LD, 0, 0, 28), *_one_of(addresses)]


def neighbour_filter(addresses: Sequence[bytes]) -> list[Step]:
    """Return a program that accepts neighbour advertisements whose target ends like an address."""
    found = _one_of([address[12:] for address in addresses])
    kinds = [(LDB, 20, _ICMPV6), (LDB, 54, _NEIGHBOUR_ADVERTISEMENT)]
    steps: list[Step] = []
    for load, at, value in kinds:
        steps += [(load, 0, 0, at), (JEQ, 1, 0, value), (RET, 0, 0, 0)]
    return [*steps, (LD, 0, 0, 74), *found]


def _one_of(words: Sequence[bytes]) -> list[Step]:
    """Accept if the word that is loaded is one of these; if they are too many, accept them all."""
    accept, reject = (RET, 0, 0, _FRAME_BYTES), (RET, 0, 0, 0)
    steps: list[Step] = []
    for word in words:
        # Each with its own acceptance: a jump reaches 255 steps, and there may be more addresses.
        steps += [(JEQ, 0, 1, struct.unpack("!I", word)[0]), accept]
    return [*steps, reject] if len(steps) < _LONGEST_PROGRAM - 10 else [accept]
