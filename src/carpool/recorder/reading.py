"""Reads a trace: `carpool.recorder.trace` says what is in it."""

import binascii
import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from typing import Any

from carpool.carp.counters import Replay
from carpool.carp.settings import Settings
from carpool.recorder.rerun import Piece
from carpool.recorder.tape import TapeError, entries
from carpool.recorder.trace import FORMAT, SECRETS, Head

MOST_BYTES = 256 << 20
"""Of a trace that is read."""

_STAND_IN = b"-"


class TraceError(ValueError):
    """A file that is no trace, or not all of one; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class GroupTrace:
    """The tape of one group."""

    name: str
    interface: str
    settings: Settings
    """With a password that is none."""
    pieces: list[Piece] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Settings that this version does not know."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace that was read."""

    head: Head
    groups: tuple[GroupTrace, ...]


def read(content: bytes) -> Trace:
    """Return a trace. Raises TraceError."""
    lines = list(_lines(content))
    if not lines or "trace" not in lines[0]:
        raise TraceError("line 1: this is no trace of carpool")
    if lines[0]["trace"] != FORMAT:
        raise TraceError(
            f"line 1: a trace of format {str(lines[0]['trace'])[:20]}, and this carpool reads "
            f"format {FORMAT}: replay it with the carpool that wrote it"
            f" ({str(lines[0].get('program'))[:20]})"
        )
    if lines[-1].get("end") != len(lines) - 1:
        raise TraceError(f"line {len(lines)}: the trace is cut short, its last line is not there")
    groups: list[GroupTrace] = []
    for number, line in enumerate(lines[1:-1], start=2):
        try:
            if "group" in line:
                groups.append(_group(line))
            else:
                groups[-1].pieces.append(_piece(line))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise TraceError(f"line {number}: {error!s:.200}") from None
    try:
        head = Head(
            str(lines[0]["program"]),
            str(lines[0]["node"]),
            _instant(lines[0]["wall"]),
            str(lines[0]["why"]),
        )
    except (ValueError, TypeError, LookupError) as error:
        raise TraceError(f"line 1: {error!s:.200}") from None
    return Trace(head, tuple(groups))


def _instant(told: Any) -> int:
    """Return nanoseconds since 1970, within what a calendar can say."""
    wall = int(told)
    if not 0 <= wall < 1 << 63:
        raise ValueError("an instant that is on no calendar")
    return wall


def _lines(content: bytes) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            what = "this is no trace of carpool" if number == 1 else "damaged, or cut short"
            raise TraceError(f"line {number}: {what}")
        yield found


def _group(line: Mapping[str, Any]) -> GroupTrace:
    told = dict(line["settings"])
    known = {one.name for one in fields(Settings)} - SECRETS
    notes = [f"setting {name} is not in this version" for name in told if name not in known]
    given = {name: value for name, value in told.items() if name in known}
    given["addresses"] = tuple(map(ip_address, given["addresses"]))
    given["replay"] = Replay(given["replay"])
    given = {key: tuple(one) if isinstance(one, list) else one for key, one in given.items()}
    defaults = {one.name: one.default for one in fields(Settings)}
    for name, value in given.items():
        default = defaults[name]
        number = name in ("vhid", "advbase", "advskew") or type(default) in (int, bool)
        if number and not isinstance(value, int):
            raise ValueError(f"setting {name} is not a number")
    settings = Settings(password=_STAND_IN, **given)
    return GroupTrace(str(line["group"]), str(line["interface"]), settings, [], notes)


def _piece(line: Mapping[str, Any]) -> Piece:
    try:
        records = b64decode(line["records"], validate=True)
    except binascii.Error as error:
        raise TapeError(f"the records are damaged: {error}") from None
    begins = int(line["begins"])
    state = dict(line["state"])
    return Piece(state, begins, list(entries(records, begins)))
