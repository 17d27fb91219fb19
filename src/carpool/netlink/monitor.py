"""Being told of changes to links and addresses as they happen."""

import array
import socket
import struct
import sys
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOBUFS, EPROTO
from typing import Final, Self

from carpool.netlink.messages import (
    RTM_NEWADDR,
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
_SO_ATTACH_FILTER: Final = 26
_SO_RCVBUFFORCE: Final = 33

_BUFFER_BYTES: Final = 1 << 20  # 255 addresses changed twice, and room to spare
_DATAGRAMS_PER_READ: Final = 64

_NEW_ADDRESS: Final = RTM_NEWADDR.to_bytes(2, sys.byteorder)
_KIND: Final = slice(4, 6)
_PORT: Final = 12
_FIRST_V4: Final = slice(28, 32)
_FIRST_V6: Final = slice(28, 44)
"""Where a datagram has its message type and the address: behind the header (16 bytes), ifaddrmsg
(8) and the head of the first attribute (4)."""


@dataclass(frozen=True, slots=True)
class Overrun:
    """Event: the kernel dropped events because they were not read in time; list everything anew."""


RouteEvent = LinkInfo | LinkGone | AddressInfo | AddressGone | Overrun


class RouteMonitor:
    """Hears of every change to links and addresses in the namespace in which it was made.

    Put `fileno()` in a selector and call `read()` when it is readable. Needs no privilege.
    """

    def __init__(
        self, *, only_losses_of: Container[bytes] = (), added_by: Sequence[int] = ()
    ) -> None:
        """Listen from now on. Raises OSError.

        Of the addresses `only_losses_of`, packed, only that they go is told: who renews them all
        the time need not read of it all the time. Of what the netlink ports `added_by` add or
        renew, the kernel does not even wake us (of IPv6 it does: it does not say there who asked).
        """
        self._only_losses_of = only_losses_of
        self._socket = open_socket()
        try:
            self._socket.setblocking(False)
            _enlarge_buffer(self._socket)
            if added_by:
                _pass_over_additions(self._socket, added_by)
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
            if datagram[_KIND] == _NEW_ADDRESS and self._is_own(datagram):
                continue
            for message in decode_messages(datagram):
                event = decode_event(message)
                if event is not None:
                    events.append(event)
        return events

    def _is_own(self, datagram: bytes) -> bool:
        own = self._only_losses_of
        return datagram[_FIRST_V4] in own or datagram[_FIRST_V6] in own


def _pass_over_additions(route: socket.socket, ports: Sequence[int]) -> None:
    """Let the kernel drop what tells of addresses that were added by netlink `ports`."""
    # Classic BPF (linux/filter.h) loads in network order what netlink has in the host's.
    (kind,) = struct.unpack(">H", _NEW_ADDRESS)
    ours = [struct.unpack(">I", struct.pack("=I", port))[0] for port in ports]
    load_half, load_word, equal, accept = 0x28, 0x20, 0x15, 0x06
    program = (
        (load_half, 0, 0, _KIND.start),
        (equal, 0, len(ours) + 1, kind),
        (load_word, 0, 0, _PORT),
        *((equal, len(ours) - number, 0, port) for number, port in enumerate(ours)),
        (accept, 0, 0, RECEIVE_BYTES),
        (accept, 0, 0, 0),
    )
    code = array.array("B", b"".join(struct.pack("=HBBI", *step) for step in program))
    where, _ = code.buffer_info()
    with suppress(OSError):  # a kernel without filters: costs time, and nothing else
        route.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), where)
        )


def _enlarge_buffer(route: socket.socket) -> None:
    try:
        route.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    except PermissionError:  # without CAP_NET_ADMIN the system's limit holds
        route.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
