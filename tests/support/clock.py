"""A wall clock of a program's own, which can be set: libfaketime."""

import os
from pathlib import Path

import pytest
from bench.peers import faketime

needs_faketime = pytest.mark.skipif(
    faketime() is None and "CARPOOL_REQUIRE_PEERS" not in os.environ,
    reason="libfaketime is not installed",
)


def set_clock(clock: Path, seconds: int) -> None:
    """Set a clock to so many seconds ahead of the true time, at once for who reads it."""
    clock.with_suffix(".new").write_text(f"{seconds:+}\n")
    clock.with_suffix(".new").replace(clock)


def environment_with(clock: Path) -> dict[str, str]:
    """Return what a program needs in its environment to go by that clock."""
    return {
        "LD_PRELOAD": str(faketime()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # The kernel's monotonic clocks are not to be set by anybody.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
