"""How the demo of SmartOS judges what its client tells, in virtual time."""

from types import SimpleNamespace
from typing import Any

import pytest

from carpool.lab.probe import Answer
from carpool.lab.smartos import demo as demo_module

MS = 1_000_000


class Clock:
    """The module `time`, 600 ms after the client has had an answer."""

    now = 1600 * MS

    def monotonic_ns(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)


def demo(monkeypatch: pytest.MonkeyPatch, *more: Answer) -> Any:
    """Return a demo whose client was answered every 10 ms for a second, and then so."""
    clock = Clock()
    monkeypatch.setattr(demo_module, "time", clock)
    came = [*(Answer(at * MS, at * MS, "web1") for at in range(0, 1001, 10)), *more]
    made: Any = object.__new__(demo_module._Demo)
    made._probe = SimpleNamespace(
        answers=lambda: [one for one in came if one.received <= clock.now]
    )
    made._cluster = SimpleNamespace(nodes=[SimpleNamespace(name="web1")])
    return made


def test_a_client_without_a_processor_has_not_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    late = Answer(1700 * MS, 1700 * MS, "web1", stalled=695 * MS)
    assert demo(monkeypatch, late)._wait_since(900 * MS) == 10 * MS
    assert demo(monkeypatch, late)._master().name == "web1"


def test_a_client_that_nobody_answers_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert demo(monkeypatch)._wait_since(900 * MS) > 1600 * MS
    with pytest.raises(demo_module._WentWrongError, match="no zone answers the client"):
        demo(monkeypatch)._master()
