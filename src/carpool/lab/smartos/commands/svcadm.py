"""svcadm: enable, disable, restart, refresh and clear services."""

import sys
import time
from collections.abc import Sequence

from carpool.lab.smartos import startd
from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.smf import matching
from carpool.lab.smartos.stage import CommandError

_ADMINISTRATOR = 3
"""The exit code when -s waits for what cannot come without an administrator."""


def main(words: Sequence[str]) -> int:
    """Run a subcommand."""
    verb, *rest = words or [""]
    if verb not in ("enable", "disable", "restart", "refresh", "clear", "mark"):
        raise CommandError(f"unknown subcommand {verb!r}", read.USAGE)
    options, operands = read.options(rest, "rstST:It" if verb != "mark" else "It")
    if verb == "mark":
        if operands[:1] != ["maintenance"]:
            raise CommandError("mark: only maintenance is known", read.USAGE)
        operands = operands[1:]
    if not operands:
        raise CommandError(f"{verb}: name a service", read.USAGE)
    for pattern in operands:
        startd.ask({"do": verb, "fmri": pattern})
    if "-s" not in options:
        return 0
    wanted = ("online", "degraded") if verb != "disable" else ("disabled",)
    limit = float(options["-T"]) if "-T" in options else None
    return max(_wait(pattern, wanted, limit) for pattern in operands)


def _wait(pattern: str, wanted: Sequence[str], limit: float | None) -> int:
    deadline = None if limit is None else time.monotonic() + limit
    while True:
        services = {one["fmri"]: one for one in startd.ask({"do": "list"})}
        fmri = matching(pattern, services)[0]
        state = services[fmri]["state"]
        if state in wanted:
            return 0
        if state == "maintenance":
            print(f'svcadm: Instance "{fmri}" is in maintenance state.', file=sys.stderr)
            return _ADMINISTRATOR
        if state == "offline" and services[fmri]["reason"]:
            print(f'svcadm: Instance "{fmri}" has unsatisfied dependencies.', file=sys.stderr)
            return _ADMINISTRATOR
        if deadline is not None and time.monotonic() > deadline:
            print(f'svcadm: "{fmri}" timed out.', file=sys.stderr)
            return _ADMINISTRATOR
        time.sleep(0.01)
