"""Checks that a neighbour answers, by ARP or by neighbour discovery: its router's own ears.

Not ping: routers may not answer that, and what lies behind them is another question. Only Linux
has packet sockets; elsewhere use a program.
"""

import socket
import struct

from carpool.carp import frames
from carpool.carp.auth import Address
from carpool.node.health.carrier import Interfaces
from carpool.node.health.probe import Done
from carpool.node.health.settings import Gateway
from carpool.node.host import Interface
from carpool.node.links.filters import JEQ, LD, LDB, LDH, RET, Step
from carpool.node.links.packet import listen
from carpool.node.loop import Loop

HERE = hasattr(socket, "AF_PACKET")
"""Whether this system can do it."""

_BUDGET = 16  # frames per round of the loop
_ETHERTYPE = {4: 0x0806, 6: 0x86DD}


class GatewayProbe:
    """Asks on the wire who has the address. Keeps its socket: closing one makes the kernel wait."""

    pid = None

    def __init__(self, loop: Loop, interfaces: Interfaces, gateway: Gateway) -> None:
        self._loop = loop
        self._interfaces = interfaces
        self._gateway = gateway
        self._socket: socket.socket | None = None
        self._interface: Interface | None = None
        self._done: Done | None = None

    def start(self, done: Done) -> None:
        """Ask once."""
        gateway = self._gateway
        interface = self._interfaces(gateway.interface)
        if interface is None or not interface.mac:
            done(f"there is no interface {gateway.interface} to ask on")
            return
        source = None if gateway.source is None else gateway.source.packed
        try:
            question = frames.question(interface.mac, source, gateway.address.packed)
            self._open(interface).send(question)
        except OSError as error:
            self._drop()  # it may have been deleted and made again
            done(f"cannot ask on {gateway.interface}: {error.strerror}")
            return
        self._done = done

    def cancel(self) -> None:
        """Wait no longer."""
        self._done = None

    def close(self) -> None:
        """Close the socket."""
        self._done = None
        self._drop()

    def _open(self, interface: Interface) -> socket.socket:
        """Return the socket; what came before this question is no answer to it. Raises OSError."""
        if self._interface is not None and self._interface.index != interface.index:
            self._drop()
        if self._socket is None:
            self._socket = _listen(interface.name, self._gateway.address)
            self._loop.watch(self._socket, self._read)
        self._interface = interface
        self._read()
        return self._socket

    def _drop(self) -> None:
        if self._socket is not None:
            self._loop.unwatch(self._socket)
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            for _ in range(_BUDGET):
                if frames.answerer(self._socket.recv(128)) == self._gateway.address.packed:
                    self._answered()
        except BlockingIOError:
            return
        except OSError:  # the interface is down or gone: the next question will say so
            return

    def _answered(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(None)


def _listen(interface: str, address: Address) -> socket.socket:
    """Return a socket that hears nothing but answers for `address`. Raises OSError."""
    return listen(interface, _ETHERTYPE[address.version], _filter(address))


def _filter(address: Address) -> list[Step]:
    """Return the kernel's part of `frames.answerer`: a busy network must not keep us busy."""
    words = struct.unpack(f"!{len(address.packed) // 4}I", address.packed)
    wanted = [(LDH, 12, _ETHERTYPE[address.version])]
    if address.version == 4:
        wanted += [(LDH, 20, 2), (LD, 28, words[0])]  # a reply, from this address
    else:
        wanted += [(LDB, 20, 58), (LDB, 54, 136)]  # ICMPv6, a neighbour advertisement
        wanted += [(LD, 62 + 4 * index, word) for index, word in enumerate(words)]
    steps: list[Step] = []
    for number, (load, at, value) in enumerate(wanted):
        to_reject = 2 * (len(wanted) - number - 1) + 1
        steps += [(load, 0, 0, at), (JEQ, 0, to_reject, value)]
    return [*steps, (RET, 0, 0, 128), (RET, 0, 0, 0)]
