"""Being told of changes to links and addresses as they happen."""

import socket
from dataclasses import dataclass
from errno import ENOBUFS, EPROTO
from typing import Final, Self

from carpool.netlink.messages import (
    AddressGone,
    AddressInfo,
    LinkGone,
    LinkInfo,
    decode_event,
    decode_messages,
)
from carpool.netlink.route import RECEIVE_BYTES, SOL_NETLINK, NetlinkError, open_socket

# linux/netlink.h and linux/rtnetlink.h; the socket module does not have them.
_NETLINK_ADD_MEMBERSHIP: Final = 1
_RTNLGRP_LINK: Final = 1
_RTNLGRP_IPV4_IFADDR: Final = 5
_RTNLGRP_IPV6_IFADDR: Final = 9
_SO_RCVBUFFORCE: Final = 33

_BUFFER_BYTES: Final = 1 << 20  # 255 addresses changed twice, and room to spare
_DATAGRAMS_PER_READ: Final = 64


@dataclass(frozen=True, slots=True)
class Overrun:
    """Event: the kernel dropped events because they were not read in time; list everything anew."""


RouteEvent = LinkInfo | LinkGone | AddressInfo | AddressGone | Overrun


class RouteMonitor:
    """Hears of every change to links and addresses in the namespace in which it was made.

    Put `fileno()` in a selector and call `read()` when it is readable. Needs no privilege.
    """

    def __init__(self) -> None:
        self._socket = open_socket()
        try:
            self._socket.setblocking(False)
            _enlarge_buffer(self._socket)
            for group in (_RTNLGRP_LINK, _RTNLGRP_IPV4_IFADDR, _RTNLGRP_IPV6_IFADDR):
                self._socket.setsockopt(SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; twice is harmless."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor to wait on for reading."""
        return self._socket.fileno()

    def read(self) -> list[RouteEvent]:
        """Return the events that wait, without blocking; at most 64 datagrams' worth in a call.

        Malformed messages are left out. After an Overrun the events before it may have holes.
        """
        events: list[RouteEvent] = []
        for _ in range(_DATAGRAMS_PER_READ):
            try:
                datagram = self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != ENOBUFS:
                    raise NetlinkError(
                        "read link and address events", error.errno or EPROTO
                    ) from error
                events.append(Overrun())
                continue
            for message in decode_messages(datagram):
                event = decode_event(message)
                if event is not None:
                    events.append(event)
        return events


def _enlarge_buffer(route: socket.socket) -> None:
    try:
        route.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    except PermissionError:  # without CAP_NET_ADMIN the system's limit holds
        route.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
