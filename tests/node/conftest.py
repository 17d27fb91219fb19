"""What tests of the daemon's parts need."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.node.serving import Served
from tests.support.written import Written

from carpool.node import clock
from carpool.node.loop import Loop
from carpool.node.rundir import claim


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def lines() -> Written:
    return Written()


@pytest.fixture
def served(loop: Loop) -> Iterator[Served]:
    with TemporaryDirectory(prefix="carpool-") as folder:
        claimed = claim([Path(folder) / "run"], "left")
        made = Served(claimed, loop)
        yield made
        made.control.close()
        claimed.release()


@pytest.fixture
def sleep(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what lets the machine sleep for some nanoseconds, with all its processes."""
    real, slept = clock.now, [0]
    monkeypatch.setattr(clock, "now", lambda: real() + slept[0])

    def sleep(duration: int) -> None:
        slept[0] += duration

    return sleep
