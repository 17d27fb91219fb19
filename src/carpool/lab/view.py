"""What the demo shows while it plays: lines that stay, and on a terminal one line that lives."""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Final, TextIO

from carpool.carp.timing import SECOND
from carpool.lab.picture import SILENCE
from carpool.lab.stage import Stage

MOST_COLUMNS: Final = 80
_REFRESH: Final = 0.1  # seconds
_CODES: Final = {"bold": "1", "dim": "2", "green": "32", "red": "31", "yellow": "33"}
_CLEAR: Final = "\r\x1b[K"


class View:
    """Writes to a stream; in colour, and with a live line, where that is a terminal.

    Colour is left out with NO_COLOR in the environment (no-color.org), or TERM=dumb.
    """

    def __init__(self, stream: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        self._stream = stream
        dumb = environment.get("TERM") == "dumb"
        self._live = stream.isatty() and not dumb
        self._colour = self._live and not environment.get("NO_COLOR")
        self.width = min(shutil.get_terminal_size().columns, MOST_COLUMNS)
        self.ascii_only = not _can_write(stream, "█░·●")
        self._shown_at = 0.0
        self._line = False

    def paint(self, text: str, *styles: str) -> str:
        """Return the text in colour, where there is any."""
        if not self._colour or not styles:
            return text
        codes = ";".join(_CODES[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def say(self, text: str = "") -> None:
        """Write a line that stays."""
        self.clear()
        print(text, file=self._stream, flush=True)

    def clear(self) -> None:
        """Take the live line away."""
        if self._line:
            print(_CLEAR, end="", file=self._stream, flush=True)
            self._line = False

    def show(self, stage: Stage, begin: int) -> None:
        """Write the live line anew, if it is time; `begin` is the instant of second 0."""
        if not self._live or time.monotonic() - self._shown_at < _REFRESH:
            return
        self._shown_at = time.monotonic()
        text = self._paint_within(self._parts(stage, begin), self.width - 1)
        print(f"{_CLEAR}{text}", end="", file=self._stream, flush=True)
        self._line = True

    def _parts(self, stage: Stage, begin: int) -> list[tuple[str, str]]:
        """Return the pieces of the live line, each with its style."""
        now, having = stage.now(), stage.holders()
        answers = stage.answers()
        last = answers[-1] if answers else None
        waited = now - (last.received if last else begin)
        dark = waited > SILENCE
        parts = [(f"{(now - begin) / SECOND:5.1f} s", "dim")]
        for zone in stage.zones:
            answering = last is not None and last.zone == zone and not dark
            style = "green" if answering else "yellow" if zone in having else "dim"
            dot = ("*" if self.ascii_only else "●") if zone in having else " "
            parts.append((f"  {zone} {stage.state(zone) or 'starting':<8}{dot}", style))
        if dark:
            parts.append((f"  client: no answer for {waited / SECOND:.1f} s", "red"))
        elif last is not None:
            parts.append((f"  client: {last.zone} answers", "green"))
        return parts

    def _paint_within(self, parts: list[tuple[str, str]], width: int) -> str:
        text = ""
        for part, style in parts:
            shown = part[:width]
            width -= len(shown)
            text += self.paint(shown, style)
        return text


def _can_write(stream: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or sys.getdefaultencoding())
    except UnicodeEncodeError:
        return False
    return True
