"""A random fault every few seconds for a minute: what is held afterwards, and what it cost."""

from pathlib import Path

import pytest
from bench.soak import soak

pytestmark = [pytest.mark.namespaces, pytest.mark.slow, pytest.mark.timeout(300)]

MINUTES = 1.0
MOST_KIB = 4096
"""By which the memory of the daemon that is never killed may grow."""


def test_after_a_minute_of_faults_one_node_holds_the_address(tmp_path: Path) -> None:
    figures = soak(MINUTES, 1, tmp_path)
    assert figures["recovered"]
    assert figures["faults"] >= 5
    before, after = figures["memory"]
    assert after - before < MOST_KIB
    # A fault costs a takeover at most; only a network in two halves has two holders, and later.
    assert figures["dark"] < figures["faults"] * 5000
    split = figures["kinds"].get("cut off behind a live port", {}).get("two", 0)
    assert figures["two"] - split < figures["faults"] * 500
