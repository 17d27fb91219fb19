"""Running a measure: its rounds, of all kinds of daemon in turn."""

import math
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from bench.measure import Measure, Settings
from bench.measures import MEASURES
from bench.pool import at_a_time, in_namespaces

ATTEMPTS = 3
QUICK_JOBS = 3
Task = tuple[str, str, int, int, Settings]
"""The arguments of `run_round`."""


def run_round(
    name: str, peer: str, index: int, rounds: int, settings: Settings
) -> dict[str, Any] | str:
    """Run one round; again if the machine was too noisy, or the round never got to its fault.

    The last attempt takes the machine as it is, and says so.
    """
    measure = MEASURES[name]
    record: dict[str, Any] | str = ""
    noisy = ""
    for attempt in range(1, ATTEMPTS + 1):
        calm = measure.calm if attempt < ATTEMPTS else math.inf

        def once(folder: Path, calm: float = calm) -> dict[str, Any]:
            return measure.once(peer, index, rounds, folder, settings, calm)

        record = in_namespaces(once)
        if isinstance(record, str):
            continue
        if "noisy" not in record:
            if calm == math.inf and record["noise"]["p99"] > measure.calm:
                record["noisy"] = noisy
            return record
        noisy = record["noisy"]
    return record


def run_measure(
    measure: Measure, peers: list[str], rounds: int | None, settings: Settings
) -> dict[str, Any]:
    """Run all rounds of a measure and return its entry for the results."""
    count = rounds or measure.rounds[settings.quick] or 1
    jobs = max(measure.jobs, QUICK_JOBS) if settings.quick else measure.jobs
    taking_part = [peer for peer in measure.peers if peer in peers]
    found: dict[str, dict[int, dict[str, Any]]] = {peer: {} for peer in taking_part}
    failed: dict[str, list[str]] = {}
    began = time.monotonic()
    tasks = [
        # A different one is first in each round.
        (measure.name, taking_part[(turn + index) % len(taking_part)], index, count, settings)
        for index in range(count)
        for turn in range(len(taking_part))
    ]
    for (_, peer, index, *_), record in _until_broken(jobs, tasks, failed):
        told = f"{measure.name:<14} {index + 1:2}/{count}  {peer:<10}"
        if isinstance(record, str):
            failed.setdefault(peer, []).append(record)
            print(f"{told} failed: {record}", file=sys.stderr, flush=True)
            continue
        found[peer][index] = record
        figures = "  ".join(f"{name} {value:,.6g}" for name, value in record["figures"].items())
        mark = "  (noisy)" if "noisy" in record else ""
        print(f"{told} {figures}{mark}", file=sys.stderr, flush=True)
    return {
        "seconds": round(time.monotonic() - began),
        "minutes": settings.minutes if measure.long else None,
        "quick": settings.quick,
        "failed": failed,
        "rounds": {
            peer: [by_index[i] for i in sorted(by_index)] for peer, by_index in found.items()
        },
    }


def _until_broken(
    jobs: int, tasks: list[Task], failed: dict[str, list[str]]
) -> Iterator[tuple[Task, dict[str, Any] | str]]:
    """Run the rounds; if one of them took the process with it, the rest of the measure fails."""
    try:
        yield from at_a_time(jobs, run_round, tasks)
    except BrokenExecutor as error:
        failed.setdefault("bench", []).append(str(error))
        print(f"bench: {error}", file=sys.stderr)
