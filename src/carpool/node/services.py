"""The services of a group: started in order on its master, stopped in reverse elsewhere.

An address waits for no service: it is put on before they are started, and taken off while they are
being stopped. One step is under way at a time, within its time limit; a change of mind waits for
the end of that step. A service that several groups of this node have runs as long as one of them is
master here.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

from carpool.carp.timing import SECOND
from carpool.node.hooks import Hook, HookQueue, HookResult, Outcome
from carpool.node.log import Level, Log

if TYPE_CHECKING:
    from collections.abc import Callable

    from carpool.node.loop import Loop
    from carpool.node.settings import GroupSettings

REASON = "its services do not start"
"""Of the demotion, if one was asked for."""
FORGIVEN_AFTER = 600 * SECOND
"""From the end of mastership to that of the demotion: then the node may try again."""
_FIRST_PAUSE, _LONGEST_PAUSE = 10 * SECOND, 60 * SECOND

_BOOTED_BY_SYSTEMD = "/run/systemd/system"  # sd_booted(3)
_SYSTEMCTL = ("/usr/bin/systemctl", "/bin/systemctl")
_SVCADM = "/usr/sbin/svcadm"

_users: defaultdict[str, set[str]] = defaultdict(set)
"""The groups of this node that want each service to run."""


def command(service: str, *, start: bool) -> tuple[str, ...]:
    """Return the program that starts or stops a service, and waits until it has.

    A path is a script of its own. Raises LookupError if this system has no service manager.
    """
    if service.startswith("/"):
        return (service, "start" if start else "stop")
    if os.path.isdir(_BOOTED_BY_SYSTEMD):  # noqa: PTH112 - it is asked for each step
        systemctl = next(filter(os.path.exists, _SYSTEMCTL), _SYSTEMCTL[0])
        return (systemctl, "--no-ask-password", "start" if start else "stop", "--", service)
    if os.path.exists(_SVCADM):  # noqa: PTH110
        # Temporarily: after a boot it is the election that says where it runs.
        return (_SVCADM, "enable" if start else "disable", "-s", "-t", service)
    raise LookupError(
        "this system has neither systemd nor SMF; name a script by its whole path instead"
    )


class Services:
    """Those of one group."""

    def __init__(
        self,
        settings: GroupSettings,
        label: str,
        *,
        loop: Loop,
        log: Log,
        settled: Callable[[], None],
        demote: Callable[[str, int], None],
    ) -> None:
        """`label` begins their log lines; `settled` is called when a step has ended."""
        self._settings = settings
        self._label = label
        self._loop = loop
        self._log = log
        self._settled = settled
        self._demote = demote
        self._hooks = HookQueue(loop, log, settings.service_timeout)
        self._wanted = False
        self._running: dict[str, bool | None] = dict.fromkeys(settings.services)
        self._stopped: Callable[[], None] | None = None
        self._failures = 0
        self._again = loop.call_at(loop.now(), self._next)
        self._again.cancel()
        self._soon = loop.call_at(loop.now(), self._begin)
        self._soon.cancel()
        self._forgive = loop.call_at(loop.now(), self._forget)
        self._forgive.cancel()

    @property
    def idle(self) -> bool:
        """Whether no step is under way, and none is about to be."""
        return self._hooks.idle and self._soon.when is None

    @property
    def running(self) -> tuple[str, int] | None:
        """What the log calls the step that is under way, and when it began (ns)."""
        return self._hooks.running

    def start(self) -> None:
        """Let them run, from now on."""
        self._wanted, self._stopped, self._failures = True, None, 0
        self._forgive.cancel()
        self._again.cancel()
        for service in self._settings.services:
            _users[service].add(self._settings.name)
        self._soon.reschedule(self._loop.now())  # First the address, all of it.

    def take_over(self) -> None:
        """Let them run, which the program before this one has started.

        Scripts are taken to have worked; a service manager is asked again, which changes nothing.
        """
        for service in self._settings.services:
            self._running[service] = True if service.startswith("/") else None
        self.start()

    def stop(self, stopped: Callable[[], None]) -> None:
        """Let them not run, from now on; call `stopped` once they do not, unless started again."""
        self._wanted, self._stopped = False, stopped
        self._again.cancel()
        for service in self._settings.services:
            _users[service].discard(self._settings.name)
        if self._failures:
            self._forgive.reschedule(self._loop.now() + FORGIVEN_AFTER)
        self._soon.reschedule(self._loop.now())

    @property
    def open_outputs(self) -> list[tuple[str, int]]:
        """Pipes that scripts have left open in the background: their names, descriptors."""
        return self._hooks.open_outputs

    def _begin(self) -> None:
        self._next()
        self._settled()

    def _next(self) -> None:
        """Take the next step, if none is under way and one is needed."""
        if not self._hooks.idle or self._again.when is not None:
            return
        order = (
            self._settings.services if self._wanted else tuple(reversed(self._settings.services))
        )
        for service in order:
            if self._running[service] is self._wanted:
                continue
            if not self._wanted and _users[service]:
                self._running[service] = False  # Another group of this node still needs it.
                continue
            self._step(service)
            return
        self._through()

    def _step(self, service: str) -> None:
        start = self._wanted
        label = f"{self._label}{'start' if start else 'stop'} of {service}"
        try:
            argv = command(service, start=start)
        except LookupError as error:
            problem = str(error)
            self._loop.call_at(self._loop.now(), lambda: self._took(service, start, problem))
            return
        environment = {
            "CARPOOL_GROUP": self._settings.name,
            "CARPOOL_ADDRESSES": " ".join(map(str, self._settings.addresses)),
        }
        hook = Hook(argv, environment, label, group=self._settings.name)
        self._hooks.submit(hook, lambda result: self._took(service, start, _problem(result)))

    def _took(self, service: str, start: bool, problem: str | None) -> None:
        if start and problem is not None:
            self._running[service] = None
            if self._wanted:
                self._failed(service, problem)
        else:
            self._running[service] = start
            if problem is not None:
                text = f"{service} does not stop: {problem}"
                self._tell(Level.ERROR, text, service, "does not stop", problem)
        self._next()
        self._settled()

    def _failed(self, service: str, problem: str) -> None:
        self._failures += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE << (self._failures - 1))
        text = f"{service} does not start: {problem}; trying again in {pause // SECOND} s"
        self._tell(Level.ERROR, text, service, "does not start", problem)
        self._again.reschedule(self._loop.now() + pause)
        if self._settings.service_demote:
            self._demote(REASON, self._settings.service_demote)

    def _through(self) -> None:
        """All is as it is to be."""
        if self._wanted:
            names = ", ".join(self._settings.services)
            self._failures = 0
            self._tell(Level.NOTICE, f"started: {names}", None, "started", None)
            self._forget()
            return
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped()

    def _forget(self) -> None:
        self._forgive.cancel()
        self._demote(REASON, 0)

    def _tell(
        self, level: Level, text: str, service: str | None, outcome: str, problem: str | None
    ) -> None:
        self._log.happened(
            "service",
            level,
            f"{self._label}services: {text}",
            group=self._settings.name,
            details={"service": service, "outcome": outcome, "problem": problem},
        )


def _problem(result: HookResult) -> str | None:
    if result.ok:
        return None
    if result.outcome is Outcome.EXITED and result.exit_code is not None:
        code = result.exit_code
        return f"exit code {code}" if code > 0 else f"killed by signal {-code}"
    return result.outcome.value
