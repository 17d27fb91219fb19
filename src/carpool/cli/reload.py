"""``carpool reload``: apply a changed cluster file to the running daemon."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from carpool.cli.check import show
from carpool.cli.daemons import CANNOT_ASK, daemon_parser, tell
from carpool.cli.restart import PATIENCE, came_back

_EPILOG = """The daemon reads the file that it was started with. A file with errors is refused, with
the findings of carpool check, and nothing changes. Under the hardened systemd unit that is what it
was given at its start: there a changed file or password takes systemctl restart.

"""


def main(arguments: list[str]) -> int:
    """Reload, say what was or would be changed, and return the exit code."""
    options = parser().parse_args(arguments)
    wishes = {"force": options.force, "dry_run": options.dry_run}
    answer = tell("reload", options, seconds=PATIENCE, **wishes)
    if isinstance(answer, int):
        return answer
    for warning in answer["warnings"]:
        print(warning, file=sys.stderr)
    if options.json:
        told = {key: answer[key] for key in ("changes", "applied", "warnings")}
        show(json.dumps(told, indent=2) + "\n")
    else:
        show("".join(f"{line}\n" for line in _lines(answer, dry_run=options.dry_run)))
    applied = answer["applied"]
    if applied and came_back("reload", options, answer["restarts"]) is None:
        return CANNOT_ASK
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = daemon_parser(
        "reload",
        "Apply what has changed in the cluster file, and in the password files, to the running "
        "daemon. Groups that have not changed go on untouched: no script runs, no address moves. "
        "If nothing has changed, nothing is done.",
        _EPILOG,
    )
    made.add_argument(
        "-n", "--dry-run", action="store_true", help="only tell what would be changed"
    )
    made.add_argument(
        "--force",
        action="store_true",
        help="even if the backups might take over before the daemon is back",
    )
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def _lines(answer: Mapping[str, Any], *, dry_run: bool) -> Iterator[str]:
    for one in answer["changes"]:
        what = one["name"] if one["what"] != "check" else f"check {one['name']}"
        yield f"{what}: {one['change']}"
        for key, values in one["keys"].items():
            yield f"    {key}" + ("" if values is None else f": {_shown(values)}")
    if answer["changes"]:
        yield "nothing was changed: this was a dry run" if dry_run else "applied"
    else:
        yield "nothing has changed in the file"
    if not answer["applied"] and answer["program"] != answer["new_program"]:
        yield f"the program that is installed is another, {answer['new_program']}: carpool restart"


def _shown(values: tuple[str | None, str | None]) -> str:
    before, after = ("the default" if one is None else one for one in values)
    return f"{before} -> {after}"
