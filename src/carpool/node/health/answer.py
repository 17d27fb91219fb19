"""Judges what a web server answers, as it comes in (RFC 9112)."""

import re

MOST_BYTES = 65536
"""Of an answer that are looked at, with its header."""

_STATUS = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_CHUNKED = re.compile(rb"^transfer-encoding:[^\r\n]*\bchunked\s*$", re.IGNORECASE | re.MULTILINE)
_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]{1,18})\s*$", re.IGNORECASE | re.MULTILINE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]*\r?\n")


class Answer:
    """One answer to one GET: good if it has the right status, and the text if one is wanted."""

    def __init__(self, statuses: tuple[int, ...], text: bytes | None) -> None:
        """No statuses: any of 200 to 299."""
        self._statuses = statuses
        self._text = text
        self._data = b""
        self.problem: str | None = None
        """What is wrong, once it is decided."""

    def feed(self, data: bytes) -> bool:
        """Take more of the answer; nothing means that this was all. Return whether it decides."""
        self._data = (self._data + data)[:MOST_BYTES]
        ended = not data
        full = len(self._data) == MOST_BYTES
        while (status := _STATUS.match(self._data)) and (end := _HEADER_END.search(self._data)):
            if status[1][0] != ord("1"):
                return self._judge(int(status[1]), end, all_here=ended or full)
            self._data = self._data[end.end() :]  # 100 and 103 only announce the answer
        if ended or full or (b"\n" in self._data and not status):
            self.problem = "the answer is not HTTP" if self._data else "no answer"
            return True
        return False

    def _judge(self, status: int, end: re.Match[bytes], *, all_here: bool) -> bool:
        wanted = status in self._statuses if self._statuses else 200 <= status < 300
        if not wanted:
            self.problem = f"status {status}"
            return True
        if self._text is None:
            return True
        header, body = self._data[: end.start()], self._data[end.end() :]
        complete = all_here
        if _CHUNKED.search(header):
            body, last = _joined(body)
            complete |= last
        elif length := _LENGTH.search(header):
            complete |= len(body) >= int(length[1])
        if self._text in body:
            return True
        if complete:
            self.problem = "the answer does not contain the text"
        return complete


def _joined(body: bytes) -> tuple[bytes, bool]:
    """Return the content of the chunks that are here, and whether the last is among them."""
    content = b""
    at = 0
    while chunk := _CHUNK.match(body, at):
        size = int(chunk[1], 16)
        if size == 0:
            return content, True
        content += body[chunk.end() : chunk.end() + size]
        at = chunk.end() + size
        at += 2 if body.startswith(b"\r\n", at) else 1
    return content, False
