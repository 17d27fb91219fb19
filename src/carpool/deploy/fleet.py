"""The hypervisors of a cluster, connected, perhaps locked, and looked at, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Protocol, TypeVar

from carpool.deploy import lock
from carpool.deploy.errors import DeployError, Problem
from carpool.deploy.observe import Observed, answer
from carpool.deploy.question import question

if TYPE_CHECKING:
    from carpool.deploy.ssh import Remote, Session
    from carpool.deploy.targets import Goal

Item = TypeVar("Item")
Result = TypeVar("Result")


class Opener(Protocol):
    """What opens connections: `carpool.deploy.ssh.Network`, or a test's own."""

    def prepare(self, hypervisors: Iterable[str]) -> None:
        """Get ready for these. Raises DeployError."""
        ...

    def connect(self, hypervisor: str) -> Remote:
        """Connect to one of them; from any thread. Raises DeployError."""
        ...


class Fleet:
    """The hypervisors, by their names; those that failed are in ``problems`` instead."""

    def __init__(self, goal: Goal, opener: Opener, parallel: int) -> None:
        """Do at most ``parallel`` things at a time."""
        self.goal = goal
        self.parallel = parallel
        self.remotes: dict[str, Remote] = {}
        self.observed: dict[str, Observed] = {}
        self.problems: dict[str, Problem] = {}
        self.halt = Event()
        """Set it to stop after the steps that are under way."""
        self._opener = opener
        self._locks: dict[str, Session] = {}

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def survey(self, owner: str | None = None, *, break_lock: bool = False) -> None:
        """Connect to all, take their locks if there is an ``owner`` for them, and look.

        Raises DeployError only if nothing can be connected to at all, for want of a library.
        """
        hypervisors = self.goal.hypervisors
        self._opener.prepare(hypervisors)

        def visit(hypervisor: str) -> None:
            if self.halt.is_set():
                raise interrupted(hypervisor)
            remote = self.remotes[hypervisor] = self._opener.connect(hypervisor)
            if owner is not None:
                self._locks[hypervisor] = lock.take(remote, owner, break_lock=break_lock)
            targets = self.goal.on(hypervisor)
            asked = remote.run("exec sh -s", question(targets).encode())
            self.observed |= answer(hypervisor, targets, asked.out)

        for hypervisor, _, error in self.at_once(visit, hypervisors):
            if error is not None:
                self.problems[hypervisor] = error.problem

    def look(self, nodes: Collection[str]) -> dict[str, Observed]:
        """Return what the nodes are now, those that cannot be asked left out."""
        found: dict[str, Observed] = {}
        for hypervisor in self.goal.hypervisors:
            remote = self.remotes.get(hypervisor)
            targets = [one for one in self.goal.on(hypervisor) if one.node in nodes]
            if remote is None or not targets or hypervisor in self.problems:
                continue
            with suppress(DeployError):
                asked = remote.run("exec sh -s", question(targets, full=False).encode())
                found |= answer(hypervisor, targets, asked.out)
        return found

    def at_once(
        self, work: Callable[[Item], Result], items: Iterable[Item]
    ) -> list[tuple[Item, Result | None, DeployError | None]]:
        """Do the work on all items, some at a time; return the results in the items' order."""
        listed = list(items)
        with ThreadPoolExecutor(max(1, min(self.parallel, len(listed)))) as pool:
            jobs = [pool.submit(work, item) for item in listed]
        results: list[tuple[Item, Result | None, DeployError | None]] = []
        for item, job in zip(listed, jobs, strict=True):
            try:
                results.append((item, job.result(), None))
            except DeployError as error:
                results.append((item, None, error))
        return results

    def hang_up(self) -> None:
        """Cut all connections, whatever they are at; those who wait for an answer get an error."""
        self.halt.set()
        for remote in list(self.remotes.values()):
            remote.close()

    def close(self) -> None:
        """Give the locks back, and hang up."""

        def leave(hypervisor: str) -> None:
            if held := self._locks.pop(hypervisor, None):
                held.close()
            self.remotes[hypervisor].close()

        self.at_once(leave, list(self.remotes))
        self.remotes.clear()


def interrupted(host: str, node: str | None = None) -> DeployError:
    """Return the error of what the user stopped."""
    return DeployError(host, "interrupted", "stopped before it was done", "run it again", node)
