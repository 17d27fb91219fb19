"""A page of lines on a terminal that is rewritten only where it has changed.

Plain ANSI (ECMA-48) sequences: a line of 80 characters is all that a change costs, so that it works
over a slow line. No colour with NO_COLOR in the environment (no-color.org), or TERM=dumb.
"""

import os
import select
import shutil
import signal
import socket
import sys
import termios
import tty
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[2J", "\x1b[?25h\x1b[?1049l"
"""The alternate screen without a cursor; back."""
_STYLES = {"": "", "head": "\x1b[7m", "bad": "\x1b[1;31m", "chosen": "\x1b[1m", "dim": "\x1b[2m"}
_PLAIN_STYLES = {"": "", "head": "\x1b[7m", "bad": "\x1b[1m", "chosen": "\x1b[1m", "dim": ""}
_RESET = "\x1b[0m"
_KEYS = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x03": "q",
    b"\x1b": "escape",
    b"k": "up",
    b"j": "down",
}


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
        dumb = environment.get("TERM") == "dumb" or bool(environment.get("NO_COLOR"))
        self._styles = _PLAIN_STYLES if dumb else _STYLES

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

        Returns the key's name, None if there was none.
        """
        stdin = sys.stdin.fileno()
        if stdin not in select.select([stdin, *others], [], [], max(seconds, 0))[0]:
            return None
        typed = os.read(stdin, 32)
        if not typed:
            return "q"  # the terminal has gone
        return _KEYS.get(typed) or typed[:1].decode("ascii", "replace")

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _end(number: int, _frame: object) -> None:
    """End so that the terminal is left as it was; with the exit code that a shell shows."""
    raise SystemExit(128 + number)


def difference(
    shown: Sequence[Line], page: Sequence[Line], width: int, styles: Mapping[str, str]
) -> str:
    """Return what has to be written so that `page` is seen where `shown` was."""
    parts = []
    for number in range(max(len(shown), len(page))):
        old = shown[number] if number < len(shown) else None
        new = page[number] if number < len(page) else Line("")
        if old != new:
            text = printable(new.text)[:width]
            style = styles[new.style]
            filled = text.ljust(width) if new.style == "head" else text
            coloured = f"{style}{filled}{_RESET}" if style else filled
            parts.append(
                f"\x1b[{number + 1};1H{coloured}\x1b[K"
                if len(filled) < width
                else f"\x1b[{number + 1};1H{coloured}"
            )
    return "".join(parts)


def printable(text: str) -> str:
    """Return the text without control characters, which a terminal would obey."""
    return "".join(one if one.isprintable() else "?" for one in text)
