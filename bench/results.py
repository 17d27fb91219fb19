"""What has been measured: a JSON file, written after every measure, and statistics of it.

{"machine": {...}, "versions": {PEER: VERSION},
 "measures": {NAME: {"date", "seconds", "minutes", "quick", "failed": {PEER: [WHY]},
                     "rounds": {PEER: [{"figures": {...}, "noise": {...}, "noisy": WHY}]}}}}
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of a figure, and its least and most."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Summarise values; at least one."""
        return cls(statistics.median(values), min(values), max(values), len(values))


class Results:
    """The figures of a run, or of several that went on with one file."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self.data: dict[str, Any] = data or {"machine": {}, "versions": {}, "measures": {}}

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file; an absent one is as an empty one."""
        return cls(json.loads(path.read_text()) if path.exists() else None)

    def save(self, path: Path) -> None:
        """Write the file, all of it or nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(self.data, indent=1) + "\n")
        scratch.replace(path)

    def begin(self, versions: Mapping[str, str]) -> None:
        """Take note of the machine and of what is measured."""
        self.data["machine"] = {
            "kernel": ".".join(platform.release().split(".")[:2]),
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
        }
        self.data["versions"] |= versions

    def add(self, name: str, entry: dict[str, Any]) -> None:
        """Take in a measure that is finished, in place of an older one."""
        entry["date"] = time.strftime("%Y-%m-%d", time.gmtime())
        self.data["measures"][name] = entry

    @property
    def measures(self) -> dict[str, Any]:
        """What there is, by name."""
        found: dict[str, Any] = self.data["measures"]
        return found

    @property
    def peers(self) -> list[str]:
        """The kinds of daemon that took part."""
        return [*self.data["versions"]]

    def rounds(self, name: str, peer: str) -> list[dict[str, Any]]:
        """Return the rounds of a measure."""
        found: list[dict[str, Any]] = self.measures.get(name, {}).get("rounds", {}).get(peer, [])
        return found

    def values(self, name: str, peer: str, figure: str) -> list[float]:
        """Return a figure of every round that has it."""
        return [
            one["figures"][figure] for one in self.rounds(name, peer) if figure in one["figures"]
        ]

    def spread(self, name: str, peer: str, figure: str) -> Spread | None:
        """Return the summary of a figure, or None if it was not measured."""
        values = self.values(name, peer, figure)
        return Spread.of(values) if values else None

    def noise(self, name: str) -> Spread | None:
        """Return the summary of how late the machine was before the faults (p99, ms)."""
        rounds = self.measures.get(name, {}).get("rounds", {}).values()
        heard = [one["noise"]["p99"] for of_peer in rounds for one in of_peer]
        return Spread.of(heard) if heard else None
