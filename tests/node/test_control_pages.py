"""Pages on the control socket: HTTP for those who speak it, under the bounds of all clients."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.node.serving import Served, line

from carpool.node.control import LONGEST_LINE, PATIENCE
from carpool.node.http_page import is_whole, respond

REQUEST = b"GET /page?x HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"


def page(*pieces: bytes) -> tuple[str, Iterator[bytes]]:
    return "text/x-page", iter(pieces)


def fetch(served: Served, client: socket.socket) -> tuple[bytes, bytes]:
    """Return head and body of what a client gets until the daemon hangs up."""
    data = b""
    deadline = served.loop.now() + 60_000_000_000
    while served.loop.now() < deadline:
        served.run(1_000_000)
        try:
            got = client.recv(1 << 20)
        except BlockingIOError:
            continue
        if not got:
            head, _, body = data.partition(b"\r\n\r\n")
            return head, body
        data += got
    raise AssertionError(f"it does not hang up after {data!r}")


def test_a_page_that_fails_is_told_and_harms_nothing_else(served: Served) -> None:
    def missing() -> tuple[str, Iterator[bytes]]:
        raise ImportError("bad local file header")

    def broken() -> Iterator[bytes]:
        yield b"one "
        raise AttributeError("no such thing")

    for made, status, told in (
        (missing, b"503", b"ImportError: bad local file header; has the program been replaced?"),
        (lambda: ("text/x-page", broken()), b"200", b"one "),
    ):
        served.pages["/page"] = made
        with served.connect() as client:
            client.send(REQUEST)
            head, body = fetch(served, client)
        assert status in head.split(b"\r\n")[0]
        assert body.startswith(told)
    assert "AttributeError: no such thing" in served.log.texts[-1]
    with served.connect() as client:
        assert served.says(client, line("echo"))["ok"]


def test_a_page_is_got_in_pieces(served: Served) -> None:
    served.pages["/page"] = lambda: page(b"one ", b"", b"", b"two ", b"x" * 1_000_000)
    with served.connect() as client:
        for byte in REQUEST:
            client.send(bytes([byte]))
        head, body = fetch(served, client)
    assert head.splitlines() == [
        b"HTTP/1.1 200 OK",
        b"Content-Type: text/x-page",
        b"Connection: close",
    ]
    assert body == b"one two " + b"x" * 1_000_000


def test_each_piece_takes_a_turn(served: Served) -> None:
    served.pages["/page"] = lambda: page(*[b""] * 100, b"end")
    with served.connect() as slow, served.connect() as quick:
        slow.send(REQUEST)
        served.run(0)
        assert served.says(quick, line("echo", text="meanwhile"))["echo"] == "meanwhile"
        assert fetch(served, slow)[1] == b"end"


def test_a_page_that_is_not_there(served: Served) -> None:
    served.pages["/page"] = lambda: page(b"x")
    with served.connect() as client:
        client.send(b"GET /other HTTP/1.0\r\n\r\n")
        head, body = fetch(served, client)
    assert head.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert body == b"there is no page '/other'; there are /page\n"


def test_who_hangs_up_or_does_not_read_costs_nothing(served: Served) -> None:
    served.pages["/page"] = lambda: page(*[b"x" * 100_000] * 100)
    gone = served.connect()
    gone.send(REQUEST)
    served.run()
    gone.close()
    lazy = served.connect()
    lazy.send(REQUEST)
    served.run()
    with served.connect() as client:
        assert served.says(client, line("echo", text="x"))["ok"]
    served.until(lambda: len(served.control._clients) == 1)
    (waiting,) = served.control._clients
    served.until(lambda: waiting.deadline is not None)  # as much as the system takes is sent first
    assert (waiting.deadline or 0) <= served.loop.now() + PATIENCE
    lazy.close()


def test_a_head_without_an_end(served: Served) -> None:
    with served.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n")
        served.run()
        with suppress(BrokenPipeError):
            for _ in range(LONGEST_LINE // 4096 + 2):
                client.send(b"x" * 4096)
                served.run(1_000_000)
        assert not served.answers(client)[0]["ok"]
        served.until_hung_up(client)


@pytest.mark.parametrize("request_", [b"GET \r\n\r\n", b"GET  \n\n", b"GET \xff\xfe HTTP/1.1\n\n"])
def test_a_request_for_nothing(request_: bytes) -> None:
    assert is_whole(request_)
    assert b"".join(respond(request_, {})).startswith(b"HTTP/1.1 404 ")


@given(st.binary())
def test_any_request_gets_a_response(rest: bytes) -> None:
    pages = {"/page": lambda: page(b"body")}
    said = b"".join(respond(b"GET " + rest, pages))
    assert said.startswith((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 404 Not Found\r\n"))
