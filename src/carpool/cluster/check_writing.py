"""From a health check to the keys that a cluster file has for it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from carpool.cluster.toml_writing import toml_seconds

if TYPE_CHECKING:
    from collections.abc import Collection

    from carpool.cluster.model import Check


def check_keys(check: Check, nodes: Collection[str]) -> dict[str, object]:
    """Return the keys and values of ``[checks.NAME]`` in a file that has these nodes."""
    keys = {
        field.name: value
        for field in fields(check)
        if field.name != "name" and (value := getattr(check, field.name)) is not None
    }
    for name in ("interval", "timeout"):
        keys[name] = toml_seconds(keys[name])
    for name in ("command", "status"):
        if name in keys:
            keys[name] = list(keys[name])
    for name in ("address", "url"):
        if name in keys:
            keys[name] = str(keys[name])
    if isinstance(check.interface, dict):
        keys["interface"] = {n: value for n, value in check.interface.items() if n in nodes}
    return keys
