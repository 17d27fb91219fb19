"""What a web server may answer, and what is made of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carpool.node.health.answer import MOST_BYTES, Answer

OK = b"HTTP/1.1 200 OK\r\n"
TEXT = b"all is well"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

# the answer up to its end, the good statuses, the wanted text, what is wrong
ANSWERS = [
    (OK + b"\r\n", (), None, None),
    (b"HTTP/1.0 204 No Content\r\n\r\n", (), None, None),
    (b"HTTP/1.1 200\r\n\r\n", (), None, None),
    (b"HTTP/1.1 200 OK\n\nbody", (), None, None),
    (b"HTTP/1.1 301 Moved\r\n\r\n", (), None, "status 301"),
    (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", (), None, "status 503"),
    (b"HTTP/1.1 401 Unauthorized\r\n\r\n", (200, 401), None, None),
    (b"HTTP/1.1 204 No Content\r\n\r\n", (200, 401), None, "status 204"),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", (), None, None),
    (b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 500 No\r\n\r\n", (), None, "status 500"),
    (OK + b"\r\nhere " + TEXT, (), TEXT, None),
    (OK + b"\r\nhere nothing", (), TEXT, "the answer does not contain the text"),
    (OK + b"X: all is well\r\n\r\n", (), TEXT, "the answer does not contain the text"),
    (b"HTTP/1.1 500 No\r\n\r\nall is well", (), TEXT, "status 500"),
    (CHUNKED + b"5\r\nall i\r\n6;x=y\r\ns well\r\n0\r\n\r\n", (), TEXT, None),
    (CHUNKED + b"5\r\nall i\r\n0\r\n\r\ns well", (), TEXT, "the answer does not contain the text"),
    (b"", (), None, "no answer"),
    (b"HTTP/1.1 200 OK\r\nX: y", (), None, "the answer is not HTTP"),
    (b"220 mail.example.com ESMTP\r\n", (), None, "the answer is not HTTP"),
    (b"\x16\x03\x01", (), None, "the answer is not HTTP"),
    (b"HTTP/2 200\r\n\r\n", (), None, "the answer is not HTTP"),
]


@pytest.mark.parametrize(("data", "statuses", "text", "problem"), ANSWERS)
@pytest.mark.parametrize("piece", [1, 7, MOST_BYTES])
def test_an_answer_in_pieces(
    data: bytes, statuses: tuple[int, ...], text: bytes | None, problem: str | None, piece: int
) -> None:
    answer = Answer(statuses, text)
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    assert any(answer.feed(one) for one in [*pieces, b""])
    assert answer.problem == problem


@pytest.mark.parametrize(
    "data",
    [
        OK + b"\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
def test_what_is_decided_needs_no_end(data: bytes) -> None:
    assert Answer((), None).feed(data)


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 5\r\n\r\nwrong",
        CHUNKED + b"5\r\nwrong\r\n0\r\n\r\n",
        OK + b"\r\nso " + TEXT,
        OK + b"\r\n" + b"x" * MOST_BYTES,
    ],
)
def test_a_text_is_decided_when_the_body_is_complete(data: bytes) -> None:
    """A server may keep the connection open although it was asked not to."""
    assert not Answer((), TEXT).feed(OK + b"Content-Length: 5\r\n\r\nwron")
    assert Answer((), TEXT).feed(data)


def test_an_endless_header_is_no_answer() -> None:
    answer = Answer((), None)
    fed = 0
    while not answer.feed(b"HTTP/1.1 200 OK\r\n" if not fed else b"X: y\r\n" * 100):
        fed += 1
        assert fed < MOST_BYTES
    assert answer.problem == "the answer is not HTTP"


@given(st.lists(st.binary(max_size=40)), st.sampled_from([None, b"x", TEXT]))
def test_any_bytes_are_an_answer_or_none(pieces: list[bytes], text: bytes | None) -> None:
    answer = Answer((), text)
    assert any(answer.feed(piece) for piece in [OK, *pieces, b""])
    answer = Answer((), text)
    assert any(answer.feed(piece) for piece in [*pieces, b""])
