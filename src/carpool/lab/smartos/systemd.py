"""Starting, watching and stopping the services of an lx zone, as systemd(1) does.

An event loop calls `step` whenever a contract has news, a request changed something, or
`deadline` has come. All instants are ns of the monotonic clock.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from carpool.lab.smartos.contract import Contract
from carpool.lab.smartos.smf import Method
from carpool.lab.smartos.stage import CommandError
from carpool.lab.smartos.units import FOLDER, STATES, WANTS, Unit, full_name, read

LOGS: Final = Path("/var/svc/log")
"""Where the journal is, a file for each unit."""

_SECOND: Final = 1_000_000_000
_CLEAN: Final = (0, *(128 + number for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)))
"""The exit codes that are no failure: systemd.service(5), SuccessExitStatus=."""


@dataclass(slots=True)
class Job:
    """A unit and how it is."""

    unit: Unit
    state: str = "inactive"
    contract: Contract | None = None
    stopping: bool = False
    again: bool = False
    """Whether it is started again once it has stopped."""
    deadline: int | None = None
    """When it is killed, while it stops; when it is started, while it waits for that."""
    starts: deque[int] = field(default_factory=deque)


class Systemd:
    """The units of a zone. `watch` and `unwatch` are those of the event loop."""

    def __init__(
        self, watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], None]
    ) -> None:
        self._watch = watch
        self._unwatch = unwatch
        self._jobs: dict[str, Job] = {}
        self._ending = False

    @property
    def deadline(self) -> int | None:
        """When `step` wants to be called, whatever happens."""
        return min((job.deadline for job in self._all() if job.deadline), default=None)

    @property
    def stopped(self) -> bool:
        """Whether all units are down, after `shut_down`."""
        return self._ending and not any(job.contract for job in self._all())

    def boot(self, script: Unit | None) -> None:
        """Start what is enabled, and the first-boot script."""
        if script is not None:
            self._jobs[script.name] = Job(script)
            self._start(self._jobs[script.name])
        for link in sorted(WANTS.glob("*.service")):
            with suppress(CommandError):
                self.start(link.name)

    def describe(self) -> dict[str, Any]:
        """Return how all units are that were asked for."""
        return {
            name: {
                "state": job.state,
                "processes": job.contract.processes() if job.contract else [],
            }
            for name, job in self._jobs.items()
        }

    def load(self, name: str) -> Job | None:
        """Return the unit of that name, from its file if need be; None if there is none."""
        name = full_name(name)
        if name not in self._jobs:
            try:
                self._jobs[name] = Job(read(name, (FOLDER / name).read_text()))
            except FileNotFoundError:
                return None
            except ValueError as error:
                raise CommandError(str(error)) from None
        return self._jobs[name]

    def reload(self) -> None:
        """Read all unit files again."""
        for name, job in list(self._jobs.items()):
            if (FOLDER / name).exists():
                with suppress(ValueError):
                    job.unit = read(name, (FOLDER / name).read_text())
            elif job.contract is None and job.unit.wanted:
                del self._jobs[name]

    def start(self, name: str) -> None:
        """Start a unit that is not up."""
        job = self._needed(name)
        if job.contract is None or job.stopping:
            job.again = job.stopping
            if not job.stopping:
                self._start(job)

    def stop(self, name: str) -> None:
        """Stop a unit, and do not start it again."""
        job = self._needed(name)
        job.again = False
        self._stop(job)

    def restart(self, name: str) -> None:
        """Stop a unit if it is up, and start it."""
        job = self._needed(name)
        if job.contract is None:
            self._start(job)
        else:
            self._stop(job)
            job.again = True

    def shut_down(self) -> None:
        """Stop all units, and start none."""
        self._ending = True
        for job in self._all():
            job.again = False
            self._stop(job)

    def step(self) -> None:
        """Do all that is due."""
        now = time.monotonic_ns()
        for job in self._all():
            if job.deadline is None or now < job.deadline:
                continue
            job.deadline = None
            if job.contract is not None:
                self._log(job, "State 'stop-sigterm' timed out. Killing.")
                job.contract.kill()
            else:
                self._start(job)

    def _all(self) -> Iterable[Job]:
        return list(self._jobs.values())

    def _needed(self, name: str) -> Job:
        job = self.load(name)
        if job is None:
            raise CommandError(f"Unit {full_name(name)} not found.", 5)
        return job

    def _start(self, job: Job) -> None:
        now, unit = time.monotonic_ns(), job.unit
        job.deadline = None
        since = now - int(unit.start_limit_seconds * _SECOND)
        while job.starts and job.starts[0] < since:
            job.starts.popleft()
        if unit.start_limit_seconds and len(job.starts) >= unit.start_limit:
            self._log(job, "Start request repeated too quickly.")
            job.state = "failed"
            return
        job.starts.append(now)
        self._log(job, "Started." if not unit.once else "Starting...")
        job.state = "activating" if unit.once else "active"
        if unit.state_directory:
            (STATES / unit.state_directory).mkdir(0o700, parents=True, exist_ok=True)
        method = Method(unit.command, 0, environment=unit.environment)
        contract = job.contract = Contract(method, str(LOGS / f"{unit.name}.log"))
        self._watch(contract.fd, lambda: self._news(job, contract))

    def _stop(self, job: Job) -> None:
        if job.contract is None:
            job.deadline = None
            job.state = "failed" if job.state == "failed" else "inactive"
            return
        if job.stopping:
            return
        job.stopping, job.state = True, "deactivating"
        job.deadline = time.monotonic_ns() + int(job.unit.stop_seconds * _SECOND)
        job.contract.kill(signal.SIGTERM, first_only=not job.unit.kill_all)

    def _news(self, job: Job, contract: Contract) -> None:
        contract.read()
        if not contract.empty:
            self._clear(job, contract)
            return
        self._unwatch(contract.fd)
        contract.close()
        job.contract, job.deadline = None, None
        stopping, job.stopping = job.stopping, False
        self._ended(job, contract.status or 0, asked=stopping)

    def _clear(self, job: Job, contract: Contract) -> None:
        """Let nothing outlive a service's first process: KillMode= of systemd.kill(5)."""
        if not job.unit.kill_all:
            contract.kill()
        elif not job.stopping:
            contract.kill(signal.SIGTERM)
            job.deadline = time.monotonic_ns() + int(job.unit.stop_seconds * _SECOND)

    def _ended(self, job: Job, status: int, *, asked: bool) -> None:
        clean = status in _CLEAN
        self._log(job, "Deactivated." if clean else f"Main process exited, status={status}")
        job.state = "inactive" if clean else "failed"
        if self._ending:
            return
        if asked:
            if job.again:
                job.again = False
                self._start(job)
        elif job.unit.once:
            job.state = "active" if clean else "failed"
        elif status not in job.unit.not_after and (
            job.unit.restart == "always" or (job.unit.restart == "on-failure" and not clean)
        ):
            job.state = "activating"
            job.deadline = time.monotonic_ns() + int(job.unit.restart_seconds * _SECOND)

    def _log(self, job: Job, text: str) -> None:
        stamp = time.strftime("%b %e %H:%M:%S")
        # On a full disk a service goes on, without a log.
        with suppress(OSError), (LOGS / f"{job.unit.name}.log").open("a") as log:
            log.write(f"{stamp} systemd[1]: {job.unit.name}: {text}\n")
