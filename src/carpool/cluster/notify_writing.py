"""From a notifier to the keys that a cluster file has for it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from carpool.cluster.toml_writing import toml_seconds

if TYPE_CHECKING:
    from collections.abc import Collection

    from carpool.cluster.model import Notifier


def notify_keys(
    notifier: Notifier, nodes: Collection[str], groups: Collection[str], secret_file: str
) -> dict[str, object]:
    """Return the keys and values of ``[notify.NAME]`` in a file with these nodes and groups.

    ``secret_file`` is where its secret lies there, if it has one.
    """
    keys = {
        field.name: value
        for field in fields(notifier)
        if field.name != "name" and (value := getattr(notifier, field.name)) is not None
    }
    for name in ("timeout", "every"):
        keys[name] = toml_seconds(keys[name])
    keys["on"] = list(notifier.on)
    keys["groups"] = [name for name in notifier.groups if name in groups]
    if notifier.to is not None:
        keys["to"] = list(notifier.to)
    if "sender" in keys:
        keys["from"] = keys.pop("sender")
    if notifier.secret_file is not None:
        keys["secret_file"] = secret_file
    if isinstance(notifier.host, dict):
        keys["host"] = {node: name for node, name in notifier.host.items() if node in nodes}
    return keys
