"""The server, with clients that say nothing, or little."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from carpool.web import app, server
from carpool.web.app import Site
from carpool.web.ledger import Ledger

TOKEN = "correct horse battery"
PATIENCE = 10.0
SOON = 0.3


@pytest.fixture
def port() -> Iterator[int]:
    listener = server.listen("127.0.0.1", 0)
    with served(listener):
        yield listener.getsockname()[1]


@contextmanager
def served(listener: socket.socket) -> Iterator[None]:
    """Serve a site about nothing."""
    site = Site(Ledger(), lambda _node: None, name="demo", token=TOKEN)
    made = server.server(site)
    thread = Thread(target=lambda: asyncio.run(made.serve([listener])))
    thread.start()
    try:
        yield
    finally:
        site.close()
        made.should_exit = True
        thread.join(PATIENCE)
        listener.close()
    assert not thread.is_alive()


def client(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), PATIENCE)
    made.settimeout(PATIENCE)
    return made


def request(port: int, what: str = "GET /healthz") -> bytes:
    return f"{what} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode()


def is_over(one: socket.socket) -> bool:
    try:
        return one.recv(4096) == b""
    except ConnectionError:
        return True


def test_connections_that_say_nothing_do_not_keep_others_out(port: int) -> None:
    silent = [client(port) for _ in range(server.MOST_CONNECTIONS + 20)]
    with client(port) as one:
        one.sendall(request(port) + b"\r\n")
        assert one.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert all(is_over(one) for one in silent[:20])
    for one in silent:
        one.close()


def test_where_all_are_at_work_one_more_is_turned_away(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 1)
    with client(port) as one:
        # Of a minute: it says something every second, and not all of it may be there at once.
        one.sendall(request(port, "GET /stream?span=1m") + b"\r\n")
        assert one.recv(4096).startswith(b"HTTP/1.1 200 ")
        with client(port) as other:
            assert is_over(other)
        assert one.recv(4096)


@pytest.mark.parametrize("said", ["", "GET"])
def test_a_request_that_does_not_come_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", SOON)
    with client(port) as one:
        one.sendall(said.encode())
        assert is_over(one)


def test_a_head_that_comes_by_the_byte_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", SOON)
    with client(port) as one, pytest.raises(ConnectionError):
        dribble(one)


def dribble(one: socket.socket) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        one.sendall(b"x")
        time.sleep(SOON / 10)


def test_a_form_that_does_not_come_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "FORM_SECONDS", SOON)
    head = f"Origin: http://127.0.0.1:{port}\r\nContent-Length: 100\r\n\r\ntoken".encode()
    with client(port) as one:
        one.sendall(request(port, "POST /login") + head)
        assert one.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_an_answer_that_takes_long_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", SOON)
    listener = server.listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with client(port) as one:
        # It is there before it is waited for: on a busy machine it might come too late.
        one.sendall(request(port, "GET /stream?span=1m") + b"\r\n")
        with served(listener):
            hear_alive(one)


def hear_alive(one: socket.socket) -> None:
    begun, got = time.monotonic(), b""
    while b"event: alive" not in got:  # a while after the first message
        more = one.recv(4096)
        assert more, got
        got += more
        assert time.monotonic() - begun < 4 * PATIENCE
    assert time.monotonic() - begun > SOON
