"""The fast profile in a cluster file: intervals in milliseconds, and what does not go with them.

In the fast profile advbase is 0, and the advskew is the whole interval, n/256 s. Unless the file
says otherwise it is the same for all nodes: whoever is master stays it, and of two masters the one
with the lower address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from carpool.carp.timing import TICK, interval, nearest_advskew
from carpool.cluster.findings import Rule
from carpool.cluster.wording import toml_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key

_MS = 1_000_000
_TEXT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(ms|s)")
_UNITS = {"ms": _MS, "s": 1000 * _MS}
_SHORTEST, _LONGEST = TICK * 99 // 100, interval(0, 255) + TICK // 2
DEFAULT_ADVSKEW = 1
"""1/256 s, the shortest interval that there is."""


class Interval:
    """A time from 4 ms to 1 s, as a text with its unit; read as nanoseconds."""

    kind = 'an interval from "4ms" to "996ms"'
    example = '"20ms"'

    def read(self, value: object, key: Key, source: Source) -> int | None:
        """Return the interval in ns, as it is written."""
        mend = f"write for example: {key[-1]} = {self.example}"
        if not isinstance(value, str):
            message = f"must be {self.kind}, not {toml_type(value)}"
            source.report(Rule.WRONG_TYPE, key, message, mend)
            return None
        found = _TEXT.fullmatch(value.strip())
        if found is None:
            source.report(Rule.BAD_INTERVAL, key, f"{value[:80]!r} is not {self.kind}", mend)
            return None
        duration = round(float(found[1]) * _UNITS[found[2]])
        if _SHORTEST <= duration <= _LONGEST:
            return duration
        message = f"{value[:80]} is out of range"
        source.report(Rule.OUT_OF_RANGE, key, message, "use 4ms to 996ms")
        return None


def resolve_timing(group: dict[str, Any], given: object, key: Key, source: Source) -> int | None:
    """Give a group of the fast profile its advbase; return its advskew for all nodes (1/256 s).

    None where the group is of another profile. ``given`` is its table in the file.
    """
    if group.get("profile") != "fast":
        for name in ("interval", "on_late"):
            if isinstance(given, dict) and name in given and "profile" in group:
                message = "does nothing without the fast profile"
                mend = 'add profile = "fast", or set advbase and advskew instead'
                source.report(Rule.NOT_FAST, (*key, name), message, mend)
        return None
    stated: Mapping[str, object] = given if isinstance(given, dict) else {}
    if "advbase" in stated and group.get("advbase") != 0:
        message = "the fast profile has advbase 0"
        source.report(Rule.TWO_INTERVALS, (*key, "advbase"), message, "take it out")
    if "interval" in stated and "advskew" in stated:
        message = "sets the interval of the fast profile, and so does interval"
        mend = "take one of the two out"
        source.report(Rule.TWO_INTERVALS, (*key, "advskew"), message, mend)
    group["advbase"] = 0
    wanted = group.get("interval")
    return DEFAULT_ADVSKEW if wanted is None else nearest_advskew(wanted)
