"""Values as TOML: the few that a cluster file has."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECOND = 1_000_000_000
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_key(name: str) -> str:
    """Return a name as a key, in quotes if it needs them."""
    return name if _BARE.fullmatch(name) else toml_value(name)


def toml_line(name: str, value: object) -> str:
    """Return a key and its value as a line of a table."""
    return f"{toml_key(name)} = {toml_value(value)}"


def toml_seconds(nanoseconds: int) -> float:
    """Return a span as it is written: in seconds, without a fraction if there is none."""
    seconds, rest = divmod(nanoseconds, _SECOND)
    return nanoseconds / _SECOND if rest else seconds


def toml_value(value: object) -> str:
    """Return a string, boolean, number, list or dict of such as a TOML value on one line.

    Anything else, such as an address, is written as the string that it is shown as.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        pairs: Mapping[str, Any] = value
        return f"{{ {', '.join(toml_line(name, each) for name, each in pairs.items())} }}"
    # A basic string of TOML is a JSON string, but for DEL; half a surrogate pair is neither's.
    text = str(value).encode(errors="replace").decode()
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
