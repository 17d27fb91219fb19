"""A page of lines on a terminal that is rewritten only where it has changed.

Plain ANSI (ECMA-48) sequences: a line of 80 characters is all that a change costs, so that it works
over a slow line. No colour with NO_COLOR in the environment (no-color.org).
"""

import os
import re
import select
import shutil
import signal
import socket
import sys
import termios
import tty
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[2J", "\x1b[?25h\x1b[?1049l"
"""The alternate screen without a cursor; back."""
_STYLES = {"": "", "head": "\x1b[7m", "bad": "\x1b[1;31m", "chosen": "\x1b[1m", "dim": "\x1b[2m"}
_PLAIN_STYLES = {"": "", "head": "\x1b[7m", "bad": "\x1b[1m", "chosen": "\x1b[1m", "dim": ""}
_RESET = "\x1b[0m"
_CLOSE = 8
"""Cells that are written once more rather than jumped over: the jump takes as many bytes."""
_KEYS = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b[H": "home",
    b"\x1bOH": "home",
    b"\x1b[1~": "home",
    b"\x1b[F": "end",
    b"\x1bOF": "end",
    b"\x1b[4~": "end",
    b"\r": "enter",
    b"\n": "enter",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b"\x03": "quit",
}
_APART = 0.05
"""Seconds between bytes of one key, at most."""
_ESCAPE = re.compile(rb"\x1b(?:O.|\[[0-9;]*[@-~])?", re.DOTALL)
"""A key that sends several bytes; or ESC alone."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the page; `style` is one of _STYLES."""

    text: str
    style: str = ""


class Screen:
    """A terminal. A context manager, which leaves it as it was."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._shown: list[Line] = []
        self._size = (0, 0)
        self._typed = b""
        self._styles = _PLAIN_STYLES if environment.get("NO_COLOR") else _STYLES

    def __enter__(self) -> Self:
        self._saved = termios.tcgetattr(sys.stdin)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _end)
        tty.setcbreak(sys.stdin)
        self._write(_ENTER)
        return self

    def __exit__(self, *_: object) -> None:
        self._write(_LEAVE)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._saved)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        return shutil.get_terminal_size()

    def show(self, page: Sequence[Line]) -> None:
        """Show the page; what does not fit is left out."""
        size = self.size
        if size != self._size:
            self._size, self._shown = size, []
            self._write("\x1b[2J")
        self._write(difference(self._shown, page[: size[1]], size[0], self._styles))
        self._shown = list(page[: size[1]])

    def wait(self, seconds: float, others: Sequence[socket.socket] = ()) -> str | None:
        """Wait for a key, for one of the sockets, or for the time to pass.

        Returns the key's name, None if there was none; "quit" if the terminal has gone.
        """
        if not self._typed:
            stdin = sys.stdin.fileno()
            if stdin not in select.select([stdin, *others], [], [], max(seconds, 0))[0]:
                return None
            self._typed = os.read(stdin, 256)
            # Over a slow line the bytes of one key may come apart.
            if self._typed == b"\x1b" and select.select([stdin], [], [], _APART)[0]:
                self._typed += os.read(stdin, 256)
        key, self._typed = first_key(self._typed)
        return key

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _end(number: int, _frame: object) -> None:
    """End so that the terminal is left as it was; with the exit code that a shell shows."""
    raise SystemExit(128 + number)


def first_key(typed: bytes) -> tuple[str, bytes]:
    """Return the name of the first key in what was typed, and the rest; "quit" for nothing."""
    if not typed:
        return "quit", b""
    escape = _ESCAPE.match(typed)
    length = escape.end() if escape else 1
    pressed, rest = typed[:length], typed[length:]
    if pressed in _KEYS:
        return _KEYS[pressed], rest
    return "escape" if escape else pressed.decode("ascii", "replace"), rest


def difference(
    shown: Sequence[Line], page: Sequence[Line], width: int, styles: Mapping[str, str]
) -> str:
    """Return what has to be written so that `page` is seen where `shown` was."""
    parts = []
    for number in range(max(len(shown), len(page))):
        old = shown[number] if number < len(shown) else None
        new = page[number] if number < len(page) else Line("")
        if old != new:
            whole = _whole(number + 1, new, width, styles)
            changed = whole
            if old is not None and old.style == new.style:
                changed = _changes(number + 1, old, new, width, styles)
            parts.append(min(whole, changed, key=len))
    return "".join(parts)


def _whole(number: int, line: Line, width: int, styles: Mapping[str, str]) -> str:
    text = _filled(line, width)
    end = "\x1b[K" if len(text) < width else ""
    return f"\x1b[{number};1H{_coloured(text, styles[line.style])}{end}"


def _changes(number: int, old: Line, new: Line, width: int, styles: Mapping[str, str]) -> str:
    """Return what turns the cells of one line into those of another of the same style."""
    before, after = _filled(old, width), _filled(new, width)
    if not (before + after).isascii():
        return _whole(number, new, width, styles)  # A character may take two cells.
    parts = []
    for start, end in _runs(before, after):
        text = _coloured(after[start:end], styles[new.style])
        parts.append(f"\x1b[{number};{start + 1}H{text}")
    if len(after) < len(before):
        parts.append(f"\x1b[{number};{len(after) + 1}H\x1b[K")
    return "".join(parts)


def _runs(before: str, after: str) -> Iterator[tuple[int, int]]:
    """Yield where `after` is not as `before`, what is close together as one."""
    start = end = None
    for at, cell in enumerate(after):
        if at < len(before) and before[at] == cell:
            continue
        if start is not None and end is not None and at - end > _CLOSE:
            yield start, end
            start = None
        start, end = at if start is None else start, at + 1
    if start is not None and end is not None:
        yield start, end


def _filled(line: Line, width: int) -> str:
    text = printable(line.text)[:width]
    return text.ljust(width) if line.style == "head" else text


def _coloured(text: str, style: str) -> str:
    return f"{style}{text}{_RESET}" if style and text else text


def printable(text: str) -> str:
    """Return the text without control characters, which a terminal would obey."""
    return "".join(one if one.isprintable() else "?" for one in text)
