"""The control socket: one line of JSON in, one line of JSON out, and nobody can hold it up.

Whoever connects is the superuser or the user that the daemon runs as; yet a client may hang, send
rubbish or vanish, since people write scripts. So nothing here waits, and each client has one line
and one answer in memory at most. Clients take turns: one request is done in a round of the loop,
and all of them get half of the daemon's time at most. Who has been silent for too long is dropped,
and who is silent, when there are too many.

A request is an object with "version", "command", and what the command takes. An answer has
"version" and "ok"; if that is false, "error" says what is wrong and how to mend it. Some answers
go on as a stream: a line for each event, until the client hangs up.

What a client asked for that has hung up since is not done: it has told its user that it failed.

A client whose first word is GET is served a page instead, under the same bounds.
"""

import json
import os
import select
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

from carpool.carp.timing import SECOND
from carpool.node.http_page import GET, Page, is_whole, respond, unavailable
from carpool.node.log import Log
from carpool.node.loop import Loop

VERSION = 1
"""Of requests and answers. A daemon takes its own and no other."""

MOST_CLIENTS = 32
MOST_FOLLOWERS = 16
"""Clients whose streams do not end, besides the others."""
LONGEST_LINE = 32768
"""Bytes of a request: room for the names of all groups that there can be."""
PATIENCE = 10 * SECOND
"""Nanoseconds for a client to say something, and to take its answer."""

_ACCEPTED_PER_ROUND = 8
_CHUNK = 8192
_PAUSE = SECOND  # ns without new clients when descriptors are short
_GATHER = SECOND // 100
"""From an event to its line (ns): a takeover goes first, and what follows it goes along."""

_NO_PAGES: Mapping[str, Page] = {}

Reply = Callable[[Mapping[str, Any]], None]
"""Called once, at once or later, with what to answer."""


class Stream(Protocol):
    """What follows an answer, line by line."""

    @property
    def head(self) -> Mapping[str, Any]:
        """The answer that it follows."""
        ...

    @property
    def follows(self) -> bool:
        """Whether it goes on until the client hangs up; else it ends by itself."""
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing will follow any more."""
        ...

    def read(self) -> bytes:
        """Return whole lines, some KiB at most; none if there is nothing to say now."""
        ...

    def listen(self, more: Callable[[], None]) -> None:
        """Call `more` whenever there is something to say."""
        ...

    def close(self) -> None:
        """Say no more."""
        ...


Handler = Callable[[str, Mapping[str, Any], Reply], Stream | None]
"""Takes a command, all of its request, and where to answer. Raises RequestError.

If it returns a stream it does not answer: the stream does.
"""


class RequestError(Exception):
    """A request that cannot be fulfilled; the text says why and what to do."""


class Control:
    """Serves the clients of a listening socket that does not block."""

    def __init__(
        self,
        listener: socket.socket,
        loop: Loop,
        log: Log,
        handler: Handler,
        pages: Mapping[str, Page] = _NO_PAGES,
    ) -> None:
        """Serve what `handler` does, and these pages by their paths."""
        self._pages = pages
        self._listener = listener
        self._loop = loop
        self._log = log
        self._handler = handler
        self._clients: list[_Client] = []
        self._followers: list[_Client] = []
        self._queue: deque[_Client] = deque()
        self._rested_at = 0
        """When the next turn may be: after as long a rest as the last one took."""
        self._turn = loop.call_at(loop.now(), self._take_turn)
        self._turn.cancel()
        self._resume = loop.call_at(loop.now(), self._listen)
        self._resume.cancel()
        self._listening = False
        self._listen()

    def close(self) -> None:
        """Drop all clients and stop listening; the socket itself stays open."""
        for client in (*self._clients, *self._followers):
            client.close()
        self._rest()
        self._resume.cancel()
        self._turn.cancel()

    def flush(self) -> None:
        """Let all who follow know what has happened, as far as they can take it at once."""
        for client in tuple(self._followers):
            client.say_all()

    def owes(self) -> bool:
        """Whether a client has not taken all of its answer yet; those who follow are not asked."""
        return any(client.is_owed for client in self._clients)

    # Whom it serves.

    def _listen(self) -> None:
        self._loop.watch(self._listener, self._accept)
        self._listening = True

    def _rest(self) -> None:
        if self._listening:
            self._listening = False
            self._loop.unwatch(self._listener)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_PER_ROUND):
            full = len(self._clients) >= MOST_CLIENTS
            victim = self._dispensable() if full else None
            if full and victim is None:
                self._rest()  # Until one has had its turn: nobody is to have waited in vain.
                return
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._log.warning(f"control socket: {error.strerror}", key="control accept")
                self._rest()
                self._resume.reschedule(self._loop.now() + _PAUSE)
                return
            if victim is not None:
                victim.close()
            self._admit(accepted)

    def _dispensable(self) -> "_Client | None":
        """Return the client that has been silent longest, or has had most answers already."""
        silent = [client for client in self._clients if client.deadline is not None]
        if silent:
            return min(silent, key=lambda one: one.deadline or 0)
        greedy = [client for client in self._clients if client in self._queue and client.answers]
        return max(greedy, key=lambda one: one.answers, default=None)

    def _admit(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        user = peer_user(accepted)
        if user not in {None, 0, os.geteuid()}:
            self._log.warning(f"control socket: refused user {user}", key="control user")
            accepted.close()
            return
        self._clients.append(_Client(accepted, self._loop, self))

    def forget(self, client: "_Client") -> None:
        """Take note that a client has gone."""
        for known in (self._clients, self._followers, self._queue):
            with suppress(ValueError):
                known.remove(client)
        self._go_on_listening()

    def _go_on_listening(self) -> None:
        if not self._listening and self._resume.when is None:
            self._resume.reschedule(self._loop.now())

    # Their turns.

    def enqueue(self, client: "_Client", *, delay: int = 0) -> None:
        """Let a client have a turn, behind those that wait already; in `delay` ns or later."""
        if client not in self._queue:
            self._queue.append(client)
        when = max(self._loop.now() + delay, self._rested_at)
        if self._turn.when is None or when < self._turn.when:
            self._turn.reschedule(when)

    def _take_turn(self) -> None:
        began = self._loop.now()
        if self._queue:
            self._queue.popleft().serve()
            self._go_on_listening()
        now = self._loop.now()
        self._rested_at = 2 * now - began
        if self._queue:
            self._turn.reschedule(self._rested_at)

    def handle(self, line: bytes, client: "_Client") -> None:
        """Do what a line asks."""
        try:
            request = _parse(line)
            stream = self._handler(request["command"], request, client.reply)
            if stream is not None:
                self._begin(stream, client)
        except RequestError as error:
            client.reply({"ok": False, "error": str(error)})

    def page(self, request: bytes) -> Iterator[bytes]:
        """Yield the pieces of the answer to a GET.

        What a page does wrong is told, and ends that page alone. Its code may be loaded only now,
        when a new program lies where this one was.
        """
        begun = False
        try:
            for piece in respond(request, self._pages):
                begun = True
                yield piece
        except Exception as error:  # noqa: BLE001 - no view is worth the addresses
            why = f"{type(error).__name__}: {error}; has the program been replaced? carpool restart"
            self._log.error(f"control socket: a page cannot be made: {why}", key="control page")
            if not begun:
                yield unavailable(why)

    def _begin(self, stream: Stream, client: "_Client") -> None:
        if len(self._followers) >= MOST_FOLLOWERS:
            laziest = max(self._followers, key=lambda one: one.unread)
            if not laziest.unread:
                stream.close()
                raise RequestError(
                    f"{MOST_FOLLOWERS} clients follow this daemon already; end one of them"
                )
            laziest.close()
        self._clients.remove(client)
        self._followers.append(client)
        client.follow(stream)

    def unfollow(self, client: "_Client") -> None:
        """Take note that the stream of a client has ended."""
        self._followers.remove(client)
        self._clients.append(client)


class _Client:
    """One connection: reads a line, waits for its turn and its answer, writes that, and so on.

    It is watched for one thing at a time, so that what it sends while it does not read its answer
    stays in the kernel.
    """

    def __init__(self, connection: socket.socket, loop: Loop, control: Control) -> None:
        self._connection = connection
        self._loop = loop
        self._control = control
        self._input = b""
        self._output = b""
        self._stream: Stream | None = None
        self._page: Iterator[bytes] | None = None
        self._open = True
        self._watched = False
        self._last = False
        self.answers = 0
        """How many it has been given."""
        self._timer = loop.call_at(loop.now() + PATIENCE, self.close)
        self._watch(self._on_readable)

    @property
    def deadline(self) -> int | None:
        """When it will be dropped if nothing happens (ns); None while it waits for us."""
        return self._timer.when

    @property
    def unread(self) -> int:
        """How many bytes it has not read yet, but for those of which the system does not tell."""
        # Only here: hardly a daemon has so many clients.
        import fcntl  # noqa: PLC0415
        import termios  # noqa: PLC0415

        told = bytes(4)
        with suppress(OSError):
            told = fcntl.ioctl(self._connection, termios.TIOCOUTQ, told)
        return len(self._output) + int(struct.unpack("i", told)[0])

    @property
    def is_owed(self) -> bool:
        """Whether there is more for it than it has taken."""
        return bool(self._output)

    def close(self) -> None:
        """Hang up."""
        if not self._open:
            return
        self._open = False
        self._timer.cancel()
        self._unwatch()
        if self._stream is not None:
            self._stream.close()
        self._connection.close()
        self._control.forget(self)

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
        if not data or self._stream is not None:  # Who follows has nothing to say but goodbye.
            self.close()
            return
        self._input += data
        if self._has_request():
            self._wait_for_turn()
        elif len(self._input) > LONGEST_LINE:
            self._last = True
            self.reply({"ok": False, "error": f"a request has {LONGEST_LINE} bytes at most"})

    def _has_request(self) -> bool:
        if self._input.startswith(GET):
            return is_whole(self._input)
        return b"\n" in self._input

    def _wait_for_turn(self) -> None:
        self._timer.cancel()
        self._unwatch()
        self._control.enqueue(self)

    def serve(self) -> None:
        """Have a turn: work on the first line that has come, or say what there is to say."""
        if self._stream is not None:
            if not self._output:
                self._say_more(self._stream)
            return
        if self._page is None and self._input.startswith(GET):
            self._page = self._control.page(self._input)
            self.answers += 1
        if self._page is not None:
            self._show(self._page)
            return
        if has_hung_up(self._connection):
            self.close()
            return
        line, _, self._input = self._input.partition(b"\n")
        self._control.handle(line, self)

    def _show(self, page: Iterator[bytes]) -> None:
        """Write the next piece of a page, and hang up behind the last."""
        piece = next(page, None)
        self._last = piece is None
        if piece == b"":
            self._control.enqueue(self)
            return
        self._output = piece or b""
        self._timer.reschedule(self._loop.now() + PATIENCE)
        self._write()

    def reply(self, answer: Mapping[str, Any]) -> None:
        """Take the answer."""
        if self._open:
            self.answers += 1
            self._output = json.dumps({"version": VERSION, **answer}).encode() + b"\n"
            self._timer.reschedule(self._loop.now() + PATIENCE)
            self._write()

    def follow(self, stream: Stream) -> None:
        """Answer with a stream."""
        self._stream = stream
        stream.listen(self._has_more)
        self.reply(stream.head)

    def _has_more(self) -> None:
        if not self._output:
            self._control.enqueue(self, delay=_GATHER)

    def say_all(self) -> None:
        """Say all that a stream has, as far as it is taken at once."""
        if self._output:
            self._write()
        while self._open and self._stream is not None and not self._output:
            if not self._say_more(self._stream):
                return

    def _say_more(self, stream: Stream) -> bool:
        """Return whether there was something to say."""
        self._output = said = stream.read()
        if self._output:
            self._timer.reschedule(self._loop.now() + PATIENCE)
            self._write()
        elif stream.ended:
            self._stream = None
            self._control.unfollow(self)
            self._write()
        return bool(said)

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
        elif self._stream is not None:
            self._timer.cancel()
            if self._stream.follows:
                self._watch(self._on_readable)
            else:
                self._unwatch()  # Whoever has said all that it will say still reads.
            self._control.enqueue(self)  # There may be more.
        elif self._page is not None or self._has_request():
            self._wait_for_turn()
        else:
            self._timer.reschedule(self._loop.now() + PATIENCE)
            self._watch(self._on_readable)


def has_hung_up(connection: socket.socket) -> bool:
    """Tell whether the other end neither speaks nor listens any more.

    Never so where the system cannot tell that from one that has only said all it will say.
    """
    if not hasattr(select, "POLLRDHUP"):
        return False
    poll = select.poll()
    poll.register(connection, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


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
