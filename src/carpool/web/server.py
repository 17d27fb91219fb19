"""Serving the site, until a signal ends it: uvicorn, with limits."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Final

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carpool.web.app import Site

MOST_CONNECTIONS: Final = 128
"""At a time; more are told to come again (503)."""
_IDLE_SECONDS: Final = 10
_END_SECONDS: Final = 3
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_BACKLOG: Final = 64
_LONGEST_HEAD: Final = 16384  # bytes of a request line and its headers


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
        http="h11",
        loop="asyncio",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_END_SECONDS,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
    )
    return _Server(config, site)


def serve(site: Site, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM comes."""
    with listener:
        asyncio.run(server(site).serve([listener]))
