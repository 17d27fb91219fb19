"""A routing socket, route(4): the kernel's word that an interface or an address has changed."""

import socket
from contextlib import suppress

_MESSAGE_BYTES = 2048
_MOST_MESSAGES = 256
_TYPE_OFFSET = 3
"""Of struct rt_msghdr, on every system: length (2 bytes), version, type."""
_LAST_ABOUT_ROUTES = 0x0B
"""RTM_RESOLVE. Up to there the types are about routes and the same everywhere; above, they are
numbered differently and nearly all about interfaces and addresses."""


class RoutingSocket:
    """Tells that something has changed; what it is now has to be listed anew."""

    def __init__(self) -> None:
        """Open it. Raises OSError."""
        self._socket = socket.socket(socket.AF_ROUTE, socket.SOCK_RAW, 0)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def changed(self) -> bool:
        """Read what waits; tell whether any of it is about interfaces or addresses."""
        changed = False
        with suppress(BlockingIOError):
            for _ in range(_MOST_MESSAGES):
                try:
                    message = self._socket.recv(_MESSAGE_BYTES)
                except BlockingIOError:
                    raise
                except OSError:  # ENOBUFS: some were lost
                    return True
                changed |= len(message) > _TYPE_OFFSET and message[3] > _LAST_ABOUT_ROUTES
        return changed

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def open_routing_socket() -> RoutingSocket | None:
    """Return a routing socket, None where there is none to be had."""
    try:
        return RoutingSocket()
    except OSError:
        return None
