"""``carpool replay TRACE``: decide once more what a daemon decided, and say why."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from carpool.cli.check import show
from carpool.cli.paragraphs import Paragraphs
from carpool.recorder import story
from carpool.recorder.reading import MOST_BYTES, GroupTrace, Trace, TraceError, read
from carpool.recorder.rerun import RerunError, Step, rerun
from carpool.recorder.trace import Head

EPILOG = """A trace is what carpool trace wrote on the node, or the daemon itself after a failover
or a crash. This program decides anew, and needs neither the cluster file nor a password.

times: 03:12, 03:12:04.5 (of the trace's first day), 2026-11-23T03:12:04 (UTC), or +30 (seconds from
the trace's beginning).

exit codes: 0 all was decided as recorded; 1 this carpool decides otherwise; 2 the file is no trace,
or damaged, or of another version, or wrong usage.
"""

DIFFERS, BAD_FILE = 1, 2


def main(arguments: list[str]) -> int:
    """Tell the story of a trace and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        trace = _read(options.file)
        groups = _chosen(trace, options.group)
        begins = min((piece.begins for one in groups for piece in one.pieces), default=0)
        first = _instant(trace.head, begins, options.since)
        last = _instant(trace.head, begins, options.until)
        notes: list[str] = []
        told = {group.name: list(_rerun(group, notes)) for group in groups}
    except (TraceError, RerunError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        print(f"carpool replay: {options.file}: {reason}", file=sys.stderr)
        return BAD_FILE
    for note in dict.fromkeys(notes):
        print(f"carpool replay: {note}; it may decide otherwise for that", file=sys.stderr)

    def shown(step: Step) -> bool:
        instant = step.entry.instant
        return (first is None or instant >= first) and (last is None or instant <= last)

    write = _json if options.json else _text
    show("".join(f"{line}\n" for line in write(trace.head, groups, told, shown, every=options.all)))
    differing = sum(bool(step.differs) for steps in told.values() for step in steps)
    if differing and not options.json:
        print(
            f"carpool replay: {differing} decisions differ from what was recorded", file=sys.stderr
        )
    return DIFFERS if differing else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool replay",
        description="Decide once more what a daemon decided, step by step, and say why.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("file", type=Path, metavar="TRACE", help="the file")
    made.add_argument(
        "--group", action="append", metavar="NAME", help="this group only; may be repeated"
    )
    made.add_argument("--from", dest="since", metavar="TIME", help="show what came then or later")
    made.add_argument("--to", dest="until", metavar="TIME", help="show what came until then")
    made.add_argument(
        "--all", action="store_true", help="show every step, also what goes on as before"
    )
    made.add_argument("--json", action="store_true", help="print JSON, a line for each step")
    return made


def _read(path: Path) -> Trace:
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise TraceError("it is too large for a trace")
    return read(content)


def _chosen(trace: Trace, names: list[str] | None) -> list[GroupTrace]:
    there = {group.name: group for group in trace.groups}
    for name in names or ():
        if name not in there:
            raise TraceError(f"there is no group {name!r} in it; it has {', '.join(there)}")
    return [group for group in trace.groups if names is None or group.name in names]


def _rerun(group: GroupTrace, notes: list[str]) -> Iterator[Step]:
    notes += group.notes
    try:
        yield from rerun(group.settings, group.pieces, notes)
    except RerunError as error:
        raise RerunError(f"group {group.name}: {error}") from None


def _text(
    head: Head,
    groups: list[GroupTrace],
    told: dict[str, list[Step]],
    shown: Callable[[Step], bool],
    *,
    every: bool,
) -> Iterator[str]:
    yield from story.introduction(head, groups)
    width = max(map(len, told), default=0)
    stories = (story.lines(name, filter(shown, steps), every=every) for name, steps in told.items())
    for line in story.merged(stories):
        yield f"{story.stamp(head, line.instant)} {line.group:<{width}} {line.text}"


def _json(
    head: Head,
    groups: list[GroupTrace],
    told: dict[str, list[Step]],
    shown: Callable[[Step], bool],
    *,
    every: bool,  # noqa: ARG001
) -> Iterator[str]:
    steps = [(step, group.name) for group in groups for step in told[group.name] if shown(step)]
    for step, name in sorted(steps, key=lambda one: one[0].entry.instant):
        yield json.dumps(story.as_json(head, name, step))


def _instant(head: Head, begins: int, text: str | None) -> int | None:
    """Return the instant that a time means. Raises TraceError."""
    if text is None:
        return None
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    try:
        if text.startswith("+"):
            return begins + int(float(text[1:]) * 1e9)
        if ":" in text and "-" not in text:
            day = epoch + timedelta(microseconds=(head.wall + begins) // 1000)
            text = f"{day.date().isoformat()}T{text}"
        meant = datetime.fromisoformat(text)
        meant = meant if meant.tzinfo else meant.replace(tzinfo=UTC)
        return (meant - epoch) // timedelta(microseconds=1) * 1000 - head.wall
    except (ValueError, OverflowError):
        raise TraceError(f"{text!r} is no time: say 03:12:04, 2026-11-23T03:12:04 or +30") from None
