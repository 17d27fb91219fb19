"""mdata-get and its like: the zone's metadata, from inside the zone."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.places import SEEN_CONFIG
from carpool.lab.smartos.stage import CommandError

_FILE = SEEN_CONFIG / "vm.json"


def get(words: Sequence[str]) -> int:
    """Print the value of a key; 1 if there is none such."""
    key = read.one(words, "key")
    vm = _load()
    if key.startswith("sdc:"):
        value = read.nested(vm, key.removeprefix("sdc:"))
    elif key.endswith("_pw"):
        value = vm["internal_metadata"].get(key)
    else:
        value = vm["customer_metadata"].get(key)
    if value is None:
        print(f"No metadata for '{key}'", file=sys.stderr)
        return 1
    print(value if isinstance(value, str) else json.dumps(value))
    return 0


def names(_: Sequence[str]) -> int:
    """Print the keys that anyone may see."""
    for key in _load()["customer_metadata"]:
        print(key)
    return 0


def put(words: Sequence[str]) -> int:
    """Set a key to a value, or to standard input."""
    if len(words) not in (1, 2):
        raise CommandError("usage: mdata-put key [value]", 3)
    value = words[1] if len(words) > 1 else sys.stdin.read()
    _change(words[0], value)
    return 0


def delete(words: Sequence[str]) -> int:
    """Remove a key."""
    _change(read.one(words, "key"), None)
    return 0


def _change(key: str, value: str | None) -> None:
    if key.endswith("_pw") or key.startswith("sdc:"):
        raise CommandError(f"{key}: this metadata cannot be changed from inside the zone", 2)
    vm = _load()
    if value is None:
        vm["customer_metadata"].pop(key, None)
    else:
        vm["customer_metadata"][key] = value
    new = _FILE.with_suffix(".new")
    new.write_text(json.dumps(vm))
    new.replace(_FILE)


def _load() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILE.read_text())
    return found
