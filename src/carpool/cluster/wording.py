"""Small pieces of text: what findings are made of, and tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

Key: TypeAlias = tuple[str | int, ...]
"""Path of a key in a TOML or JSON document: names as str, array indexes as int."""


class Place(NamedTuple):
    """Where something stands in a text; both count from 1, columns in characters."""

    line: int
    column: int


_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN = 8
_MANY = 200


def dotted(key: Key) -> str:
    """Return ``key`` as TOML writes it, e.g. ``groups.www.addresses[1]``."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else repr(part))
    return text


def printable(text: str) -> str:
    """Return ``text`` with escapes for what a terminal would act on or cannot show."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows as printable lines, columns aligned and two blanks apart."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def listing(items: Collection[object]) -> str:
    """Return the first few ``items`` with commas, and how many more there are."""
    shown = ", ".join(str(item) for item, _ in zip(items, range(_SHOWN), strict=False))
    more = len(items) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def choose_from(word: str, known: Collection[str]) -> str:
    """Return a mend for an unknown ``word``: the ``known`` one it looks like, or the list."""
    # Comparing is slow (50 us a pair), and a cluster may have a thousand nodes.
    if len(known) <= _MANY:
        from difflib import get_close_matches  # noqa: PLC0415 - 5 ms that a good file need not pay

        if near := get_close_matches(word, known, n=1):
            return f"did you mean {near[0]!r}?"
    return f"choose from {listing(known)}"


def toml_type(value: object) -> str:
    """Return what TOML calls the type of ``value``, with its article."""
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a float",
        str: "a string",
        list: "an array",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")
