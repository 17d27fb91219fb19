"""A trace: the file that tapes are written to, to be told elsewhere.

JSON lines, format 1. The first says whose trace it is, the last how many lines came before it, so
that one which was cut short is known. Between them stand, for each group, a line with its settings
and one for each segment of its tape, whose records are in base64. No line has a password, a key or
a digest: settings are numbers, names and addresses, and what could be bytes of a secret is refused.
"""

import json
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from carpool.carp.settings import Settings
from carpool.recorder.tape import Segment, Tape

FORMAT = 1
SECRETS = frozenset({"password", "accepted_passwords"})
"""Settings that are not written."""


@dataclass(frozen=True, slots=True)
class Head:
    """Whose trace it is."""

    program: str
    """Version of carpool."""
    node: str
    wall: int
    """Nanoseconds since 1970 at instant 0."""
    why: str
    """What it was written for."""


# Lines are dicts here, for a daemon hands them over its control socket.


def head_line(head: Head) -> dict[str, Any]:
    """Return the first line."""
    return {
        "trace": FORMAT,
        "program": head.program,
        "node": head.node,
        "wall": head.wall,
        "why": head.why,
    }


def group_lines(
    name: str, interface: str, settings: Settings, tape: Tape
) -> Iterator[dict[str, Any]]:
    """Yield the lines of a group, whose tape may go on meanwhile."""
    tape.flush()
    shown = dict(_shown(settings))
    yield {"group": name, "interface": interface, "settings": shown}
    for segment in tuple(tape.segments):
        yield _segment_line(segment)


def text(lines: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield the bytes of each line, and those of the last one."""
    number = 0
    for line in lines:
        number += 1
        yield json.dumps(line, separators=(",", ":")).encode() + b"\n"
    yield json.dumps({"end": number}).encode() + b"\n"


def _segment_line(segment: Segment) -> dict[str, Any]:
    return {
        "begins": segment.begins,
        "state": json.loads(zlib.decompress(segment.state)),
        "records": b64encode(segment.records).decode(),
    }


def _shown(settings: Settings) -> Iterator[tuple[str, Any]]:
    for one in fields(settings):
        if one.name not in SECRETS:
            yield one.name, _plain(getattr(settings, one.name))


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case IPv4Address() | IPv6Address():
            return str(value)
        case tuple():
            return [_plain(one) for one in value]
    raise TypeError(f"a {type(value).__name__} has no place in a trace")
