import os
import socket
from collections.abc import Iterator

import pytest

from carpool.node.hosts.routing import RoutingSocket, open_routing_socket

RTM_ADD, RTM_RESOLVE = 1, 11
RTM_NEWADDR, RTM_IFINFO, NETBSD_IFINFO = 12, 14, 20


@pytest.fixture
def pair() -> Iterator[tuple[RoutingSocket, socket.socket]]:
    """Yield a routing socket and what stands for its kernel."""
    routing = RoutingSocket()
    routing._socket.close()
    routing._socket, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    routing._socket.setblocking(False)
    with kernel:
        yield routing, kernel
        routing.close()


def message(kind: int) -> bytes:
    return bytes([76, 0, 5, kind]) + bytes(72)


@pytest.mark.parametrize("kind", [RTM_NEWADDR, RTM_IFINFO, NETBSD_IFINFO])
def test_interfaces_and_addresses_matter(
    pair: tuple[RoutingSocket, socket.socket], kind: int
) -> None:
    routing, kernel = pair
    for each in (RTM_ADD, kind, RTM_ADD):
        kernel.send(message(each))
    assert routing.changed()
    assert not routing.changed(), "all has been read"


def test_routes_do_not(pair: tuple[RoutingSocket, socket.socket]) -> None:
    routing, kernel = pair
    for kind in range(RTM_ADD, RTM_RESOLVE + 1):
        kernel.send(message(kind))
    kernel.send(b"")
    kernel.send(b"\1\2\3")
    assert not routing.changed()


def test_lost_messages_may_have_been_of_any_kind(
    pair: tuple[RoutingSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Overrun(socket.socket):
        def recv(self, *_: object) -> bytes:
            raise OSError(55, os.strerror(55))

    routing, _ = pair
    lost = Overrun()
    monkeypatch.setattr(routing, "_socket", lost)
    assert routing.changed()
    lost.close()
    monkeypatch.undo()


def test_where_there_is_none_it_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise PermissionError

    monkeypatch.setattr(socket, "socket", refuse)
    assert open_routing_socket() is None
