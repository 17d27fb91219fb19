"""The values of a vmadm payload: of the type that vmadm wants, or reported and left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from carpool.cluster.findings import Rule
from carpool.cluster.payload_schema import Kind
from carpool.cluster.wording import choose_from

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key

Object: TypeAlias = dict[str, Any]

_RANGES = {"vlan_id": (0, 4095), "mtu": (576, 9000), "vrrp_vrid": (0, 255)}
_LISTS = ("resolvers", "gateways", "ips", "allowed_ips")


def read_typed(
    given: Object, table: dict[str, Kind], ignored: Collection[str], at: Key, source: Source
) -> Object:
    """Return what is of its right type in the object at ``at``, and report all else.

    A value may be written as vmadm allows beside its type: a number or boolean as a string.
    Names in ``ignored`` need not be in the table.
    """
    known = {}
    for name, value in given.items():
        key = (*at, name)
        kind = table.get(name)
        if kind is None:
            if name not in ignored:
                message = "vmadm knows no such property: validate refuses it, create drops it"
                source.report(Rule.UNKNOWN_PROPERTY, key, message, choose_from(name, table))
            continue
        converted = _CONVERT[kind](value)
        if converted is None:
            message = f"must be {kind.value}, not {_json_type(value)}"
            source.report(Rule.WRONG_TYPE, key, message, f"write {kind.value}")
            continue
        if kind is Kind.LIST and isinstance(value, str) and name in _LISTS:
            message = "is a string: vmadm validate takes it, and then it fails"
            mend = f"write {json.dumps(converted[:8])}"
            source.report(Rule.TEXT_FOR_LIST, key, message, mend)
        elif kind is Kind.FLAT:
            converted = _flat(converted, key, source)
        elif kind is Kind.INTEGER:
            converted = _in_range(converted, key, source)
        if converted is not None:
            known[name] = converted
    return known


def _boolean(value: object) -> bool | None:
    if value in (True, "true", "1"):
        return True
    return False if value in (False, "false") else None


def _integer(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if type(value) is int else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _list(value: object) -> list[Any] | None:
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return value if isinstance(value, list) else None


def _object(value: object) -> Object | None:
    return value if isinstance(value, dict) else None


def _objects(value: object) -> list[Object] | None:
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    return None


_CONVERT: dict[Kind, Callable[[object], Any]] = {
    Kind.TEXT: _text,
    Kind.BOOLEAN: _boolean,
    Kind.INTEGER: _integer,
    Kind.UUID: _text,
    Kind.LIST: _list,
    Kind.FLAT: _object,
    Kind.OBJECTS: _objects,
}


def _json_type(value: object) -> str:
    names = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), "a number")


def _in_range(number: int, key: Key, source: Source) -> int | None:
    low, high = _RANGES.get(str(key[-1]), (0, (1 << 63) - 1))
    if low <= number <= high:
        return number
    shown = number if number.bit_length() <= 64 else "the number"
    mend = f"use {low} to {high}"
    source.report(Rule.OUT_OF_RANGE, key, f"{shown} is out of range", mend)
    return None


def _flat(given: Object, key: Key, source: Source) -> Object:
    flat = {}
    for name, value in given.items():
        if isinstance(value, str | int | float):
            flat[name] = value
        else:
            message = f"must be a string, number or boolean, not {_json_type(value)}"
            mend = "write the value as JSON inside a string"
            source.report(Rule.NESTED_METADATA, (*key, name), message, mend)
    return flat
