"""The control socket: one line of JSON in, one line of JSON out, and nobody can hold it up.

Whoever connects is the superuser or the user that the daemon runs as; yet a client may hang, send
rubbish or vanish, since people write scripts. So nothing here waits, each client has one line and
one answer in memory at most, does one request per round of the loop, and is dropped when it has
been silent for too long or when there are too many.

A request is an object with "version", "command", and what the command takes. An answer has
"version" and "ok"; if that is false, "error" says what is wrong and how to mend it.
"""

import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from carpool.carp.timing import SECOND
from carpool.node.log import Log
from carpool.node.loop import Loop

VERSION = 1
"""Of requests and answers. A daemon takes its own and no other."""

MOST_CLIENTS = 32
LONGEST_LINE = 32768
"""Bytes of a request: room for the names of all groups that there can be."""
PATIENCE = 10 * SECOND
"""Nanoseconds for a client to say something, and to take its answer."""

_ACCEPTED_PER_ROUND = 8
_CHUNK = 8192
_PAUSE = SECOND  # ns without new clients when descriptors are short

Reply = Callable[[Mapping[str, Any]], None]
"""Called once, at once or later, with what to answer."""
Handler = Callable[[str, Mapping[str, Any], Reply], None]
"""Takes a command, all of its request, and where to answer. Raises RequestError."""


class RequestError(Exception):
    """A request that cannot be fulfilled; the text says why and what to do."""


class Control:
    """Serves the clients of a listening socket that does not block."""

    def __init__(self, listener: socket.socket, loop: Loop, log: Log, handler: Handler) -> None:
        self._listener = listener
        self._loop = loop
        self._log = log
        self._handler = handler
        self._clients: list[_Client] = []
        self._resume = loop.call_at(loop.now(), self._listen)
        self._resume.cancel()
        self._listen()

    def close(self) -> None:
        """Drop all clients and stop listening; the socket itself stays open."""
        while self._clients:
            self._clients[0].close()
        self._resume.cancel()
        with suppress(KeyError):  # paused
            self._loop.unwatch(self._listener)

    def _listen(self) -> None:
        self._loop.watch(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_PER_ROUND):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._log.warning(f"control socket: {error.strerror}", key="control accept")
                self._loop.unwatch(self._listener)
                self._resume.reschedule(self._loop.now() + _PAUSE)
                return
            self._admit(accepted)

    def _admit(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        user = peer_user(accepted)
        if user not in {None, 0, os.geteuid()}:
            self._log.warning(f"control socket: refused user {user}", key="control user")
            accepted.close()
            return
        if len(self._clients) >= MOST_CLIENTS:
            waiting = [client for client in self._clients if not client.busy]
            if not waiting:
                accepted.close()
                return
            min(waiting, key=lambda client: client.deadline).close()
        client = _Client(accepted, self._loop, self._handle, self._clients.remove)
        self._clients.append(client)

    def _handle(self, line: bytes, reply: Reply) -> None:
        try:
            request = _parse(line)
            self._handler(request["command"], request, reply)
        except RequestError as error:
            reply({"ok": False, "error": str(error)})


class _Client:
    """One connection: reads a line, is busy until that is answered, writes the answer, and so on.

    It is watched for one thing at a time, so that what it sends while it does not read its answer
    stays in the kernel.
    """

    def __init__(
        self,
        connection: socket.socket,
        loop: Loop,
        handle: Callable[[bytes, Reply], None],
        closed: Callable[["_Client"], None],
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._handle = handle
        self._closed = closed
        self._input = b""
        self._output = b""
        self._open = True
        self._watched = False
        self._last = False
        self.busy = False
        """Whether a request of it is being worked on."""
        self._timer = loop.call_at(loop.now() + PATIENCE, self.close)
        self._next = loop.call_at(loop.now(), self._serve)
        self._next.cancel()
        self._watch(self._on_readable)

    @property
    def deadline(self) -> int:
        """When it will be dropped if nothing happens (ns)."""
        return self._timer.when or 0

    def close(self) -> None:
        """Hang up."""
        if not self._open:
            return
        self._open = False
        self._timer.cancel()
        self._next.cancel()
        self._unwatch()
        self._connection.close()
        self._closed(self)

    def _watch(self, callback: Callable[[], None], *, for_writing: bool = False) -> None:
        self._unwatch()
        self._loop.watch(self._connection, callback, for_writing=for_writing)
        self._watched = True

    def _unwatch(self) -> None:
        if self._watched:
            self._loop.unwatch(self._connection)
            self._watched = False

    def _on_readable(self) -> None:
        try:
            data = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._input += data
        if b"\n" in self._input:
            self._serve()
        elif len(self._input) > LONGEST_LINE:
            self._last = True
            self._reply({"ok": False, "error": f"a request has {LONGEST_LINE} bytes at most"})

    def _serve(self) -> None:
        """Work on the first line that has come."""
        line, _, self._input = self._input.partition(b"\n")
        self.busy = True
        self._timer.cancel()
        self._unwatch()
        self._handle(line, self._reply)

    def _reply(self, answer: Mapping[str, Any]) -> None:
        self.busy = False
        if not self._open:
            return
        self._output = json.dumps({"version": VERSION, **answer}).encode() + b"\n"
        self._timer.reschedule(self._loop.now() + PATIENCE)
        self._write()

    def _write(self) -> None:
        try:
            sent = self._connection.send(self._output)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._output = self._output[sent:]
        if self._output:
            self._watch(self._write, for_writing=True)
        elif self._last:
            self.close()
        else:
            self._timer.reschedule(self._loop.now() + PATIENCE)
            if b"\n" in self._input:
                self._unwatch()
                self._next.reschedule(self._loop.now())
            else:
                self._watch(self._on_readable)


def peer_user(connection: socket.socket) -> int | None:
    """Return the user id of the other end; None where only the modes of the file protect it."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _pid, user, _group = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, option, 12))
    return int(user)


def _parse(line: bytes) -> dict[str, Any]:
    """Return a request of our version. Raises RequestError."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError(
            'a request is one line of JSON: {"version": 1, "command": ...}'
        ) from None
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        raise RequestError('a request is one line of JSON: {"version": 1, "command": ...}')
    if request.get("version") != VERSION:
        raise RequestError(f"this daemon speaks version {VERSION}; use the carpool it came with")
    return request
