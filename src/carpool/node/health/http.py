"""Checks that a web server answers: one GET over HTTP/1.1, with or without TLS."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from carpool.node.health.answer import Answer
from carpool.node.health.connection import Connection

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Generator

    from carpool.node.health.probe import Done
    from carpool.node.health.settings import Http
    from carpool.node.loop import Loop

_T = TypeVar("_T")
_CHUNK = 16384


class HttpProbe:
    """Asks for a page, step by step, as the server lets it."""

    pid = None

    def __init__(self, loop: Loop, http: Http) -> None:
        """With TLS this loads OpenSSL and the host's authorities, some 30 ms, the first time."""
        self._loop = loop
        self._http = http
        self._tls = _context(verify=http.verify) if http.tls else None
        self._connection: Connection | None = None
        self._talk: Generator[bool, None, str | None] | None = None
        self._done: Done | None = None

    def start(self, done: Done) -> None:
        """Connect and ask."""
        http = self._http
        self._done = done
        self._talk = self._conversation()
        try:
            self._connection = Connection(
                *(self._loop, http.address, http.port), connected=self._go_on, failed=self._end
            )
        except OSError as error:
            self._end(error.strerror or str(error))

    def cancel(self) -> None:
        """Hang up."""
        self._done = self._talk = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Hang up."""
        self.cancel()

    def _end(self, problem: str | None) -> None:
        done = self._done
        self.cancel()
        if done is not None:
            done(problem)

    def _go_on(self) -> None:
        if self._talk is None or self._connection is None:
            return
        try:
            for_writing = next(self._talk)
        except StopIteration as ended:
            self._end(ended.value)
        except OSError as error:
            self._end(_reason(error))
        else:
            self._connection.wait(self._go_on, for_writing=for_writing)

    def _conversation(self) -> Generator[bool, None, str | None]:
        """Talk to the server; yield whether to wait for writing. Return what is wrong, or None."""
        assert self._connection is not None
        http = self._http
        if self._tls is not None:
            name = http.host or (str(http.address) if http.verify else None)
            encrypted = self._connection.encrypt(self._tls, name)
            yield from self._patiently(encrypted.do_handshake, for_writing=False)
        sock: socket.socket = self._connection.socket
        unsent = _request(http)
        while unsent:
            sent = yield from self._patiently(partial(sock.send, unsent), for_writing=True)
            unsent = unsent[sent:]
        answer = Answer(http.statuses, None if http.text is None else http.text.encode())
        while not answer.feed(
            (yield from self._patiently(lambda: sock.recv(_CHUNK), for_writing=False))
        ):
            pass
        return answer.problem

    def _patiently(
        self, operation: Callable[[], _T], *, for_writing: bool
    ) -> Generator[bool, None, _T]:
        """Do it as soon as the socket can; TLS may have to read in order to write."""
        while True:
            try:
                return operation()
            except BlockingIOError:
                yield for_writing
            except OSError as error:
                if self._tls is None:
                    raise
                match type(error).__name__:
                    case "SSLWantReadError":
                        yield False
                    case "SSLWantWriteError":
                        yield True
                    case _:
                        raise


def _request(http: Http) -> bytes:
    host = http.host or (str(http.address) if http.address.version == 4 else f"[{http.address}]")
    if http.port != (443 if http.tls else 80):
        host += f":{http.port}"
    lines = (
        f"GET {http.path} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: carpool",
        "Accept: */*",
        "Connection: close",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


@cache
def _context(*, verify: bool) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - 20 ms that only those pay who check over TLS

    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: OSError) -> str:
    """Return what went wrong, of TLS in OpenSSL's words."""
    said = getattr(error, "verify_message", None) or getattr(error, "reason", None)
    if isinstance(said, str):
        return f"TLS: {said}"
    return error.strerror or str(error)
