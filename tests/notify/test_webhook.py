"""Webhooks, posted to a real web server."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from tests.notify.servers import Request, closed_port, make_certificates, odd_server, web_server
from tests.notify.support import EVENT, NOW, job, notice, run

from carpool.notify.job import DELIVERED, FAILED, REFUSED

SECRET = "what-signs-the-body"


def test_an_event_is_posted_signed_and_with_headers(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    with web_server(server=made.server) as server:
        url = f"https://localhost:{server.port}/hooks/carpool?room=1"
        wanted = job(
            *("webhook", notice(more=3)),
            secret=SECRET,
            url=url,
            headers={"X-Team": "web"},
            ca_file=str(made.ca_file),
        )
        assert run(wanted) == (DELIVERED, f"localhost port {server.port} has taken it")
    (request,) = server.requests
    assert request.path == "/hooks/carpool?room=1"
    assert json.loads(request.body) == {**EVENT, "more": 3, "now": NOW}
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Team"] == "web"
    digest = hmac.new(SECRET.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Carpool-Signature"] == f"sha256={digest}"


def test_a_secret_header_has_the_secret_and_signs_nothing() -> None:
    with web_server() as server:
        url = f"http://127.0.0.1:{server.port}"
        wanted = job("webhook", secret=f"Bearer {SECRET}", secret_header="Authorization", url=url)
        assert run(wanted)[0] == DELIVERED
    (request,) = server.requests
    assert request.path == "/"
    assert request.headers["Authorization"] == f"Bearer {SECRET}"
    assert "X-Carpool-Signature" not in request.headers


def test_an_error_that_nobody_thought_of_is_told_without_its_text() -> None:
    with web_server() as server:
        url = f"http://127.0.0.1:{server.port}"
        wanted = job("webhook", secret=f"Bearer {SECRET}\r", secret_header="X-Key", url=url)
        code, said = run(wanted)
    assert (code, said) == (FAILED, "the delivery has failed: ValueError")


def test_several_events_go_in_their_order() -> None:
    with web_server() as server:
        told = [notice(seq=number) for number in (3, 5, 8)]
        code, said = run(job("webhook", *told, url=f"http://127.0.0.1:{server.port}/"))
    assert (code, said) == (DELIVERED, f"127.0.0.1 port {server.port} has taken 3 events")
    assert [json.loads(request.body)["seq"] for request in server.requests] == [3, 5, 8]


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (500, FAILED, "HTTP 500 Internal Server Error"),
        (429, FAILED, "HTTP 429 Too Many Requests"),
        (404, REFUSED, "HTTP 404 Not Found"),
        (301, REFUSED, "HTTP 301 Moved Permanently; redirections are not followed"),
    ],
)
def test_a_status_that_is_not_good(status: int, code: int, said: str) -> None:
    def answer(request: Request) -> tuple[int, bytes]:
        return status, b"x" * 100_000

    with web_server(answer) as server:
        got = run(job("webhook", url=f"http://127.0.0.1:{server.port}/a/secret/place"))
    assert got[0] == code
    assert got[1].startswith(said)
    assert "secret" not in got[1]


def test_a_certificate_that_is_not_valid(tmp_path: Path) -> None:
    made = make_certificates(tmp_path, "other.example.com")
    with web_server(server=made.server) as server:
        url = f"https://localhost:{server.port}/"
        unknown = run(job("webhook", url=url))
        wrong = run(job("webhook", url=url, ca_file=str(made.ca_file)))
        assert run(job("webhook", url=url, verify=False))[0] == DELIVERED
    assert unknown[0] == wrong[0] == REFUSED
    assert "its certificate is not valid: unable to get local issuer" in unknown[1]
    assert "its certificate is not valid: Hostname mismatch" in wrong[1]
    assert len(server.requests) == 1


def hang(connection: socket.socket) -> None:
    time.sleep(30)


def dribble(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.send(b"X-A: b\r\n")
        time.sleep(0.2)


@pytest.mark.parametrize("speak", [hang, dribble])
def test_a_server_that_takes_too_long(speak: Any) -> None:
    with odd_server(speak) as port:
        start = time.monotonic()
        code, said = run(job("webhook", url=f"http://127.0.0.1:{port}/", timeout=2))
        assert time.monotonic() - start < 15
    waiting = f"while waiting for the answer of 127.0.0.1 port {port}"
    assert (code, said) == (FAILED, f"not done after 2 s, {waiting}")


def test_a_server_that_is_none() -> None:
    with closed_port() as port:
        refused = run(job("webhook", url=f"http://127.0.0.1:{port}/"))
    assert refused == (FAILED, "Connection refused")
    with odd_server(lambda connection: connection.sendall(b"220 mail\r\n" * 9)) as port:
        code, said = run(job("webhook", url=f"http://127.0.0.1:{port}/"))
    assert code == FAILED
    assert said.startswith("what answers is no web server")
