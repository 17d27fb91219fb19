"""The child's alarm: it rings until the child has done with it, and not beyond."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from tests.notify.support import job

from carpool.notify import child
from carpool.notify.job import DeliveryError, Step


class Slow(float):
    """A number that takes its time to be written down."""

    def __format__(self, how: str) -> str:
        time.sleep(0.05)
        return super().__format__(how)


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_an_alarm_while_the_last_one_is_told_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def deliver(_job: object, step: Step) -> str:
        step("waiting")
        time.sleep(60)
        return "never"

    monkeypatch.setattr(child, "import_module", lambda _: SimpleNamespace(deliver=deliver))
    monkeypatch.setattr(child, "_AGAIN", 0.001)
    with pytest.raises(DeliveryError, match=r"not done after 0.01 s, while waiting"):
        child.deliver(job("webhook", timeout=Slow(0.01)))
