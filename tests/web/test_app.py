"""The pages, the stream, and who may act: by HTTP, without a network."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.support.waiting import PATIENCE, until
from tests.web.fakes import FakeSource, group, master, status

from carpool.web import app
from carpool.web.app import Site
from carpool.web.asking import Asking
from carpool.web.ledger import Ledger
from carpool.web.security import HEADERS, Sessions
from carpool.web.sources import RefusalError, SourceError

TOKEN = "correct horse battery"
HOME = "http://127.0.0.1:8112"
OURS = {"Origin": HOME}


class Stage:
    """A site about two nodes, and a browser that is at it."""

    def __init__(self, token: str | None = TOKEN) -> None:
        self.web1 = FakeSource("web1", status(group("www", "MASTER", sources=["10.0.0.1"])))
        self.web2 = FakeSource("web2", status(group("www", "BACKUP", master=master("10.0.0.1"))))
        self.sources = {source.node: source for source in (self.web1, self.web2)}
        self.ledger = Ledger()
        self.now = time.time()
        """It stands still: how long the test itself takes is not shown."""
        self.asked: list[str] = []
        for source in self.sources.values():
            self.hear(source)
        self.site = Site(
            self.ledger,
            self.sources.get,
            name="demo",
            token=token,
            acted=self.asked.append,
            clock=lambda: self.now,
        )
        self.client = TestClient(self.site.app, base_url=HOME, follow_redirects=False)

    def hear(self, source: FakeSource) -> None:
        self.ledger.answered(source.node, source.place, source.document, self.now, self.now)

    def sign_in(self) -> None:
        answer = self.client.post("/login", data={"token": TOKEN}, headers=OURS)
        assert answer.status_code == 303

    def form(self, **changes: str) -> dict[str, str]:
        page = self.client.get("/confirm?action=yield&node=web1&group=www")
        assert page.status_code == 200
        form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
        assert set(form) == {"csrf", "action", "node", "group"}
        return {**form, **changes}

    def act(self, *, headers: Any = OURS, **changes: str) -> Any:
        return self.client.post("/act", data=self.form(**changes), headers=headers)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def signed_in(stage: Stage) -> Stage:
    stage.sign_in()
    return stage


def test_the_plain_page_tells_who_holds_what(stage: Stage) -> None:
    page = stage.client.get("/")
    assert page.status_code == 200
    assert re.search(
        r'<tr id="group-www" class="ok" .*?<strong>web1</strong>', page.text, re.DOTALL
    )
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page.text
    assert "held by web1" in page.text
    assert re.search(r'data-since="[\d.]+" datetime="[^"]+Z">1m 0s</time>', page.text)


def test_no_answer_goes_without_its_headers(stage: Stage) -> None:
    for path in ("/", "/group/www", "/api/state", "/healthz", "/nowhere", "/login", "/confirm"):
        answer = stage.client.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, path
        assert answer.headers["cache-control"] == "no-store"
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_pages_have_no_inline_script_or_style(signed_in: Stage) -> None:
    for path in ("/", "/group/www", "/login", "/confirm?action=demote&node=web1&group=www"):
        text = signed_in.client.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "localhost."]
)
def test_other_names_are_turned_away(stage: Stage, host: str) -> None:
    for path in ("/", "/api/state", "/stream", "/static/x/page.css"):
        answer = stage.client.get(path, headers={"Host": host})
        assert answer.status_code == 421
        assert "www" not in answer.text.replace("--host", "")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8112", "LOCALHOST", "[::1]:8112"])
def test_our_names_are_let_in(stage: Stage, host: str) -> None:
    assert stage.client.get("/", headers={"Host": host}).status_code == 200


def test_what_nodes_say_is_text() -> None:
    stage = Stage()
    bad = "<script>alert(1)</script>\"'>"
    stage.web2.document = status(
        group("www", "BACKUP", why=bad, interface=bad, addresses=[bad]),
        group(bad, "MASTER"),
        program=bad,
        interfaces=[{"interface": bad, "open": False}],
    )
    stage.hear(stage.web2)
    stage.ledger.silent("web2", "", bad, stage.now)
    stage.ledger.done("web1", None, bad, stage.now)
    for path in ("/", "/group/www", f"/?q={bad}", "/group/" + bad.replace("/", "%2F")):
        text = stage.client.get(path).text
        assert "alert(1)" in text
        assert "<script>alert" not in text
        assert 'alert(1)</script>"' not in text


@pytest.mark.parametrize("number", [1e13, -1e3, float("inf"), float("nan")])
@pytest.mark.parametrize("key", ["uptime_seconds", "state_seconds", "heard_seconds", "vhid"])
def test_a_node_that_talks_nonsense_is_no_harm_to_the_page(key: str, number: float) -> None:
    stage = Stage()
    www = group("www", "BACKUP", master=master("10.0.0.1"))
    document = status(www)
    for one in (document, www, www["master"]):
        if key in one:
            one[key] = number
    stage.web2.document = document
    if key != "vhid" or number in (float("inf"), float("nan")):
        with pytest.raises(ValueError, match=r"this is no status|NaN"):
            stage.hear(stage.web2)
    assert stage.client.get("/").status_code == 200


def test_half_a_character_is_no_harm_to_the_page(stage: Stage) -> None:
    stage.web2.document = status(group("\ud800", "BACKUP", why="\udfff"), program="\ud800")
    stage.hear(stage.web2)
    for path in ("/", "/api/state", "/group/%5Cud800"):
        assert stage.client.get(path).status_code == 200


def test_nothing_that_a_node_says_turns_the_text_around(stage: Stage) -> None:
    turned = "\u202eliam"
    stage.web1.document = status(group("www", "MASTER", why=turned), program=turned)
    stage.hear(stage.web1)
    stage.ledger.silent("web2", "", turned, stage.now)
    stage.ledger.done("web1", None, turned, stage.now)
    for path in ("/", "/group/www"):
        text = stage.client.get(path).text
        assert r"\u202eliam" in text
        assert "\u202e" not in text


def test_before_anybody_has_said_a_word() -> None:
    client = TestClient(Site(Ledger(), lambda _node: None, name="demo").app, base_url=HOME)
    text = client.get("/").text
    assert "no node has told of a group yet" in text
    assert re.search(r'<table [^>]*id="groups"[^>]* hidden>', text)
    assert '<p class="quiet" id="none" hidden>' in text


def test_a_page_that_is_not_there(stage: Stage) -> None:
    answer = stage.client.get("/nowhere")
    assert answer.status_code == 404
    assert "There is no such page." in answer.text


def test_a_group_that_is_not_there(stage: Stage) -> None:
    answer = stage.client.get("/group/nowhere")
    assert answer.status_code == 404
    assert "There is no group nowhere." in answer.text


def test_the_filter_works_without_javascript(stage: Stage) -> None:
    stage.web1.document = status(group("www", "MASTER"), group("db", "MASTER"))
    stage.hear(stage.web1)
    assert "group-db" in stage.client.get("/").text
    assert "group-db" not in stage.client.get("/?q=WWW+web1").text


def test_the_state_for_programs(stage: Stage) -> None:
    stage.ledger.silent("web2", "there", "no answer", stage.now)
    state = stage.client.get("/api/state").json()
    (www,) = state["groups"]
    assert (www["group"], www["holders"], www["grade"]) == ("www", ["web1"], "warning")
    assert www["findings"] == [{"grade": "warning", "text": "web2 cannot be asked"}]
    assert [one["error"] for one in state["nodes"]] == [None, "no answer"]


def test_files_are_served_by_their_digest(stage: Stage) -> None:
    page = stage.client.get("/").text
    for kind, path in re.findall(r'(?:href|src)="(/static/\w+/page\.(\w+))"', page):
        answer = stage.client.get(kind)
        assert answer.status_code == 200, path
        assert "immutable" in answer.headers["cache-control"]
    assert stage.client.get("/static/x/../app.py").status_code == 404


def test_without_a_token_it_only_shows() -> None:
    stage = Stage(token=None)
    assert "Sign in" not in stage.client.get("/").text
    assert stage.client.get("/login").status_code == 403
    assert stage.client.post("/login", data={"token": ""}, headers=OURS).status_code == 403
    assert stage.client.get("/confirm?action=yield&node=web1&group=www").status_code == 401
    assert stage.client.post("/act", data={"action": "yield"}, headers=OURS).status_code == 403
    assert stage.web1.told == []


def test_an_action_is_confirmed_done_and_told(signed_in: Stage) -> None:
    page = signed_in.client.get("/group/www").text
    assert "/confirm?action=yield&amp;node=web1&amp;group=www" in page
    assert signed_in.web1.told == []
    answer = signed_in.act()
    assert (answer.status_code, answer.headers["location"]) == (303, "/group/www?done=yield")
    ((command, arguments),) = signed_in.web1.told
    assert (command, arguments["groups"]) == ("yield", ["www"])
    assert signed_in.asked == ["web1"]
    assert signed_in.ledger.news()[0].text == "told web1 to yield www, from testclient"
    assert "Done: hand over." in signed_in.client.get("/group/www?done=yield").text


@pytest.mark.parametrize(
    ("action", "command", "arguments"),
    [
        ("demote", "demote", {"amount": 100}),
        ("promote", "promote", {}),
        ("maintenance-on", "maintenance", {"on": True}),
        ("maintenance-off", "maintenance", {"on": False}),
    ],
)
def test_every_action(
    signed_in: Stage, action: str, command: str, arguments: dict[str, object]
) -> None:
    assert signed_in.act(action=action).status_code == 303
    ((said, given),) = signed_in.web1.told
    assert said == command
    assert given == {"groups": ["www"], "by": "carpool web, testclient", **arguments}


def test_a_node_that_refuses_is_told(signed_in: Stage) -> None:
    signed_in.web1.error = RefusalError("not now")
    answer = signed_in.act()
    assert answer.status_code == 502
    assert "web1 did not do it: not now" in answer.text
    assert "not told web1 to yield www" in signed_in.ledger.news()[0].text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": f"{HOME}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_forms_of_other_sites_do_nothing(signed_in: Stage, headers: dict[str, str]) -> None:
    assert signed_in.act(headers=headers).status_code == 403
    assert (
        signed_in.client.post("/login", data={"token": TOKEN}, headers=headers).status_code == 403
    )
    assert signed_in.client.post("/logout", data={}, headers=headers).status_code == 403
    assert signed_in.web1.told == []


@pytest.mark.parametrize("csrf", ["", "guess"])
def test_a_form_without_its_secret_does_nothing(signed_in: Stage, csrf: str) -> None:
    assert signed_in.act(csrf=csrf).status_code == 403
    assert signed_in.web1.told == []


def test_the_secret_of_another_session_does_not_do(signed_in: Stage) -> None:
    other = TestClient(signed_in.site.app, base_url=HOME, follow_redirects=False)
    other.post("/login", data={"token": TOKEN}, headers=OURS)
    page = other.get("/confirm?action=yield&node=web1&group=www").text
    (secret,) = set(re.findall(r'name="csrf" value="([^"]*)"', page))
    assert signed_in.act(csrf=secret).status_code == 403


def test_get_changes_nothing(signed_in: Stage) -> None:
    form = signed_in.form()
    answer = signed_in.client.get("/act", params=form)
    assert answer.status_code == 405
    assert "That takes a form" in answer.text
    assert signed_in.client.get("/logout", params=form).status_code == 405
    assert signed_in.web1.told == []


@pytest.mark.parametrize("changes", [{"node": "web9"}, {"group": "nowhere"}, {"action": "restart"}])
def test_only_what_is_there_is_acted_on(signed_in: Stage, changes: dict[str, str]) -> None:
    assert signed_in.act(**changes).status_code == 404
    assert (
        signed_in.client.get("/confirm", params={**signed_in.form(), **changes}).status_code == 404
    )
    assert signed_in.web1.told == []


def test_the_cookie_is_for_this_site_and_no_script(stage: Stage) -> None:
    answer = stage.client.post("/login", data={"token": TOKEN}, headers=OURS)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    assert cookie.startswith("carpool_session_8112=")


@pytest.mark.parametrize("host", ["carpool.example", "carpool.example:x"])
def test_behind_a_proxy_with_tls_the_cookie_is_for_tls_alone(host: str) -> None:
    stage = Stage()
    site = Site(stage.ledger, stage.sources.get, name="", token=TOKEN, hosts={"carpool.example"})
    client = TestClient(site.app, base_url=HOME, follow_redirects=False)
    headers = {"Host": host, "Origin": f"https://{host}"}
    answer = client.post("/login", data={"token": TOKEN}, headers=headers)
    assert answer.headers["set-cookie"].startswith("carpool_session=")
    assert "; Secure" in answer.headers["set-cookie"]


def test_no_secret_is_in_a_page(signed_in: Stage) -> None:
    cookie = signed_in.client.cookies["carpool_session_8112"]
    for path in ("/", "/group/www", "/api/state", "/login"):
        text = signed_in.client.get(path).text
        assert TOKEN not in text
        assert cookie not in text


def test_signing_out_ends_the_session(signed_in: Stage) -> None:
    cookie = signed_in.client.cookies["carpool_session_8112"]
    form = signed_in.form()
    assert signed_in.client.post("/logout", data=form, headers=OURS).status_code == 303
    signed_in.client.cookies.set("carpool_session_8112", cookie)
    assert signed_in.client.post("/act", data=form, headers=OURS).status_code == 401


def test_a_wrong_token_five_times_closes_the_door_for_a_minute(stage: Stage) -> None:
    codes = [
        stage.client.post("/login", data={"token": f"guess {n}"}, headers=OURS).status_code
        for n in range(7)
    ]
    assert codes == [403] * 5 + [429] * 2
    right = stage.client.post("/login", data={"token": TOKEN}, headers=OURS)
    assert right.status_code == 429


def test_sessions_end_and_are_few() -> None:
    now = 0.0
    sessions = Sessions(TOKEN, lambda: now)
    cookies = [sessions.open(TOKEN, "here") for _ in range(100)]
    assert [sessions.of(cookie) is not None for cookie in cookies] == [False] * 36 + [True] * 64
    assert sessions.of("nonsense") is None
    now = 9 * 3600.0
    assert sessions.of(cookies[-1]) is None
    for _ in range(5):
        assert sessions.open("wrong", "here") is None
    assert sessions.open(TOKEN, "here") is None
    assert sessions.open(TOKEN, "there") is not None
    now += 61
    assert sessions.open(TOKEN, "here") is not None


def test_a_form_that_is_too_long_is_refused(stage: Stage) -> None:
    answer = stage.client.post("/login", data={"token": "x" * 10_000}, headers=OURS)
    assert answer.status_code == 413


def messages(stage: Stage, changes: list[Any], *, path: str = "/stream") -> list[dict[str, Any]]:
    """Return what a stream says first, and after each change; what says no more is None."""

    async def read() -> list[dict[str, Any]]:
        got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": path.partition("?")[0],
            "raw_path": b"",
            "query_string": path.partition("?")[2].encode(),
            "root_path": "",
            "scheme": "http",
            "headers": [(b"host", b"127.0.0.1:8112")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8112),
            "asgi": {"version": "3.0", "spec_version": "2.4"},
        }

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(3600)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            body = message.get("body", b"").decode()
            if body.startswith("event: parts"):
                got.put_nowait(json.loads(body.partition("data: ")[2]))

        task = asyncio.create_task(stage.site.app(scope, receive, send))
        found = [await asyncio.wait_for(got.get(), PATIENCE)]
        for change in changes:
            change()
            found.append(await asyncio.wait_for(got.get(), PATIENCE))
        stage.site.close()
        await asyncio.wait_for(task, PATIENCE)
        return found

    return asyncio.run(read())


def test_the_stream_says_all_then_what_changes_and_ends_with_the_server(stage: Stage) -> None:
    def fail() -> None:
        stage.ledger.silent("web2", "there", "no answer", stage.now)

    first, after = messages(stage, [fail])
    assert set(first["parts"]) == {"group-www", "summary", "nodes", "news"}
    assert first["rows"] == ["group-www"]
    assert set(after["parts"]) == {"group-www", "summary", "nodes", "news"}
    assert "web2 cannot be asked" in after["parts"]["group-www"]
    assert "rows" not in after


def test_there_are_only_so_many_streams(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MOST_STREAMS", 0)
    answer = stage.client.get("/stream")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert stage.client.get("/").status_code == 200


def test_what_has_not_changed_is_not_said_again(stage: Stage) -> None:
    def add() -> None:
        stage.web1.document = status(
            group("www", "MASTER", sources=["10.0.0.1"]), group("db", "MASTER", vhid=7)
        )
        stage.hear(stage.web1)

    _, after = messages(stage, [add], path="/stream?span=24h")
    assert "group-www" not in after["parts"]
    assert after["rows"] == ["group-www", "group-db"]


def test_worst_comes_first(stage: Stage) -> None:
    stage.web1.document = status(group("a", "MASTER"), group("b", "BACKUP"), group("c", "MASTER"))
    stage.hear(stage.web1)
    page = stage.client.get("/").text
    order = re.findall(r'<tr id="group-(\w+)"', page)
    assert order.index("b") < order.index("a") < order.index("c")


@pytest.fixture
def asking() -> Iterator[tuple[FakeSource, Ledger, Asking]]:
    source, ledger = FakeSource("web1", status(group("www", "BACKUP"))), Ledger()
    made = Asking(ledger, [source])
    yield source, ledger, made
    made.close()
    assert source.closed.is_set()


def test_sources_are_asked_again_and_again(asking: tuple[FakeSource, Ledger, Asking]) -> None:
    source, ledger, _ = asking
    until(lambda: ledger.pictures() and ledger.pictures()[0].headline == "nobody")
    source.document = status(group("www", "MASTER"))
    until(lambda: ledger.pictures()[0].headline == "web1")
    source.error = SourceError("it is frozen")
    until(lambda: ledger.views[0].error == "it is frozen")
    source.error, source.document = None, {"groups": 3}
    until(lambda: "this is no status" in (ledger.views[0].error or ""))


def test_an_event_is_a_reason_to_ask_at_once() -> None:
    source, ledger = FakeSource("web1", status(group("www", "BACKUP"))), Ledger()
    source.pause = 3600
    asking = Asking(ledger, [source])
    try:
        until(ledger.pictures)
        source.document = status(group("www", "MASTER"))
        source.events.put({"time": "2026-01-02T03:04:05Z", "kind": "link", "text": "link up"})
        until(lambda: ledger.pictures()[0].headline == "web1")
        assert [one.text for one in ledger.news()] == ["link up"]
    finally:
        asking.close()
