"""What commands share that ask several daemons of a host."""

import io
import json
import socket
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from carpool.cli import trace, watch
from carpool.cli.daemons import CANNOT_ASK, ask_all


@pytest.fixture
def run_directory() -> Iterator[Path]:
    """Yield a directory whose path is short enough for sockets."""
    with TemporaryDirectory(prefix="carpool-") as path:
        yield Path(path)


def listening(stack: ExitStack, directory: Path, node: str) -> socket.socket:
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(directory / f"{node}.sock"))
    listener.listen()
    return listener


def answer(listener: socket.socket, **document: object) -> None:
    """Answer all that one client asks."""
    client, _ = listener.accept()
    with client, client.makefile("rw") as file:
        for _ in file:
            file.write(json.dumps({"version": 1, "ok": True, **document}) + "\n")
            file.flush()


def test_frozen_daemons_hold_up_neither_each_other_nor_the_rest(run_directory: Path) -> None:
    frozen = [f"a{number}" for number in range(8)]
    with ExitStack() as stack:
        for node in frozen:
            listening(stack, run_directory, node)
        well = listening(stack, run_directory, "web1")
        thread = threading.Thread(target=answer, args=(well,), kwargs={"node": "web1"})
        thread.start()
        began = time.monotonic()
        options = Namespace(run_dir=run_directory, node=None)
        answers, silent, problems, code = ask_all("status", options, 2)
        took = time.monotonic() - began
        thread.join()
    assert [one["node"] for one in answers] == ["web1"]
    assert silent == frozen
    assert problems[0] == "node a0: the daemon does not answer: is it frozen?"
    assert code == CANNOT_ASK
    assert took < 10, "eight times two seconds, one after the other, would be sixteen"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_trace_that_cannot_be_printed_is_one_that_cannot_be_written(run_directory: Path) -> None:
    command = [sys.executable, "-P", "-m", "carpool", "trace", "-o", "-"]
    command += ["--run-dir", str(run_directory)]
    with ExitStack() as stack:
        listener = listening(stack, run_directory, "web1")
        told = {"node": "web1", "head": {"carpool": "trace"}, "groups": ["www"], "lines": [{}]}
        thread = threading.Thread(target=answer, args=(listener,), kwargs=told)
        thread.start()
        full = stack.enter_context(Path("/dev/full").open("wb"))
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        thread.join()
    said = "carpool trace: standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (trace.CANNOT_WRITE, said)


@pytest.mark.parametrize(
    ("output", "keyboard", "why"),
    [
        (True, False, "standard input is no terminal"),
        (False, True, "standard output is no terminal"),
        (True, True, "this terminal cannot move its cursor (TERM=dumb)"),
    ],
)
def test_watch_says_why_it_cannot_draw(
    run_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    output: bool,
    keyboard: bool,
    why: str,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: output)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(sys.stdin, "isatty", lambda: keyboard)
    with ExitStack() as stack:
        listener = listening(stack, run_directory, "web1")
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        assert watch.main(["--run-dir", str(run_directory)]) == 2
        thread.join()
    assert f"carpool watch: {why}; see carpool status" in capsys.readouterr().err
