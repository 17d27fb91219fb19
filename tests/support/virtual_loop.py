"""The daemon's event loop in virtual time: an hour of it takes no time."""

import heapq
from collections.abc import Callable


class VirtualTimer:
    def __init__(self, loop: "VirtualLoop", callback: Callable[[], None]) -> None:
        self._loop = loop
        self.callback = callback
        self.when: int | None = None

    def reschedule(self, when: int) -> None:
        self.when = max(when, self._loop.time)
        heapq.heappush(self._loop.queue, (self.when, next(self._loop.serial), self))

    def cancel(self) -> None:
        self.when = None


class VirtualLoop:
    """The timers of a `carpool.node.loop.Loop`, on a clock of its own."""

    def __init__(self, time: int = 0) -> None:
        self.time = time
        self.queue: list[tuple[int, int, VirtualTimer]] = []
        self.serial = iter(range(1 << 30))

    def now(self) -> int:
        return self.time

    def call_at(self, when: int, callback: Callable[[], None]) -> VirtualTimer:
        timer = VirtualTimer(self, callback)
        timer.reschedule(when)
        return timer

    def at_end_of_round(self, callback: Callable[[], None]) -> None:
        callback()

    def run(self, duration: int) -> None:
        """Let so many nanoseconds pass."""
        end = self.time + duration
        while self.queue and self.queue[0][0] <= end:
            when, _, timer = heapq.heappop(self.queue)
            if timer.when == when:
                self.time, timer.when = max(self.time, when), None
                timer.callback()
        self.time = end
