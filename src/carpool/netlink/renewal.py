"""Giving addresses new lifetimes, often and cheaply: nobody waits for the kernel's answer."""

from collections.abc import Sequence
from contextlib import suppress
from errno import EPROTO
from ipaddress import IPv4Interface, IPv6Interface
from types import TracebackType
from typing import Final, Self

from carpool.netlink import messages
from carpool.netlink.route import RECEIVE_BYTES, NetlinkError, open_socket

_MOST_BYTES: Final = 65536  # of requests in one call: a third of a socket's default send buffer


class Renewer:
    """Adds addresses that are there already, each with a new lifetime.

    The kernel carries a request out before the call returns, and answers only what it refuses. A
    refusal goes unread but for `discard_refusals`: the address then runs out, which a RouteMonitor
    tells. Needs CAP_NET_ADMIN. Speaks of the namespace in which it was made. A
    context manager.
    """

    def __init__(self) -> None:
        """Open the socket. Raises NetlinkError."""
        self._socket = open_socket()
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; twice is harmless."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor that is readable when something was refused."""
        return self._socket.fileno()

    @property
    def port(self) -> int:
        """The netlink port whose additions these are, for RouteMonitor to pass over."""
        port: int = self._socket.getsockname()[0]
        return port

    def renew(self, requests: Sequence[bytes]) -> None:
        """Carry out what `renewal_request` returned, in order, with few system calls.

        Raises NetlinkError only if a request cannot be sent; the others are sent anyway.
        """
        refusal: OSError | None = None
        batch: list[bytes] = []
        size = 0
        for request in requests:
            if batch and size + len(request) > _MOST_BYTES:
                refusal = self._send(batch) or refusal
                batch, size = [], 0
            batch.append(request)
            size += len(request)
        if batch:
            refusal = self._send(batch) or refusal
        if refusal is not None:
            raise NetlinkError("renew addresses", refusal.errno or EPROTO) from refusal

    def _send(self, batch: Sequence[bytes]) -> OSError | None:
        try:
            self._socket.send(b"".join(batch))
        except OSError as error:
            return error
        return None

    def discard_refusals(self) -> None:
        """Read what the kernel refused, to no end but to be rid of it."""
        with suppress(OSError):
            while self._socket.recv(RECEIVE_BYTES):
                pass


def renewal_request(
    index: int, addresses: Sequence[IPv4Interface | IPv6Interface], valid_seconds: int
) -> bytes:
    """Return the request that lets `addresses` stay on interface number `index` for that long.

    It counts from when it is carried out, and may be used any number of times. An address that is
    not there is put on, as Linux has no request that does not.
    """
    flags = messages.NLM_F_CREATE | messages.NLM_F_REPLACE
    bodies = [messages.address_body(index, address, valid_seconds) for address in addresses]
    requests = [messages.encode_message(messages.RTM_NEWADDR, flags, 0, body) for body in bodies]
    return b"".join(requests)
