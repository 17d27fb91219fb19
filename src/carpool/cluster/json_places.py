"""Where in a JSON text a property stands, which the json module does not tell."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from carpool.cluster.wording import Place

if TYPE_CHECKING:
    from carpool.cluster.wording import Key

# Blanks match first, and with them every newline: JSON has none inside a string.
_TOKEN = re.compile(r'(?P<blank>[ \t\r\n]+)|"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+')


def key_places(text: str) -> dict[Key, Place]:
    """Return the place of every property and array element of ``text``, valid JSON.

    A property that an object has twice has the place of the second, which is the one that counts.
    """
    return _scan(text)[0]


def repeated_keys(text: str) -> list[tuple[Key, Place]]:
    """Return the properties that an object of ``text`` has a second time, each with its place."""
    return _scan(text)[1]


def _scan(text: str) -> tuple[dict[Key, Place], list[tuple[Key, Place]]]:
    places: dict[Key, Place] = {}
    repeated = []
    # The path to where we stand; its last part belongs to the innermost array or object.
    path: list[str | int] = []
    naming: list[bool] = []  # of each array or object around us: whether a name comes next
    line, start = 1, 0
    for token in _TOKEN.finditer(text):
        if token["blank"]:
            if newlines := token[0].count("\n"):
                line += newlines
                start = token.start() + token[0].rindex("\n") + 1
            continue
        mark = token[0]
        if mark in "]}":
            naming.pop()
            path.pop()
        elif mark == ",":
            last = path[-1]
            if isinstance(last, int):
                path[-1] = last + 1
            else:
                naming[-1] = True
        elif mark != ":":
            here = Place(line, token.start() - start + 1)
            if naming and naming[-1]:
                naming[-1] = False
                path[-1] = str(json.loads(mark, strict=False))
                if tuple(path) in places:
                    repeated.append((tuple(path), here))
                places[tuple(path)] = here
                continue
            if path and isinstance(path[-1], int):
                places[tuple(path)] = here
            if mark in "[{":
                naming.append(mark == "{")
                path.append("" if mark == "{" else 0)
    return places, repeated
