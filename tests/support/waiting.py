"""Waiting for what is to happen, and failing where it does not."""

import time
from collections.abc import Callable
from typing import TypeVar

from carpool.node.loop import Loop

PATIENCE = 60.0
"""Seconds that a busy machine may take for what takes next to none on an idle one."""

_PAUSE = 0.01  # seconds
_TURN = 1_000_000  # ns

T = TypeVar("T")
What = str | Callable[[], object]
"""For the failure: what was waited for, or what tells how things stand."""


def until(condition: Callable[[], T], what: What = "", seconds: float = PATIENCE) -> T:
    """Return what `condition` returns as soon as that is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, _failure(seconds, what)
        time.sleep(_PAUSE)
    return found


def turn(loop: Loop, duration: int, rounds: int = 8) -> None:
    """Let a loop turn for that many nanoseconds, or until something stops it.

    And for some rounds after that: a busy machine may take all the time away.
    """
    left = iter(range(rounds))

    def end() -> None:
        if next(left, None) is None:
            loop.stop()
        else:
            timer.reschedule(loop.now())

    timer = loop.call_at(loop.now() + duration, end)
    loop.run()
    timer.cancel()


def turn_until(
    loop: Loop, condition: Callable[[], object], what: What = "", seconds: float = PATIENCE
) -> None:
    """Let a loop turn until `condition` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, _failure(seconds, what)
        turn(loop, _TURN)


def _failure(seconds: float, what: What) -> str:
    return f"not so within {seconds} s: {what() if callable(what) else what}"
