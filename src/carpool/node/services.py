"""The services of a group: started in order on its master, stopped in reverse elsewhere.

An address waits for no service: it is put on before they are started, and taken off while they are
being stopped. One step is under way at a time, within its time limit; a change of mind waits for
the end of that step. A service that several groups of this node have runs as long as one of them is
master here, and is told one thing at a time.
"""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from carpool.carp.timing import SECOND
from carpool.node.hooks import Hook, HookQueue, HookResult, Outcome
from carpool.node.log import Level, Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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

_LINGERING = 4
"""Pipes at least that services of a group may hold open in the background."""


@dataclass(slots=True)
class _Service:
    """What the groups of this node know together of one service."""

    users: set[str] = field(default_factory=set)
    """The groups that want it to run."""
    runs: bool | None = None
    """None: nobody knows."""
    under_way: bool = False
    """Whether it is being started or stopped."""
    waiting: list[Callable[[], None]] = field(default_factory=list)
    """To be called at the end of that."""


_services: defaultdict[str, _Service] = defaultdict(_Service)


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
        # Each leaves one, and so may one of the next time before it is closed.
        lingering = max(_LINGERING, len(settings.services) + 1)
        self._hooks = HookQueue(loop, log, settings.service_timeout, lingering=lingering)
        self._wanted = False
        self._started: set[str] = set()
        """What it has started since it wants them to run."""
        self._former: tuple[str, ...] = ()
        """What the program before this one has started and is to be stopped."""
        self._under_way: str | None = None
        self._waits_for: str | None = None
        """The service that another group is starting or stopping."""
        self._stopped: Callable[[], None] | None = None
        self._failures = 0
        self.problem: str | None = None
        """Which of them does not start or stop, and why: 'apache2 does not start: exit code 1'."""
        self._again = loop.call_at(loop.now(), self._next)
        self._again.cancel()
        self._soon = loop.call_at(loop.now(), self._begin)
        self._soon.cancel()
        self._forgive = loop.call_at(loop.now(), self._forget)
        self._forgive.cancel()

    @property
    def idle(self) -> bool:
        """Whether no step is under way, and none is about to be."""
        waits = self._under_way is not None or self._waits_for is not None
        return self._hooks.idle and self._soon.when is None and not waits

    @property
    def running(self) -> tuple[str, int] | None:
        """What the log calls the step that is under way, and when it began (ns)."""
        return self._hooks.running

    def start(self) -> None:
        """Let them run, from now on."""
        self._wanted, self._stopped, self._failures = True, None, 0
        self.problem = None
        self._forgive.cancel()
        self._again.cancel()
        for service in self._settings.services:
            _services[service].users.add(self._settings.name)
        self._soon.reschedule(self._loop.now())  # First the address, all of it.

    @property
    def started(self) -> tuple[str, ...]:
        """Those that it wants to run and that do, for `take_over`."""
        names = (*self._former, *self._settings.services) if self._wanted else ()
        mine = {*self._former, *self._started}
        return tuple(name for name in names if name in mine and _services[name].runs)

    def take_over(self, started: Iterable[str]) -> None:
        """Know what the program before this one has started; to be called before `start`.

        What it has not, is started then; what is no longer one of these, stopped. A service manager
        is asked again, which changes nothing.
        """
        known = self._settings.services
        self._wanted = True
        self._former = tuple(name for name in started if name not in known)
        self._started = {name for name in started if name in known and name.startswith("/")}
        for name in started:
            _services[name].runs = True
        for name in known:
            _services[name].users.add(self._settings.name)

    def know_stopped(self, services: Iterable[str]) -> None:
        """Know what the program before this one has stopped, if no group has it running."""
        for name in services:
            if _services[name].runs is None:
                _services[name].runs = False

    def stop(self, stopped: Callable[[], None]) -> None:
        """Let them not run, from now on; call `stopped` once they do not, unless started again."""
        self._wanted, self._stopped = False, stopped
        self.problem = None
        self._started.clear()
        self._again.cancel()
        for service in self._settings.services:
            _services[service].users.discard(self._settings.name)
        self.forgive_later()
        self._soon.reschedule(self._loop.now())

    def forgive_later(self) -> None:
        """End the demotion after a while, if there is one, whenever it began."""
        if self._settings.service_demote:
            self._forgive.reschedule(self._loop.now() + FORGIVEN_AFTER)

    @property
    def open_outputs(self) -> list[tuple[str, int]]:
        """Pipes that scripts have left open in the background: their names, descriptors."""
        return self._hooks.open_outputs

    def _begin(self) -> None:
        self._next()
        self._settled()

    def _next(self) -> None:
        """Take the next step, if none is under way and one is needed."""
        self._waits_for = None
        if self._under_way is not None or self._again.when is not None:
            return
        for service, start in self._order():
            shared = _services[service]
            if not start and shared.users:
                continue  # Another group of this node still needs it.
            if shared.under_way:
                self._waits_for = service
                shared.waiting.append(partial(self._go_on, service))
                return
            # Each group starts it: a script may want to know the addresses of all.
            if shared.runs is not start or (start and service not in self._started):
                self._under_way, shared.under_way = service, True
                self._step(service, start)
                return
        self._through()

    def _order(self) -> list[tuple[str, bool]]:
        """Return each service and whether it is to run, in the order of the steps."""
        former = [(service, False) for service in reversed(self._former)]
        if self._wanted:
            return former + [(service, True) for service in self._settings.services]
        return former + [(service, False) for service in reversed(self._settings.services)]

    def _go_on(self, service: str) -> None:
        if self._waits_for == service and self._soon.when is None:
            self._next()
            self._settled()

    def _step(self, service: str, start: bool, *, again: bool = False) -> None:
        label = f"{self._label}{'start' if start else 'stop'} of {service}"
        try:
            argv = command(service, start=start)
        except LookupError as error:
            problem = str(error)
            self._loop.call_at(self._loop.now(), lambda: self._took(service, start, problem))
            return

        def ended(result: HookResult) -> None:
            # systemd tells all processes of a unit to end; this one has a service to stop.
            if not start and not again and _cut_short(result):
                self._log.warning(f"{label}: ended by SIGTERM, running it once more")
                self._step(service, start, again=True)
            else:
                self._took(service, start, _problem(result))

        environment = {
            "CARPOOL_GROUP": self._settings.name,
            "CARPOOL_ADDRESSES": " ".join(map(str, self._settings.addresses)),
        }
        hook = Hook(argv, environment, label, group=self._settings.name)
        self._hooks.submit(hook, ended)

    def _took(self, service: str, start: bool, problem: str | None) -> None:
        shared = _services[service]
        self._under_way, shared.under_way = None, False
        waiting, shared.waiting = shared.waiting, []
        if start and problem is not None:
            shared.runs = None
            if self._wanted:
                self._failed(service, problem)
        else:
            shared.runs = start
            if start and self._wanted:
                self._started.add(service)
            if problem is not None:
                self.problem = text = f"{service} does not stop: {problem}"
                self._tell(Level.ERROR, text, service, "does not stop", problem)
        self._next()
        self._settled()
        for go_on in waiting:
            go_on()

    def _failed(self, service: str, problem: str) -> None:
        self._failures += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE << (self._failures - 1))
        self._again.reschedule(self._loop.now() + pause)
        # Before the failure is told, which is to be the last word.
        if self._settings.service_demote:
            self._demote(REASON, self._settings.service_demote)
        self.problem = text = f"{service} does not start: {problem}"
        if self._wanted:
            text += f"; trying again in {pause // SECOND} s"
        self._tell(Level.ERROR, text, service, "does not start", problem)

    def _through(self) -> None:
        """All is as it is to be."""
        self._former = ()
        if self._wanted and self._settings.services:
            names = ", ".join(self._settings.services)
            self._failures = 0
            self.problem = None
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


def _cut_short(result: HookResult) -> bool:
    return result.outcome is Outcome.EXITED and result.exit_code == -signal.SIGTERM


def _problem(result: HookResult) -> str | None:
    if result.ok:
        return None
    if result.outcome is Outcome.EXITED and result.exit_code is not None:
        code = result.exit_code
        return f"exit code {code}" if code > 0 else f"killed by signal {-code}"
    return result.outcome.value
