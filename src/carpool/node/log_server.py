"""Lines of the log to a log server: over UDP (RFC 5426), or TCP with octet counting (RFC 6587).

Nothing here waits. A server is an IP address: to look up a name can take half a minute.
"""

import errno
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

from carpool.carp.timing import SECOND
from carpool.node.log import About, DroppingSink, Level
from carpool.node.loop import Loop, Timer

Message = Callable[[Level, str, About | None], bytes]

MOST_WAITING = 65536
"""Bytes that wait for a server; lines above that are dropped and counted."""
FIRST_PAUSE, LONGEST_PAUSE = SECOND, 32 * SECOND
"""Nanoseconds between two attempts to connect: twice as long each time."""
_OPTIONS = {"TCP_USER_TIMEOUT": 30_000, "TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10}
"""Where the system has them: a server that acknowledges nothing for 30 s (in ms) is taken for dead,
and asked after a minute without a line (in s). TCP itself would wait for a quarter of an hour, and
lose the lines of that time."""


class UdpSink(DroppingSink):
    """A datagram a line. Nobody tells whether it arrives."""

    def __init__(self, address: IPv4Address | IPv6Address, port: int, message: Message) -> None:
        super().__init__()
        self._to = (str(address), port)
        self._family = _family(address)
        self._message = message
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def reopen(self) -> None:
        """Use a socket of our own, in a child that has lost its parent's."""
        if self._socket is not None:
            self._socket.detach()
            self._socket = None

    def _put(self, level: Level, text: str, about: About | None) -> bool:
        # Not connected: so it survives that the network comes later, or goes and comes back.
        # Opened here: there may be no descriptor left now, or no IPv6 on this host.
        with suppress(OSError):
            if self._socket is None:
                self._socket = socket.socket(self._family, socket.SOCK_DGRAM)
            self._socket.sendto(self._message(level, text, about), socket.MSG_DONTWAIT, self._to)
            return True
        return False


class TcpSink(DroppingSink):
    """A connection, made when there is a line to send and made again when it breaks.

    What the kernel had taken when a server died is lost; what it had not is sent to the next.
    """

    def __init__(
        self, address: IPv4Address | IPv6Address, port: int, message: Message, loop: Loop
    ) -> None:
        super().__init__()
        self._to = (str(address), port)
        self._family = _family(address)
        self._message = message
        self._loop = loop
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._sent = 0  # of the first that waits
        self._socket: socket.socket | None = None
        self._connected = False
        self._watched_for_writing: bool | None = None
        self._mute = False
        self._pause = FIRST_PAUSE
        self._retry: Timer = loop.call_at(loop.now(), self._connect)
        self._retry.cancel()

    def close(self) -> None:
        """Hang up. What waits is lost; what was sent is not."""
        self._hang_up()
        self._retry.cancel()

    def reopen(self) -> None:
        """Say nothing in a child that has lost its parent's connection and loop."""
        if self._socket is not None:
            self._socket.detach()
        self._socket, self._mute = None, True

    def leave(self) -> list[str]:
        """Return the messages that wait, the first of them whole."""
        return [frame.decode() for frame in self._waiting]

    def restore(self, waiting: Sequence[str]) -> None:
        """Let these be the first to be sent."""
        for frame in map(str.encode, waiting):
            self._waiting.append(frame)
            self._waiting_bytes += len(frame)
        if self._waiting:
            self._connect()

    def _put(self, level: Level, text: str, about: About | None) -> bool:
        if self._mute or self._waiting_bytes >= MOST_WAITING:
            return False
        message = self._message(level, text, about)
        frame = b"%d %s" % (len(message), message)
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        if self._connected and len(self._waiting) == 1:
            self._send()
        elif self._socket is None and self._retry.when is None:
            self._connect()
        return True

    def _connect(self) -> None:
        try:
            self._socket = socket.socket(self._family, socket.SOCK_STREAM)
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _OPTIONS.items():
                option = getattr(socket, name, None)
                if option is not None:
                    self._socket.setsockopt(socket.IPPROTO_TCP, option, value)
            code = self._socket.connect_ex(self._to)
        except OSError:  # no descriptor is left
            code = errno.EMFILE
        if code not in (0, errno.EINPROGRESS):
            self._fail()
            return
        assert self._socket is not None
        self._loop.watch(self._socket, self._on_connected, for_writing=True)

    def _on_connected(self) -> None:
        assert self._socket is not None
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._fail()
            return
        self._connected = True
        self._watch(for_writing=False)
        self._send()

    def _send(self) -> None:
        """Send what waits, as far as the connection takes it."""
        assert self._socket is not None
        try:
            while self._waiting:
                frame = self._waiting[0]
                self._sent += self._socket.send(frame[self._sent :])
                if self._sent == len(frame):
                    self._waiting.popleft()
                    self._waiting_bytes -= len(frame)
                    self._sent = 0
        except BlockingIOError:
            self._watch(for_writing=True)
            return
        except OSError:
            self._fail()
            return
        self._pause = FIRST_PAUSE
        self._watch(for_writing=False)

    def _on_readable(self) -> None:
        """Notice that the server hangs up. It has nothing to say."""
        assert self._socket is not None
        try:
            gone = not self._socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            self._fail()

    def _watch(self, *, for_writing: bool) -> None:
        assert self._socket is not None
        if for_writing is self._watched_for_writing:
            return
        self._watched_for_writing = for_writing
        self._loop.unwatch(self._socket)
        callback = self._send if for_writing else self._on_readable
        self._loop.watch(self._socket, callback, for_writing=for_writing)

    def _fail(self) -> None:
        """Hang up, and try again later if there is something to send."""
        self._hang_up()
        self._sent = 0  # Half a message is none: the next server gets all of it.
        if self._waiting:
            self._retry.reschedule(self._loop.now() + self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _hang_up(self) -> None:
        if self._socket is not None:
            with suppress(KeyError):
                self._loop.unwatch(self._socket)
            self._socket.close()
        self._socket, self._connected, self._watched_for_writing = None, False, None


def _family(address: IPv4Address | IPv6Address) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6
