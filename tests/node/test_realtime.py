"""A real-time priority, taken and given up for real."""

import subprocess
import sys

import pytest

GIVEN_UP = """
import os, sys
from carpool.node import realtime

if realtime.take_priority() is not None:
    sys.exit(77)
assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
os.setresuid(65534, 65534, 65534)  # without CAP_SYS_NICE, as where LimitRTPRIO permits it
realtime.drop_priority()
assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_OTHER
"""


def test_it_is_given_up_without_the_right_to_take_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GIVEN_UP], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("no real-time priority here: it takes root, or CAP_SYS_NICE and CAP_SETUID")
    assert done.returncode == 0, done.stderr
