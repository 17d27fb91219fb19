"""A campaign: many scenarios on many cores; each that breaks an invariant is shrunk and kept."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from carpool.sim.generate import generate
from carpool.sim.scenario import Scenario, play, write
from carpool.sim.shrink import breaks, shrink
from carpool.sim.story import story
from carpool.sim.verdict import violations

BATCH = 250
"""Scenarios that one process plays before it reports."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed whose scenario broke an invariant, and that scenario made small."""

    seed: int
    rule: str
    smallest: Scenario

    def story(self) -> str:
        """Tell what happens in the small scenario."""
        lan = play(self.smallest)
        return story(self.smallest, lan, violations(self.smallest, lan))

    def save(self, directory: Path) -> Path:
        """Write the small scenario to a file, which replays exactly, and return its path."""
        path = directory / f"{self.rule.replace(' ', '-')}-{self.seed}.jsonl"
        path.write_text(write(self.smallest))
        return path


def failing(seeds: range) -> list[tuple[int, str]]:
    """Play the scenarios of these seeds; return (seed, invariant) for each that broke one."""
    found = []
    for seed in seeds:
        scenario = generate(seed)
        if broken := violations(scenario, play(scenario)):
            found.append((seed, broken[0].rule))
    return found


def smallest(seed: int, rule: str) -> Failure:
    """Shrink the scenario of a seed that broke an invariant."""
    return Failure(seed, rule, shrink(generate(seed), breaks(rule)))


def campaign(
    seeds: range, *, jobs: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Iterator[Failure]:
    """Play the scenarios of these seeds on `jobs` processes, by default one for each core.

    Yields the first failure of each invariant. `progress` is told how many have been played, and
    how many of them failed.
    """
    batches = [seeds[start : start + BATCH] for start in range(0, len(seeds), BATCH)]
    known: Counter[str] = Counter()
    with ProcessPoolExecutor(jobs or len(os.sched_getaffinity(0))) as pool:
        for number, found in enumerate(pool.map(failing, batches), start=1):
            for seed, rule in found:
                known[rule] += 1
                if known[rule] == 1:
                    yield smallest(seed, rule)
            if progress is not None:
                progress(min(number * BATCH, len(seeds)), known.total())


def show_progress(played: int, failed: int) -> None:
    """Say on a terminal how far a campaign is."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{played:,} scenarios, {failed} failed ")
        sys.stderr.flush()
