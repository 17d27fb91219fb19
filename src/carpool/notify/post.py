"""One POST over HTTP/1.1, with or without TLS. Redirections are not followed."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from carpool.notify import tls
from carpool.notify.job import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carpool.notify.job import Job, Step

_MOST_READ = 65536
_AGAIN = (408, 425, 429)
"""Of the 4xx, those that say to try again: too slow, too early, too often."""


class Server:
    """The server of a URL; a context manager. Its methods raise DeliveryError."""

    def __init__(self, job: Job, step: Step) -> None:
        url = urlsplit(job.keys["url"])
        host, secure = url.hostname or "", url.scheme == "https"
        self._target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        port = url.port or (443 if secure else 80)
        self.name = f"{host} port {port}"
        self._step = step
        self._connection = (
            http.client.HTTPSConnection(
                host, port, timeout=job.timeout, context=tls.context(job.keys)
            )
            if secure
            else http.client.HTTPConnection(host, port, timeout=job.timeout)
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Send it, and return the first 64 KiB of the answer, whose status is 2xx."""
        try:
            if self._connection.sock is None:
                self._step(f"connecting to {self.name}")
                self._connection.connect()
            self._step(f"sending to {self.name}")
            self._connection.request("POST", self._target, body, dict(headers))
            self._step(f"waiting for the answer of {self.name}")
            answer = self._connection.getresponse()
            said = answer.read(_MOST_READ)
            if answer.read(1):
                self._connection.close()
        except http.client.HTTPException as error:
            raise DeliveryError(f"what answers is no web server: {type(error).__name__}") from None
        except OSError as error:
            raise tls.problem(error) from None
        if not 200 <= answer.status < 300:
            reason = f"HTTP {answer.status} {answer.reason}".strip()
            if 300 <= answer.status < 400:
                reason += "; redirections are not followed, write where it leads to"
            final = 300 <= answer.status < 500 and answer.status not in _AGAIN
            raise DeliveryError(reason, lasting=final)
        return said
