"""The wires of the virtual LAN: who hears whom, how late, how often, in what order."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator

DELAY = (100_000, 300_000)
"""Nanoseconds from one node to another, at least and at most, while nothing is wrong."""


class Network:
    """One LAN segment, with what can go wrong on it. Times are in nanoseconds.

    `loss` and `duplicates` are probabilities, of a frame not reaching a node and of its reaching
    it twice. While `ordered`, frames of one node arrive at another in the order they were sent.
    """

    def __init__(self, rng: random.Random, *, delay: tuple[int, int], loss: float) -> None:
        self.usual_delay = self.delay = delay
        self.loss = loss
        self.duplicates = 0.0
        self.ordered = True
        self.calm_from = 0
        """When the last frame arrives that was sent before `calm`."""
        self._last_arrival = 0
        self._rng = rng
        self._parts: defaultdict[str, int] = defaultdict(int)
        self._cut: set[tuple[str, str]] = set()
        self._last_on_path: defaultdict[tuple[str, str], int] = defaultdict(int)

    def partition(self, *parts: Iterable[str]) -> None:
        """Let only nodes of the same part hear each other; the unnamed form one more part."""
        self._parts.clear()
        for number, part in enumerate(parts, start=1):
            for name in part:
                self._parts[name] = number

    def cut(self, sender: str, receiver: str) -> None:
        """Let nothing that `sender` says reach `receiver`, which is still heard itself."""
        self._cut.add((sender, receiver))

    def heal(self) -> None:
        """End every partition and cut."""
        self._parts.clear()
        self._cut.clear()

    def calm(self) -> None:
        """End loss, duplicates, disorder and unusual delay."""
        self.loss = self.duplicates = 0.0
        self.ordered = True
        self.delay = self.usual_delay
        self.calm_from = self._last_arrival

    def is_calm(self, now: int) -> bool:
        """Tell whether every frame on an intact path arrives once, in order and soon."""
        weather = (self.loss, self.duplicates, self.ordered, self.delay)
        return now >= self.calm_from and weather == (0.0, 0.0, True, self.usual_delay)

    def connects(self, sender: str, receiver: str) -> bool:
        """Tell whether what `sender` says can reach `receiver`, if both have their cables in."""
        if self._cut and (sender, receiver) in self._cut:
            return False
        return not self._parts or self._parts[sender] == self._parts[receiver]

    def arrivals(self, sender: str, receiver: str, now: int) -> Iterator[int]:
        """Yield when a frame that is sent now arrives: mostly once, sometimes never or twice."""
        if not self.connects(sender, receiver) or self._rng.random() < self.loss:
            return
        yield self._arrival((sender, receiver), now)
        if self.duplicates and self._rng.random() < self.duplicates:
            yield self._arrival((sender, receiver), now)

    def _arrival(self, path: tuple[str, str], now: int) -> int:
        least, most = self.delay
        arrival = now + least + int(self._rng.random() * (most - least + 1))  # randint is slow
        if self.ordered:
            arrival = max(arrival, self._last_on_path[path])
        self._last_on_path[path] = max(arrival, self._last_on_path[path])
        self._last_arrival = max(self._last_arrival, arrival)
        return arrival
