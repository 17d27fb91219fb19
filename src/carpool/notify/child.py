"""The child process: one job from standard input, one try, one line on standard output."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from carpool.notify.job import DELIVERED, FAILED, REFUSED, DeliveryError, Job

if TYPE_CHECKING:
    from types import FrameType

MODULES = {
    "mail": "carpool.notify.mail",
    "webhook": "carpool.notify.webhook",
    "nrdp": "carpool.notify.nrdp",
    "nagios": "carpool.notify.commandfile",
}
_AGAIN = 0.25  # seconds


class _TimeIsUpError(Exception):
    pass


def main() -> int:
    """Try the job. Return the exit code."""
    job = Job.from_json(sys.stdin.buffer.read())
    try:
        said, code = deliver(job), DELIVERED
    except DeliveryError as error:
        said, code = str(error), REFUSED if error.lasting else FAILED
    except Exception as error:  # noqa: BLE001 - its text may have the secret, in whatever form
        said, code = f"the delivery has failed: {type(error).__name__}", FAILED
    if job.secret:
        said = said.replace(job.secret, "***")
    print(" ".join(said.split()), flush=True)
    return code


def deliver(job: Job) -> str:
    """Try the job once, within its time. Return what became of it. Raises DeliveryError."""
    doing, over = "beginning", False

    def step(what: str) -> None:
        nonlocal doing
        doing = what

    def ring(_signum: int, _frame: FrameType | None) -> None:
        if not over:
            raise _TimeIsUpError

    module = import_module(MODULES[job.type])
    signal.signal(signal.SIGALRM, ring)
    # Again and again: whatever says good-bye in between may be kept waiting as well.
    signal.setitimer(signal.ITIMER_REAL, job.timeout, _AGAIN)
    try:
        return str(module.deliver(job, step))
    except (_TimeIsUpError, TimeoutError):
        over = True  # A child that has to wait for a processor here hears it once more.
        raise DeliveryError(f"not done after {job.timeout:g} s, while {doing}") from None
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
