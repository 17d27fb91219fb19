"""Giving addresses new lifetimes, often and cheaply: nobody waits for the kernel's answer."""

from collections.abc import Sequence
from contextlib import suppress
from errno import EPROTO
from functools import lru_cache
from ipaddress import IPv4Interface, IPv6Interface
from types import TracebackType
from typing import Final, Self

from carpool.netlink import messages
from carpool.netlink.route import RECEIVE_BYTES, NetlinkError, open_socket

_KNOWN: Final = 1024  # addresses whose request is not written anew each time


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

    def renew(
        self, index: int, addresses: Sequence[IPv4Interface | IPv6Interface], valid_seconds: int
    ) -> None:
        """Let `addresses` stay on interface number `index` that long from now.

        One that is not there is put on, as Linux has no request that does not. Raises NetlinkError
        only if the request cannot be sent.
        """
        request = b"".join(_request(index, address, valid_seconds) for address in addresses)
        try:
            self._socket.send(request)
        except OSError as error:
            raise NetlinkError("renew addresses", error.errno or EPROTO) from error

    def discard_refusals(self) -> None:
        """Read what the kernel refused, to no end but to be rid of it."""
        with suppress(OSError):
            while self._socket.recv(RECEIVE_BYTES):
                pass


@lru_cache(_KNOWN)
def _request(index: int, address: IPv4Interface | IPv6Interface, valid_seconds: int) -> bytes:
    flags = messages.NLM_F_CREATE | messages.NLM_F_REPLACE
    body = messages.address_body(index, address, valid_seconds)
    return messages.encode_message(messages.RTM_NEWADDR, flags, 0, body)
