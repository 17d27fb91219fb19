"""Rounds in namespaces of their own, some at a time, each by a process that ends with it."""

import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any, TypeVar

from carpool.lab.namespaces import LabError, inside

_LOG_CHARACTERS = 800
_INTERRUPTED = {128 + signal.SIGINT, 128 + signal.SIGTERM}

Task = TypeVar("Task", bound=tuple[Any, ...])
Result = TypeVar("Result")


class InterruptedRoundError(Exception):
    """A round was told to end."""


def in_namespaces(run: Callable[[Path], dict[str, Any]]) -> dict[str, Any] | str:
    """Run a round, with a folder of its own, in new namespaces.

    Return its figures, or why there are none: with the ends of the logs in the folder. Raises
    InterruptedRoundError.
    """

    def main() -> int:
        try:
            figures = run(folder)
        except (LabError, TimeoutError) as error:
            logs = [f"{log.name}: {log.read_text()[-_LOG_CHARACTERS:]}" for log in logs_in(folder)]
            result.write_text("\n".join([str(error), *logs]))
            return 1
        result.write_text(json.dumps(figures))
        return 0

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = folder / "result"
        try:
            status = inside(main)
        except LabError as error:
            return str(error)
        if status in _INTERRUPTED:
            raise InterruptedRoundError
        if status != 0:
            return result.read_text() if result.exists() else f"status {status}, see above"
        figures: dict[str, Any] = json.loads(result.read_text())
        return figures


def logs_in(folder: Path) -> list[Path]:
    """Return the log files of a round."""
    return sorted(folder.glob("*.log"))


def at_a_time(
    jobs: int, run: Callable[..., Result], tasks: Sequence[Task]
) -> Iterator[tuple[Task, Result]]:
    """Run `run` of every task, `jobs` at a time; yield each as it ends, with its result.

    When the caller goes before the end, those that run are told to end, too.
    """
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin)
    try:
        waiting = {pool.submit(_run, run, task): task for task in tasks}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    except BaseException:
        for worker in active_children():
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    # Ctrl-C is sent to all of us; who has begun the rounds passes it on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(run: Callable[..., Result], task: tuple[Any, ...]) -> Result:
    try:
        return run(*task)
    except InterruptedRoundError:
        os._exit(128 + signal.SIGTERM)  # an exception would let the worker take the next task
