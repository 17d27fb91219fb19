"""A campaign: many scenarios on many cores; those that break an invariant are shrunk and kept."""

import os
import sys
import time
from collections.abc import Iterator
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

QUIET_SECONDS = 60
"""Between two lines about the progress where they do not replace each other."""


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
        try:
            broken = violations(scenario, play(scenario))
        except Exception as error:
            error.add_note(f"in the scenario of seed {seed}")
            raise
        if broken:
            found.append((seed, broken[0].rule))
    return found


def smallest(seed: int, rule: str) -> Failure:
    """Shrink the scenario of a seed that broke an invariant."""
    return Failure(seed, rule, shrink(generate(seed), breaks(rule)))


def campaign(
    seeds: range, progress: "Progress", *, jobs: int | None = None
) -> Iterator[tuple[int, str]]:
    """Play the scenarios of these seeds on `jobs` processes, by default one for each core.

    Yields (seed, invariant) for each that broke one, and lets `progress` know.
    """
    batches = [seeds[start : start + BATCH] for start in range(0, len(seeds), BATCH)]
    with ProcessPoolExecutor(jobs or len(os.sched_getaffinity(0))) as pool:
        for batch, (found, took) in zip(batches, pool.map(_timed, batches), strict=True):
            yield from found
            progress.note(len(batch), len(found), took)


def _timed(seeds: range) -> tuple[list[tuple[int, str]], float]:
    """Return what failed, and the seconds of processor time it took."""
    begun = time.process_time()
    return failing(seeds), time.process_time() - begun


class Progress:
    """Says how far a campaign is: on a terminal all the time, else a line now and then."""

    def __init__(self, total: int) -> None:
        """Begin to measure the rate of `total` scenarios."""
        self._total = total
        self._played = self._failed = 0
        self._processor_time = 0.0
        self._begun = time.monotonic()
        self._told_at = self._begun

    def note(self, played: int, failed: int, took: float) -> None:
        """Count `played` more, `failed` of them broken, for `took` seconds of processor time."""
        self._played += played
        self._failed += failed
        self._processor_time += took
        now = time.monotonic()
        left = (self._total - self._played) * (now - self._begun) / self._played / 60
        text = f"{self._rate(now)}, {left:.0f} minutes left, {self._failed} violations"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text} ")
        elif now - self._told_at >= QUIET_SECONDS:
            self._told_at = now
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def summary(self) -> str:
        """Say how many there were, how fast, and whether any failed."""
        now = time.monotonic()
        outcome = f"{self._failed} broke an invariant" if self._failed else "every invariant held"
        return f"{self._rate(now)}, in {(now - self._begun) / 60:.1f} minutes: {outcome}"

    def _rate(self, now: float) -> str:
        rate = self._played / (now - self._begun)
        alone = self._played / (self._processor_time or 1)
        return f"{self._played:,} scenarios, {rate:,.0f} a second, {alone:,.0f} per core and second"
