"""What tests of the daemon's parts need."""

from collections.abc import Iterator

import pytest
from tests.support.written import Written

from carpool.node.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def lines() -> Written:
    return Written()
