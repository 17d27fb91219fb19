"""The state of a virtual host as JSON, from which a rerun goes on.

What belongs to the state is found by looking at the objects, not in a list that somebody would
have to keep: a rule that remembers one more thing is recorded with it. Numbers, texts, bytes, enums
and containers of them are values; so is a frozen dataclass of `carpool.carp`. Any other object is a
part of the host, whose attributes are taken and put back one by one.
"""

from array import array
from collections import Counter, deque
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from itertools import accumulate
from operator import sub
from typing import Any

from carpool.carp.counters import Counters
from carpool.carp.virtualhost import VirtualHost

LEFT_OUT = {
    VirtualHost: {
        *("settings", "_authenticator"),  # have secrets; the trace has what of it can be shown
        *("_effects", "_heard"),  # outlive no input
        "routine",  # follows from the rest, and is found anew
        *("advskew", "interval", "_patience", "_own_master_down_time"),  # follow from the settings
        *("tape", "stage"),  # of whoever records, or reruns
    },
    Counters: {
        "_ring",  # too large: `Counters.recalled` stands for it
        *("_save_bytes", "_serial", "_heard"),  # of the file they are saved in, and of the ring
        "stage",
    },
}
"""Attributes that are no state."""

_HOME = "carpool.carp."


class SnapshotError(ValueError):
    """A state that makes no sense here; the text says which part of it."""


def capture(host: VirtualHost) -> dict[str, Any]:
    """Return the state of a virtual host."""
    return _attributes(host)


def restore(host: VirtualHost, state: dict[str, Any]) -> list[str]:
    """Put a state into a virtual host of the same settings.

    Return what of it this version does not know, and what this version has besides, which is left
    as it was. Raises SnapshotError.
    """
    return _put_back(host, state, "")


def encode(value: Any) -> Any:
    """Return a value as JSON."""
    match value:
        case Enum():
            return {"enum": [_name(type(value)), value.name]}
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return {"bytes": value.hex()}
        case tuple():
            return {"tuple": [encode(one) for one in value]}
        case list() | deque() | array():
            if len(value) > 1 and all(type(one) is int for one in value):
                return {"steps": [value[0], *map(sub, list(value)[1:], value)]}
            return [encode(one) for one in value]
        case set() | frozenset():
            return {"set": sorted(map(encode, value), key=str)}
        case Counter():  # in which order things were first counted is no state
            return {"map": sorted(([encode(key), n] for key, n in value.items()), key=str)}
        case dict():
            return {"map": [[encode(key), encode(one)] for key, one in value.items()]}
    if _is_frozen(type(value)):
        return {"value": _name(type(value)), "of": _attributes(value)}
    return {"part": _attributes(value)}


def decode(encoded: Any) -> Any:
    """Return what `encode` was given. Raises SnapshotError, and for no part of a host."""
    match encoded:
        case None | bool() | int() | float() | str():
            return encoded
        case list():
            return [decode(one) for one in encoded]
        case {"steps": list(steps)} if all(type(one) is int for one in steps):
            return list(accumulate(steps))
        case {"bytes": str(digits)}:
            return _bytes(digits)
        case {"tuple": list(items)}:
            return tuple(decode(one) for one in items)
        case {"set": list(items)}:
            return {decode(one) for one in items}
        case {"map": list(pairs)}:
            return _map(pairs)
        case {"enum": [str(name), str(member)]}:
            return _member(name, member)
        case {"value": str(name), "of": dict(inside)}:
            return _value(name, inside)
    raise SnapshotError(f"{str(encoded)[:60]} is no value")


def _attributes(of: object) -> dict[str, Any]:
    return {name: encode(getattr(of, name)) for name in _names(of)}


def _is_frozen(kind: type) -> bool:
    parameters = getattr(kind, "__dataclass_params__", None)
    return parameters is not None and parameters.frozen is True


def _names(of: object) -> list[str]:
    if is_dataclass(of):
        return [one.name for one in fields(of)]
    left_out: set[str] = set()
    for kind, names in LEFT_OUT.items():
        if isinstance(of, kind):
            left_out = names
    return [name for name in getattr(of, "__dict__", ()) if name not in left_out]


def _put_back(into: object, state: dict[str, Any], where: str) -> list[str]:
    known = _names(into)
    notes = [f"{where}{name} is not in the trace" for name in known if name not in state]
    for name, encoded in state.items():
        if name not in known:
            notes.append(f"{where}{name} is not in this version")
            continue
        existing = getattr(into, name)
        if isinstance(encoded, dict) and "part" in encoded:
            if not isinstance(encoded["part"], dict):
                raise SnapshotError(f"{where}{name} is no part")
            notes += _put_back(existing, encoded["part"], f"{where}{name}.")
        elif isinstance(existing, array):
            setattr(into, name, array(existing.typecode, decode(encoded)))
        elif isinstance(existing, dict | deque):
            setattr(into, name, type(existing)(decode(encoded)))
        else:
            setattr(into, name, decode(encoded))
    return notes


def _name(kind: type) -> str:
    """Return the name of a class of the core, below its package."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    if not name.startswith(_HOME):
        raise SnapshotError(f"{name} is nothing that a virtual host is made of")
    return name.removeprefix(_HOME)


def _class(name: str) -> Any:
    """Return a class of the core by its name: nothing else can be named in a trace."""
    module, _, attribute = name.partition(".")
    if not module.isidentifier() or not attribute.isidentifier():
        raise SnapshotError(f"{name[:60]!r} is no name")
    try:
        found = getattr(import_module(_HOME + module), attribute)
    except (ImportError, AttributeError):
        found = None
    if not isinstance(found, type) or found.__module__ != _HOME + module:
        raise SnapshotError(f"this version has no {name[:60]}")
    return found


def _bytes(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise SnapshotError(f"{digits[:60]!r} are no bytes") from None


def _map(pairs: list[Any]) -> dict[Any, Any]:
    try:
        return {decode(key): decode(one) for key, one in pairs}
    except (TypeError, ValueError) as error:
        raise SnapshotError(f"no map: {error}") from None


def _member(name: str, member: str) -> Enum:
    kind = _class(name)
    if not issubclass(kind, Enum) or member not in kind.__members__:
        raise SnapshotError(f"this version has no {name}.{member[:60]}")
    found: Enum = kind[member]
    return found


def _value(name: str, inside: dict[str, Any]) -> Any:
    kind = _class(name)
    if not _is_frozen(kind):
        raise SnapshotError(f"{name} is no value")
    try:
        return kind(**{str(key): decode(one) for key, one in inside.items()})
    except (TypeError, ValueError) as error:
        raise SnapshotError(f"{name}: {error}") from None
