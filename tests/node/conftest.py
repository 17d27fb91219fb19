"""What tests of the daemon's parts need."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.node.serving import Served
from tests.support.written import Written

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
