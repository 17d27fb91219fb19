"""The frame that all measures are in: what a measure is, and what a round of it gets."""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.noise import Noise, listen
from bench.peers import PEERS, Peer
from bench.scene import Scene

Figures = dict[str, float]
GOLDEN = (5**0.5 - 1) / 2
"""Steps of it spread evenly over the unit interval, in another order than the rounds'."""
ALL = ("carpool", "ucarp", "keepalived")


class TooNoisyError(Exception):
    """The machine was too busy for the fault that was to come; the round is to be run again."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for: how long the long measures are, in minutes, and the short ones' share."""

    minutes: float = 1.0
    quick: bool = False

    def seconds(self, full: float, quick: float) -> float:
        """Return how long to measure."""
        return quick if self.quick else full


@dataclass(slots=True)
class Round:
    """One round of a measure for one kind of daemon, in namespaces of its own."""

    peer: Peer
    index: int
    rounds: int
    folder: Path
    settings: Settings
    calm: float
    """Milliseconds that 99 % of wake-ups must not be late, or TooNoisyError is raised."""
    noise: Noise | None = None
    python: str = sys.executable

    def before_fault(self, scene: Scene, interval: float = 1.0) -> None:
        """Measure the machine, wait for this round's part of the interval (s), and begin.

        Rounds divide an interval among them, so that no daemon is lucky with the moment: one
        fault falls into each part, somewhere, at the same place for all kinds of daemon.
        """
        self.noise = listen()
        if self.noise.p99 > self.calm:
            raise TooNoisyError(f"1 ms sleeps are {self.noise.p99:.1f} ms late")
        scene.await_advertisement()
        time.sleep(self.phase * interval)
        scene.begin()

    @property
    def phase(self) -> float:
        """How much of an interval after an advertisement the fault is to come."""
        return (self.index + self._chance("fault")) / self.rounds

    @property
    def lag(self) -> float:
        """How long after the first the second node is to start (s): anywhere in an interval.

        ucarp looks for what it has heard once a second, and so when in an interval it does hangs
        on when it was started.
        """
        return (self.index * GOLDEN + self._chance("start") / self.rounds) % 1

    def _chance(self, what: str) -> float:
        return random.Random(f"{what} {self.index}").random()


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured, of all `peers` in turn.

    `run` returns the figures of a round by name; `units` are theirs. `jobs` rounds run at a time:
    1 where a busy machine would show. `calm` is in ms, see Round; `rounds` are (full, quick), quick
    0: left out there.
    """

    name: str
    title: str
    run: Callable[[Round], Figures]
    units: dict[str, str]
    rounds: tuple[int, int]
    peers: tuple[str, ...] = ALL
    jobs: int = 1
    calm: float = 20.0
    short: str = ""
    """The title in a picture."""
    long: bool = False
    """Whether it takes the minutes that were asked for."""

    def once(
        self, peer: str, index: int, rounds: int, folder: Path, settings: Settings, calm: float
    ) -> dict[str, Any]:
        """Run one round in the namespaces that we are in; return its record for the results."""
        this = Round(PEERS[peer], index, rounds, folder, settings, calm)
        try:
            figures = self.run(this)
        except TooNoisyError as error:
            return {"noisy": str(error)}
        heard = asdict(this.noise) if this.noise else asdict(listen())
        return {"figures": figures, "noise": heard}
