"""What all commands have in common."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_a_reader_that_has_enough_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "carpool", "explain"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        assert listing.stderr.read() == b""
    assert listing.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        listing = subprocess.run(
            [sys.executable, "-P", "-m", "carpool", "explain"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert listing.stderr == b"carpool explain: cannot write: No space left on device\n"
    assert listing.returncode == 2
