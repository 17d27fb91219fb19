"""TCP connections that are made while the loop goes on; and the check that one can be made."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from carpool.carp.auth import Address
from carpool.node.health.probe import Done
from carpool.node.loop import Loop

if TYPE_CHECKING:
    import ssl


class Connection:
    """A socket on its way to a server."""

    def __init__(
        self, loop: Loop, address: Address, port: int, connected: Callable[[], None], failed: Done
    ) -> None:
        """Connect; then call `connected`, or `failed` with the reason. Raises OSError."""
        self._loop = loop
        self._connected = connected
        self._failed = failed
        self._watched = False
        self.socket = socket.socket(
            socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM
        )
        try:
            self.socket.setblocking(False)
            with suppress(BlockingIOError):
                self.socket.connect((str(address), port))
        except OSError:
            self.socket.close()
            raise
        self.wait(self._made, for_writing=True)

    def wait(self, callback: Callable[[], None], *, for_writing: bool) -> None:
        """Call `callback` whenever the socket can be read, or written; and for nothing else."""
        self._unwatch()
        self._loop.watch(self.socket, callback, for_writing=for_writing)
        self._watched = True

    def encrypt(self, context: "ssl.SSLContext", name: str | None) -> "ssl.SSLSocket":
        """Put TLS on the socket, and return it: the handshake is yet to be made.

        `name` is the server's, to be asked for and found in the certificate. Raises OSError.
        """
        self._unwatch()
        encrypted = context.wrap_socket(
            self.socket, server_hostname=name, do_handshake_on_connect=False
        )
        self.socket = encrypted
        return encrypted

    def close(self) -> None:
        """Close the socket; nothing is called any more."""
        self._unwatch()
        self.socket.close()

    def _made(self) -> None:
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._failed(os.strerror(error))
        elif self._is_to_itself():
            self._failed("nothing listens there")
        else:
            self._connected()

    def _is_to_itself(self) -> bool:
        # To a free port of this host TCP connects if it happens to pick that one as its own too.
        try:
            return bool(self.socket.getsockname() == self.socket.getpeername())
        except OSError:  # the server has hung up already
            return False

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.unwatch(self.socket)


class TcpProbe:
    """Connects and hangs up."""

    pid = None

    def __init__(self, loop: Loop, address: Address, port: int) -> None:
        self._loop = loop
        self._address = address
        self._port = port
        self._connection: Connection | None = None

    def start(self, done: Done) -> None:
        """Connect."""

        def end(problem: str | None) -> None:
            self.cancel()
            done(problem)

        try:
            self._connection = Connection(
                *(self._loop, self._address, self._port), connected=lambda: end(None), failed=end
            )
        except OSError as error:
            done(error.strerror or str(error))

    def cancel(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Hang up."""
        self.cancel()
