"""On a healthy lab the doctor finds nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]


def test_a_healthy_lab() -> None:
    lab = [sys.executable, "-P", "-m", "carpool", "lab", "run", str(EXAMPLES / "two-zones.toml")]
    commands = "doctor web1; doctor web2; doctor client; stop web1; wait 1; doctor web2"
    done = subprocess.run(
        [*lab, "-c", commands], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("nothing found") == 4, done.stdout
