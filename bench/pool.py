"""Rounds in namespaces of their own, some at a time, each by a process that ends with it."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from carpool.lab.namespaces import LabError, inside

_LOG_CHARACTERS = 800

Task = TypeVar("Task", bound=tuple[Any, ...])
Result = TypeVar("Result")


def in_namespaces(run: Callable[[Path], dict[str, Any]]) -> dict[str, Any] | str:
    """Run a round, with a folder of its own, in new namespaces.

    Return its figures, or why there are none: with the ends of the logs in the folder.
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

    What has not begun when the caller goes is left undone.
    """
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    try:
        waiting = {pool.submit(run, *task): task for task in tasks}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    finally:
        pool.shutdown(cancel_futures=True)
