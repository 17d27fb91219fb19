"""The little of HTTP that the control socket speaks: GET a page, get it piece by piece (RFC 9112).

For `curl --unix-socket` and for what scrapes metrics over a Unix socket. There is one request on a
connection, and its end is the end of the page.
"""

from collections.abc import Callable, Iterator, Mapping

GET = b"GET "
"""How such a request begins; no line of JSON does."""

Page = Callable[[], tuple[str, Iterator[bytes]]]
"""Returns the type of a page (RFC 9110, 8.3), and its pieces.

Each takes a turn of the loop: an empty one is for work that has nothing to show yet.
"""


def is_whole(request: bytes) -> bool:
    """Return whether the head of a request has come to its end."""
    return b"\r\n\r\n" in request or b"\n\n" in request


def respond(request: bytes, pages: Mapping[str, Page]) -> Iterator[bytes]:
    """Yield the response to a request that begins with GET, piece by piece."""
    target = (*request.split(b"\n")[0].split(), b"")[1]
    path = target.decode("ascii", "replace").partition("?")[0]
    if path not in pages:
        there = f"there is no page {path!r}; there are {', '.join(pages) or 'none'}"
        yield _plain("404 Not Found", there)
        return
    kind, pieces = pages[path]()
    yield _head("200 OK", kind)
    yield from pieces


def unavailable(why: str) -> bytes:
    """Return the response of a page that cannot be made."""
    return _plain("503 Service Unavailable", why)


def _plain(status: str, text: str) -> bytes:
    return _head(status, "text/plain; charset=utf-8") + f"{text}\n".encode()


def _head(status: str, kind: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode()
