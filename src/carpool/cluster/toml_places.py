"""Where in a TOML text a key stands, which tomllib does not tell.

The scanner reads text that tomllib has accepted, so it only has to find its way: it checks
nothing and understands no value but arrays and inline tables. Grammar: TOML v1.0.0, and the
newlines and trailing commas that v1.1.0 allows in inline tables.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from carpool.cluster.wording import Place

if TYPE_CHECKING:
    from carpool.cluster.wording import Key

_BLANKS = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BASIC, _LITERAL = r'"(?:[^"\\]|\\.)*+"', r"'[^']*'"
_KEY_PART = re.compile(rf"{_BASIC}|{_LITERAL}|[A-Za-z0-9_-]+")
# Up to two quotes may stand right before the three that close a long string.
_SCALAR = re.compile(
    rf'"""(?:[^\\]|\\.)*?"{{3,5}}|\'\'\'.*?\'{{3,5}}|{_BASIC}|{_LITERAL}|[^,\]}}#\r\n]+',
    re.DOTALL,
)


def key_places(text: str) -> dict[Key, Place]:
    """Return the place of every table, key and array element of ``text``.

    ``text`` must be valid TOML. A table that is written in several places has the place of the
    first. Tables of an array have their index in the path: ``("a", 0, "b")``.
    """
    return _Scanner(text).scan()


class _Scanner:
    """Walks once through the text; ``at`` is where it stands, in a line begun at ``start``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.start = 0
        self.places: dict[Key, Place] = {}
        self.table_arrays: dict[Key, int] = {}

    def scan(self) -> dict[Key, Place]:
        table: Key = ()
        self._skip(_SPACE)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_SPACE)
        return self.places

    def _header(self) -> Key:
        """Read ``[a.b]`` or ``[[a.b]]`` and return the path of the table it opens."""
        place = self._place()
        is_array = self.text.startswith("[[", self.at)
        self.at += 1 + is_array
        *parents, last = self._key()
        self.at += 1 + is_array
        table: Key = ()
        for part in parents:
            table = self._newest((*table, part))
        table = (*table, last)
        if is_array:
            self.table_arrays[table] = self.table_arrays.get(table, -1) + 1
        table = self._newest(table)
        self._mark(table, place)
        return table

    def _newest(self, table: Key) -> Key:
        """Return ``table``, or its last element so far if it is an array of tables."""
        index = self.table_arrays.get(table)
        return table if index is None else (*table, index)

    def _pair(self, table: Key) -> None:
        """Read ``a.b = value``."""
        place = self._place()
        key = (*table, *self._key())
        self._mark(key, place)
        self.at += 1
        self._value(key)

    def _key(self) -> list[str]:
        """Read a dotted key with the blanks around it."""
        parts = []
        while True:
            self._skip(_BLANKS)
            part = self._skip(_KEY_PART)
            parts.append(_plain(part))
            self._skip(_BLANKS)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _value(self, key: Key) -> None:
        """Read a value with the blanks before it."""
        self._skip(_BLANKS)
        opening = self.text[self.at]
        if opening not in "[{":
            self._skip(_SCALAR)
            return
        closing = "]" if opening == "[" else "}"
        self.at += 1
        index = 0
        self._skip(_SPACE)
        while self.text[self.at] != closing:
            if opening == "[":
                self._mark((*key, index), self._place())
                self._value((*key, index))
                index += 1
            else:
                self._pair(key)
            self._skip(_SPACE)
            if self.text[self.at] == ",":
                self.at += 1
                self._skip(_SPACE)
        self.at += 1

    def _place(self) -> Place:
        return Place(self.line, self.at - self.start + 1)

    def _mark(self, key: Key, place: Place) -> None:
        """Note the place for ``key`` and for those tables on the way to it not yet noted."""
        while key and key not in self.places:
            self.places[key] = place
            key = key[:-1]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Go past ``pattern``, which valid TOML has here, and return its text."""
        match = pattern.match(self.text, self.at)
        assert match is not None, f"line {self.line}"
        self.at = match.end()
        if newlines := match[0].count("\n"):
            self.line += newlines
            self.start = match.start() + match[0].rindex("\n") + 1
        return match[0]


def _plain(part: str) -> str:
    """Return one part of a key without its quotes and escapes."""
    if part[0] == "'":
        return part[1:-1]
    if part[0] == '"':
        return str(tomllib.loads(f"key = {part}")["key"]) if "\\" in part else part[1:-1]
    return part
