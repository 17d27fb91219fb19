"""Children that try to tell somebody, run by a real loop."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.notify.servers import odd_server, web_server
from tests.notify.support import job

from carpool.node.loop import Loop
from carpool.node.notify import delivery as module
from carpool.node.notify.delivery import Delivery, Outcome
from carpool.notify.job import Job


def deliver(wanted: Job) -> Outcome:
    loop = Loop()
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        loop.stop()

    try:
        child = Delivery(loop, wanted, done)
        assert outcomes == []
        loop.run()
        assert child.pid is None
    finally:
        loop.close()
    (outcome,) = outcomes
    return outcome


def test_a_job_of_any_size_reaches_the_child_and_its_secret_nobody_else() -> None:
    with web_server() as server:
        url = f"http://127.0.0.1:{server.port}/"
        headers = {f"X-{number}": "x" * 4000 for number in range(15)}
        long = {f"n{number}": "y" * 1000 for number in range(200)}
        wanted = job("webhook", url=url, headers=headers, unused=long, secret="open-sesame")
        assert len(wanted.to_json()) > 200_000
        outcome = deliver(wanted)
    assert (outcome.ok, outcome.lasting) == (True, False), outcome
    assert outcome.said == f"127.0.0.1 port {server.port} has taken it"
    assert 0 < outcome.duration_ns < 30e9
    assert "sesame" not in " ".join(module.command(wanted))
    assert server.requests[0].headers["X-14"] == "x" * 4000


def test_a_child_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE", 10_000_000)
    monkeypatch.setattr(module, "_CODE", "import time; time.sleep(60)")
    start = time.monotonic()
    outcome = deliver(job("webhook", timeout=0.2))
    assert time.monotonic() - start < 10
    assert outcome == Outcome(
        ok=False, said="not done after 0.2 s", duration_ns=outcome.duration_ns
    )


def test_a_server_that_hangs_is_named_by_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE", 30_000_000_000)  # its start counts, too
    with odd_server(lambda _: time.sleep(60)) as port:
        # Time enough to connect and to send.
        outcome = deliver(job("webhook", url=f"http://127.0.0.1:{port}/", timeout=3))
    assert "while waiting for the answer of 127.0.0.1" in outcome.said
    assert (outcome.ok, outcome.lasting) == (False, False)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('of no use')", "ValueError: of no use"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("raise SystemExit(7)", "exit code 7"),
    ],
)
def test_a_child_that_breaks(monkeypatch: pytest.MonkeyPatch, code: str, said: str) -> None:
    monkeypatch.setattr(module, "_CODE", code)
    outcome = deliver(job("webhook"))
    assert (outcome.ok, outcome.said) == (False, said)


def test_a_child_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, not paths
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    outcome = deliver(job("webhook"))
    assert outcome.said == "no process can be started: No such file or directory"
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 1  # noqa: PTH208
