"""Who may look, and who may act: host names, headers, the token, sessions, forged requests.

Every answer passes `Guard`. A browser is let look if it came by a name that is ours, so that no
other site can read the page by DNS rebinding. To act it must have shown the token; its cookie does
not come along from other sites (SameSite=Strict), the form must have the session's secret, and the
browser must say that the form is ours (Origin).
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COOKIE = "carpool_session"
SESSION_SECONDS = 8 * 3600
SHORTEST_TOKEN = 16
"""Characters of a token."""

_MOST_SESSIONS = 64
_MOST_FAILURES = 5  # wrong tokens in a minute, from one address
_MOST_ADDRESSES = 1024  # of which failures are kept
_MINUTE = 60.0

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Turns away requests for hosts that are not ours, and adds the headers to every answer."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        """`hosts`: names and addresses without port, IPv6 without brackets, in lower case."""
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if host_name(Headers(scope=scope).get("host", "")) not in self._hosts:
            answer = PlainTextResponse(
                "This is not the name of carpool's page. To let it be, start carpool web with "
                "--host NAME.\n",
                421,
            )
            await answer(scope, receive, send_more)
            return
        await self._app(scope, receive, send_more)


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case, without its port; "" if there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_ours(headers: Headers) -> bool:
    """Tell whether a form that was sent came from a page of ours, as its browser says."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "same-origin"
    host = headers.get("host", "")
    return origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())


def is_https(headers: Headers) -> bool:
    """Tell whether a form of ours came by HTTPS, through a proxy: then so its browser says."""
    return headers.get("origin", "").lower().startswith("https://")


def cookie_name(headers: Headers) -> str:
    """Return what the cookie is called: a browser shares cookies between the ports of a host."""
    with suppress(ValueError):
        port = urlsplit(f"//{headers.get('host', '')}").port
        if port is not None:
            return f"{_COOKIE}_{port}"
    return _COOKIE


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has shown the token. `csrf` is the secret that the forms of theirs have."""

    key: str
    csrf: str
    expires: float

    def accepts(self, csrf: str) -> bool:
        """Tell whether a form has the secret."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Sessions:
    """Who has shown the token. In memory, known by the digest of the cookie."""

    def __init__(self, token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Without a `token` nobody may act."""
        self._digest = None if token is None else sha256(token.encode()).digest()
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._failures: dict[str, list[float]] = {}

    @property
    def enabled(self) -> bool:
        """Whether there is a token at all."""
        return self._digest is not None

    def is_closed_to(self, who: str) -> bool:
        """Tell whether so many wrong tokens came from there that none is looked at for a while."""
        now = self._clock()
        return sum(now - when < _MINUTE for when in self._failures.get(who, ())) >= _MOST_FAILURES

    def open(self, token: str, who: str) -> str | None:
        """Return the cookie of a new session, None if that is not the token.

        `who` is the address that it comes from.
        """
        if self._digest is None or self.is_closed_to(who):
            return None
        if not hmac.compare_digest(self._digest, sha256(token.encode()).digest()):
            self._failures[who] = [*self._failures.pop(who, ())[-_MOST_FAILURES:], self._clock()]
            while len(self._failures) > _MOST_ADDRESSES:
                del self._failures[next(iter(self._failures))]
            return None
        cookie, now = secrets.token_urlsafe(32), self._clock()
        self._sessions = {k: one for k, one in self._sessions.items() if one.expires > now}
        while len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        key = _key(cookie)
        self._sessions[key] = Session(key, secrets.token_urlsafe(32), now + SESSION_SECONDS)
        return cookie

    def of(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie, None if it is none, or over."""
        session = self._sessions.get(_key(cookie)) if cookie else None
        return session if session and session.expires > self._clock() else None

    def close(self, session: Session) -> None:
        """End a session."""
        self._sessions.pop(session.key, None)


def _key(cookie: str) -> str:
    return sha256(cookie.encode(errors="replace")).hexdigest()
