"""Serving the site, until a signal ends it: uvicorn, with limits."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carpool.web.app import Site

MOST_CONNECTIONS: Final = 128
"""At a time; for one more, the one that has been idle for the longest goes."""
HEAD_SECONDS: Final = 10.0
"""For a request line and its headers to come."""
_IDLE_SECONDS: Final = 10
_END_SECONDS: Final = 3
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_BACKLOG: Final = 64
_LONGEST_HEAD: Final = 16384  # bytes of a request line and its headers


class _Connection(H11Protocol):
    """Does not wait for ever for a request, as uvicorn by itself would."""

    idle_since = 0.0  # s of the loop's clock
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for it, or turn it away if all others are at work."""
        open_ = [
            one
            for one in self.connections
            if isinstance(one, _Connection) and not one.transport.is_closing()
        ]
        super().connection_made(transport)
        self.idle_since = self.loop.time()
        if len(open_) >= MOST_CONNECTIONS:
            idle = [one for one in open_ if one.is_idle]
            min(idle, key=lambda one: one.idle_since, default=self).transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        self._stop()

    @property
    def is_idle(self) -> bool:
        """Whether no whole head of a request has come that is not answered yet."""
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if not self.is_idle or self.transport.is_closing():
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Server(uvicorn.Server):
    """Ends the streams when it is to end, for which it would wait otherwise.

    A signal is no failure: uvicorn by itself would die of it once it has ended.
    """

    def __init__(self, config: uvicorn.Config, site: Site) -> None:
        super().__init__(config)
        self._site = site

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let signals end it, in the main thread."""
        if current_thread() is not main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self._site.close()
        self.force_exit = self.should_exit  # the second time at once
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def server(site: Site) -> uvicorn.Server:
    """Return a server of a site, which has yet to be started."""
    config = uvicorn.Config(
        site.app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        http=_Connection,
        loop="asyncio",
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_END_SECONDS,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
    )
    return _Server(config, site)


def serve(site: Site, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM comes."""
    with listener:
        asyncio.run(server(site).serve([listener]))
