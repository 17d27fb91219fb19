"""svcs and svcprop: how services are."""

import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from carpool.lab.smartos import startd
from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.smf import matching

_COLUMNS: Final = "state,stime,fmri"


def main(words: Sequence[str]) -> int:
    """Print a table, or with -l, -x or -L what these are for."""
    options, patterns = read.options(words, "aHpvxlLo:s:S:", anywhere=True)
    known = {one["fmri"]: one for one in startd.ask({"do": "list"})}
    found, code = _chosen(known, patterns)
    if "-L" in options:
        for one in found:
            print(one["log"])
        return code
    if "-x" in options:
        _explain(
            [one for one in found if one["enabled"] and one["state"] != "online"]
            or (found if patterns else [])
        )
        return code
    if "-l" in options:
        _tell(found)
        return code
    if not patterns and "-a" not in options:
        found = [one for one in found if one["state"] != "disabled"]
    columns = options.get("-o", _COLUMNS).lower().split(",")
    _print(found, columns, processes="-p" in options, head="-H" not in options)
    return code


def properties(words: Sequence[str]) -> int:
    """Print properties, as svcprop does: of a group, one, or all."""
    options, patterns = read.options(words, "p:c", anywhere=True)
    known = {one["fmri"]: one for one in startd.ask({"do": "list"})}
    found, code = _chosen(known, patterns)
    for one in found:
        enabled = str(one["enabled"]).lower()
        state = {"restarter/state": one["state"], "general/enabled": enabled}
        table = {**one["properties"], **state}
        wanted = options.get("-p")
        if wanted in table:
            print(table[wanted])
            continue
        chosen = [name for name in table if wanted in (None, name.partition("/")[0])]
        if not chosen:
            print(f"svcprop: Couldn't find property group or property `{wanted}'", file=sys.stderr)
            code = 1
        for name in chosen:
            print(f"{name} astring {table[name]}")
    return code


def _chosen(known: dict[str, Any], patterns: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    if not patterns:
        return list(known.values()), 0
    code = 0
    found = []
    for pattern in patterns:
        fmris = matching(pattern, known)
        if not fmris:
            print(f"svcs: Pattern '{pattern}' doesn't match any instances", file=sys.stderr)
            code = 1
        found += [known[fmri] for fmri in fmris]
    return found, code


def _print(
    found: Sequence[dict[str, Any]], columns: Sequence[str], *, processes: bool, head: bool
) -> None:
    rows = [[_cell(one, column) for column in columns] for one in found]
    heads = [column.upper() for column in columns]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    if head:
        print(" ".join(map(str.ljust, heads, widths)).rstrip())
    for row, one in zip(rows, found, strict=True):
        print(" ".join(map(str.ljust, row, widths)).rstrip())
        for process in one["processes"] if processes else []:
            print(f"               {_clock(one)} {process:>8} {_program(process)}")


def _cell(one: dict[str, Any], column: str) -> str:
    service, _, instance = one["fmri"].removeprefix("svc:/").rpartition(":")
    star = "*" if one["next"] else ""
    cells: dict[str, str] = {
        "state": one["state"] + star,
        "sta": one["state"][:3].upper() if one["state"] != "offline" else "OFF",
        "nstate": one["next"] or "-",
        "stime": _clock(one),
        "fmri": one["fmri"],
        "svc": service,
        "inst": instance,
        "ctid": "1" if one["processes"] else "-",
    }
    return cells.get(column, "-")


def _clock(one: dict[str, Any]) -> str:
    return time.strftime("%H:%M:%S", time.localtime(one["since"]))


def _program(process: int) -> str:
    try:
        with open(f"/proc/{process}/comm") as file:  # noqa: PTH123  a file of the kernel's
            return file.read().strip()
    except OSError:
        return "-"


def _explain(found: Sequence[dict[str, Any]]) -> None:
    for one in found:
        print(f"{one['fmri']} (?)")
        print(f" State: {one['state']} since {time.ctime(one['since'])}")
        if one["reason"] or one["state"] == "disabled":
            print(f"Reason: {one['reason'] or 'Disabled by an administrator.'}")
        print(f"   See: {one['log']}")
        degree = "None." if one["state"] == "online" else "This service is not running."
        print(f"Impact: {degree}\n")


def _tell(found: Sequence[dict[str, Any]]) -> None:
    for one in found:
        print(f"fmri         {one['fmri']}")
        print(f"enabled      {str(one['enabled']).lower()}")
        print(f"state        {one['state']}")
        print(f"next_state   {one['next'] or 'none'}")
        print(f"state_time   {time.ctime(one['since'])}")
        print(f"logfile      {one['log']}")
        print("restarter    svc:/system/svc/restarter:default")
