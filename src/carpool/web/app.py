"""The web application: pages, the stream of what changes, and actions for who has the token."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from carpool.web.actions import ACTIONS
from carpool.web.changes import Changes
from carpool.web.documents import state
from carpool.web.ledger import Ledger
from carpool.web.pages import SPANS, STEPS, Look, Pages, Rendered
from carpool.web.security import (
    SESSION_SECONDS,
    Guard,
    Session,
    Sessions,
    cookie_name,
    is_https,
    is_ours,
)
from carpool.web.sources import Source, SourceError

LOG: Final = logging.getLogger("carpool.web")
MOST_STREAMS: Final = 32
"""Pages that are live at a time; the others are asked to reload by hand."""

_LONGEST_FORM: Final = 8192  # bytes
FORM_SECONDS: Final = 10.0
"""For a form to come."""
_AT_MOST_EVERY: Final = 0.25  # s between two messages of a stream
_AT_LEAST_EVERY: Final = 10.0  # s, so that neither end thinks that the other has gone
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_STATIC: Final = {"style": "page.css", "script": "page.js", "icon": "icon.svg"}


class Site:
    """What is served: a ledger, the sources to act on, and who may."""

    def __init__(
        self,
        ledger: Ledger,
        sources: Callable[[str], Source | None],
        *,
        name: str,
        token: str | None = None,
        hosts: Collection[str] = ("localhost", "127.0.0.1", "::1"),
        acted: Callable[[str], None] = lambda _node: None,
        problem: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`acted` is called with a node that was told something; `problem`: of the sources."""
        self._ledger = ledger
        self._sources = sources
        self._acted = acted
        self._problem = problem
        self._clock = clock
        self._sessions = Sessions(token)
        self._static = {
            name: (files("carpool.web") / "static" / name).read_bytes() for name in _STATIC.values()
        }
        assets = {
            what: f"/static/{sha256(self._static[file]).hexdigest()[:12]}/{file}"
            for what, file in _STATIC.items()
        }
        self._pages = Pages(ledger, name, assets)
        self._changes = Changes()
        self._streams = 0
        self._cache: dict[Look, tuple[tuple[int, int], Rendered | None]] = {}
        ledger.on_change = self._changes.tell
        self.app = Starlette(
            routes=[
                Route("/", self._overview),
                Route("/group/{group:path}", self._group),
                Route("/stream", self._stream),
                Route("/api/state", self._state),
                Route("/healthz", self._health),
                Route("/static/{digest}/{file}", self._file),
                Route("/login", self._login, methods=["GET", "POST"]),
                Route("/logout", self._logout, methods=["POST"]),
                Route("/confirm", self._confirm),
                Route("/act", self._act, methods=["POST"]),
            ],
            middleware=[Middleware(Guard, hosts=hosts)],
            exception_handlers={HTTPException: self._refused},
        )

    def close(self) -> None:
        """End all streams; from any thread."""
        self._changes.close()

    # Pages.

    async def _overview(self, request: Request) -> Response:
        return await self._live(request, None)

    async def _group(self, request: Request) -> Response:
        return await self._live(request, request.path_params["group"])

    async def _live(self, request: Request, group: str | None) -> Response:
        session = self._session(request)
        look = Look(group, _span(request), session is not None)
        now = self._clock()
        rendered = await asyncio.to_thread(self._pages.render, look, now, ages=True)
        if rendered is None:
            raise HTTPException(404, f"There is no group {group}.")
        query = request.query_params.get("q", "")
        stream = {"span": look.span, **({"group": group} if group is not None else {})}
        return self._page(
            request,
            "live.html",
            look=look,
            rendered=rendered,
            part=lambda name: Markup(rendered.parts[name]),  # noqa: S704 - rendered with autoescape
            rows=[name for name in rendered.rows if _matches(rendered.parts[name], query)],
            query=query,
            stream=f"/stream?{urlencode(stream)}",
            now=now,
            problem=self._problem(),
            notice=_NOTICES.get(request.query_params.get("done", "")),
        )

    def _page(self, request: Request, template: str, *, code: int = 200, **values: Any) -> Response:
        session = self._session(request)
        known = {"session": session, "can_act": self._sessions.enabled}
        return HTMLResponse(self._pages.page(template, **known, **values), code)

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if request.url.path.startswith(("/api/", "/stream", "/static/")):
            return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)
        title = _TITLES.get(error.status_code, "That does not work")
        by_itself = error.detail == HTTPStatus(error.status_code).phrase
        text = _TEXTS.get(error.status_code, error.detail) if by_itself else error.detail
        back = "/login" if error.status_code == 401 else "/"
        return self._page(
            request, "error.html", code=error.status_code, title=title, text=text, back=back
        )

    # What programs read.

    async def _state(self, _request: Request) -> Response:
        pictures = await asyncio.to_thread(self._ledger.pictures)
        return JSONResponse(state(pictures, self._ledger.views, self._clock()))

    async def _health(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _file(self, request: Request) -> Response:
        name = request.path_params["file"]
        if name not in self._static:
            raise HTTPException(404, "There is no such file.")
        return Response(
            self._static[name],
            media_type=_TYPES[name.rpartition(".")[2]],
            headers={"Cache-Control": "max-age=31536000, immutable"},
        )

    async def _stream(self, request: Request) -> Response:
        if self._streams >= MOST_STREAMS:
            raise HTTPException(503, "Too many pages are live already.", {"Retry-After": "30"})
        look = Look(
            request.query_params.get("group"), _span(request), self._session(request) is not None
        )
        return StreamingResponse(
            self._messages(look),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    async def _messages(self, look: Look) -> AsyncIterator[str]:
        """Yield what has changed, as server-sent events; the first has all."""
        sent: dict[str, str] = {}
        order: tuple[str, ...] | None = None
        self._streams += 1
        try:
            yield "retry: 2000\n\n"
            while not self._changes.closed:
                seen, now = self._ledger.version, self._clock()
                rendered = await self._rendered(look, now)
                if rendered is None:
                    return
                parts = {k: html for k, html in rendered.parts.items() if sent.get(k) != html}
                rows = tuple(rendered.rows)
                if parts or rows != order:
                    message = {"now": now, "title": rendered.title, "parts": parts}
                    if rows and rows != order:
                        message["rows"] = rows
                    sent, order = dict(rendered.parts), rows
                    yield f"event: parts\ndata: {json.dumps(message)}\n\n"
                else:
                    yield "event: alive\ndata: \n\n"
                await asyncio.sleep(_AT_MOST_EVERY)
                seconds = min(_AT_LEAST_EVERY, max(1.0, SPANS[look.span][0] / STEPS))
                await self._changes.wait(partial(self._has_changed, seen), seconds)
        finally:
            self._streams -= 1

    def _has_changed(self, seen: int) -> bool:
        return self._ledger.version != seen

    async def _rendered(self, look: Look, now: float) -> Rendered | None:
        """Render a look once for all who have it."""
        key = (self._ledger.version, int(now))
        known = self._cache.get(look)
        if known is not None and known[0] == key:
            return known[1]
        rendered = await asyncio.to_thread(self._pages.render, look, now)
        if len(self._cache) >= MOST_STREAMS:
            self._cache.clear()
        self._cache[look] = (key, rendered)
        return rendered

    # Who may act.

    def _session(self, request: Request) -> Session | None:
        return self._sessions.of(request.cookies.get(cookie_name(request.headers)))

    def _need_session(self, request: Request) -> Session:
        session = self._session(request)
        if session is None:
            raise HTTPException(401, "Sign in first.")
        return session

    async def _form(self, request: Request) -> dict[str, str]:
        """Return what a form of ours was filled in with."""
        if not self._sessions.enabled:
            raise HTTPException(403, "This page only shows: it was started without a token.")
        if not is_ours(request.headers):
            LOG.warning("refused a form of another site, from %s", _who(request))
            raise HTTPException(403, "This form did not come from this page.")
        try:
            async with asyncio.timeout(FORM_SECONDS):
                body = await _body(request)
        except TimeoutError:
            raise HTTPException(408, "The form did not come in time.") from None
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
        except ValueError:
            raise HTTPException(400, "That is no form.") from None

    async def _login(self, request: Request) -> Response:
        if not self._sessions.enabled:
            raise HTTPException(403, "This page only shows: it was started without a token.")
        if request.method == "GET":
            return self._page(request, "login.html", error=None)
        form = await self._form(request)
        who = _who(request)
        if self._sessions.is_closed_to(who):
            text = "Too many wrong tokens; wait a minute."
            return self._page(request, "login.html", code=429, error=text)
        cookie = self._sessions.open(form.get("token", ""), who)
        if cookie is None:
            LOG.warning("a wrong token, from %s", who)
            return self._page(request, "login.html", code=403, error="That is not the token.")
        LOG.info("signed in from %s", who)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            cookie_name(request.headers),
            cookie,
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=is_https(request.headers),
        )
        return answer

    async def _logout(self, request: Request) -> Response:
        await self._authorised(request)
        session = self._need_session(request)
        self._sessions.close(session)
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(cookie_name(request.headers), httponly=True, samesite="strict")
        return answer

    async def _authorised(self, request: Request) -> dict[str, str]:
        """Return the form of somebody who may act."""
        form = await self._form(request)
        if not self._need_session(request).accepts(form.get("csrf", "")):
            LOG.warning("refused a form without its secret, from %s", _who(request))
            raise HTTPException(403, "This form is out of date: go back and reload the page.")
        return form

    # Actions.

    async def _confirm(self, request: Request) -> Response:
        session = self._need_session(request)
        assert session is not None
        asked = request.query_params
        node, group = asked.get("node", ""), asked.get("group", "")
        self._check_target(node, group)
        action = ACTIONS.get(asked.get("action", ""))
        if action is None:
            raise HTTPException(404, "There is no such action.")
        words = {"node": node, "group": group}
        return self._page(
            request,
            "confirm.html",
            question=action.question.format(**words),
            effect=action.effect.format(**words),
            yes=action.yes,
            action=asked["action"],
            node=node,
            group=group,
        )

    async def _act(self, request: Request) -> Response:
        form = await self._authorised(request)
        name, node, group = (form.get(key, "") for key in ("action", "node", "group"))
        action = ACTIONS.get(name)
        if action is None:
            raise HTTPException(404, "There is no such action.")
        source = self._check_target(node, group)
        what, who = action.done.format(node=node, group=group), _who(request)
        LOG.info("%s, from %s", what, who)
        arguments = {"groups": [group], "by": f"carpool web, {who}", **action.arguments}
        try:
            await asyncio.to_thread(source.act, action.command, arguments)
        except SourceError as error:
            self._ledger.done(node, group, f"not {what}, from {who}: {error}", self._clock())
            raise HTTPException(502, f"{node} did not do it: {error}") from None
        self._ledger.done(node, group, f"{what}, from {who}", self._clock())
        self._acted(node)
        return RedirectResponse(f"/group/{_quoted(group)}?done={name}", 303)

    def _check_target(self, node: str, group: str) -> Source:
        source = self._sources(node)
        view = next((one for one in self._ledger.views if one.node == node), None)
        if source is None or view is None or group not in view.said:
            raise HTTPException(404, f"There is no group {group} on a node {node}.")
        return source


_TITLES = {
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    502: "The node refuses",
}
_TEXTS = {
    404: "There is no such page.",
    405: "That takes a form: go back to the overview.",
}
_NOTICES = {name: f"Done: {action.yes.lower()}." for name, action in ACTIONS.items()}


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM:
            raise HTTPException(413, "That is too much.")
    return body


def _span(request: Request) -> str:
    wanted = request.query_params.get("span", "1h")
    return wanted if wanted in SPANS else "1h"


def _matches(html: str, query: str) -> bool:
    text = Markup(html).striptags().lower()  # noqa: S704 - only its text is used
    return all(word in text for word in query.lower().split())


def _who(request: Request) -> str:
    return request.client.host if request.client else "somewhere"


def _quoted(group: str) -> str:
    return urlencode({"": group})[1:].replace("+", "%20")
