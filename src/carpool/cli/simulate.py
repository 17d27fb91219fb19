"""``carpool simulate FILE``: what each fault would cost a cluster, in virtual time."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from carpool.cli.check import show
from carpool.cli.paragraphs import Paragraphs
from carpool.cluster.load import load
from carpool.cluster.wording import table
from carpool.sim.outage import Cost, costs

EPILOG = """The daemon's own election decides, on a virtual network where a frame takes 0.1 to
0.3 ms. Scripts, switches and operating systems take their time on top. Nothing is touched, and
no password is read.

exit codes: 0 another node takes over after every fault, in every run; 1 not so; 2 the file has
mistakes, or there is no group in it with two nodes.
"""


def main(arguments: list[str]) -> int:
    """Print the outages and return the exit code."""
    options = parser().parse_args(arguments)
    loaded = load(options.file, secrets=False)
    if loaded.cluster is None:
        for finding in loaded.findings:
            print(finding, file=sys.stderr)
        return 2
    groups = [group for group in loaded.cluster.groups if len(group.members) > 1]
    if not groups:
        print(
            f"carpool simulate: {options.file}: no group has two nodes; add a [nodes.NAME] "
            "to take over",
            file=sys.stderr,
        )
        return 2
    found = [
        cost
        for group in groups
        for cost in costs(group, loaded.cluster, runs=options.runs, seed=options.seed)
    ]
    show(json_text(found, options.runs, options.seed) if options.json else as_text(found))
    return 1 if any(cost.worst is None for cost in found) else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool simulate",
        description="Tell for each fault how long the addresses of a cluster file would be gone.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("file", type=Path, metavar="FILE", help="the cluster file (TOML)")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument(
        "--runs", type=_count, default=20, metavar="N", help="runs for each fault (default 20)"
    )
    made.add_argument("--seed", type=int, default=0, metavar="N", help="the first seed (0)")
    return made


def as_text(found: Sequence[Cost]) -> str:
    """Return the outages as a table."""
    head = ("group", "fault", "outage", "worst", "taken over by", "on return", "two held")
    rows = [
        (
            cost.group,
            cost.fault,
            _duration(cost.median),
            _duration(cost.worst),
            ", ".join(cost.successors) or "nobody",
            _duration(max(cost.returns)),
            _duration(max(cost.shared)),
        )
        for cost in found
    ]
    return "".join(f"{line}\n" for line in table((head, *rows)))


def json_text(found: Sequence[Cost], runs: int, seed: int) -> str:
    """Return the outages as a JSON object, in milliseconds; null where nobody took over."""
    listed = [
        {
            "group": cost.group,
            "fault": cost.fault,
            "outage_ms": _milliseconds(cost.median),
            "worst_ms": _milliseconds(cost.worst),
            "successors": list(cost.successors),
            "return_ms": _milliseconds(max(cost.returns)),
            "two_holders_ms": _milliseconds(max(cost.shared)),
        }
        for cost in found
    ]
    return json.dumps({"runs": runs, "seed": seed, "faults": listed}, indent=2) + "\n"


def _milliseconds(duration: int | None) -> float | None:
    return None if duration is None else round(duration / 1e6, 1)


def _duration(duration: int | None) -> str:
    if duration is None:
        return "for good"
    return f"{duration / 1e9:.2f} s" if duration >= 10**9 else f"{duration / 1e6:.1f} ms"


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 10000")
    return int(text)
