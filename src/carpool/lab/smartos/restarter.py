"""Starting, watching and stopping the services of a zone, as svc.startd(8) does.

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

from carpool.lab.smartos.contract import EXIT_CONFIG, Contract
from carpool.lab.smartos.smf import Method, Service, matching
from carpool.lab.smartos.stage import CommandError
from carpool.smartos.smf_values import DURATIONS

_SECOND: Final = 1_000_000_000
_EXIT_FATAL: Final = 95
_FAILURES: Final = 10
_FAILURES_WITHIN: Final = 600 * _SECOND
_CHILD_PAUSE: Final = _SECOND // 10
"""Between two runs of a service of duration child, lest a broken one take the processor."""

_UP: Final = ("online", "degraded")


@dataclass(slots=True)
class Instance:
    """A service and how it is. `next` is the state it is on its way to, empty if on none."""

    service: Service
    enabled: bool
    state: str = "disabled"
    next: str = ""
    since: float = field(default_factory=time.time)
    reason: str = ""
    restart: bool = False
    contract: Contract | None = None
    """What the start method left behind."""
    running: str = ""
    """The method that runs: start, stop or refresh."""
    run: Contract | None = None
    """Of the running stop or refresh method."""
    deadline: int | None = None
    not_before: int = 0
    failures: deque[int] = field(default_factory=lambda: deque(maxlen=_FAILURES))

    def describe(self) -> dict[str, Any]:
        """Return what svcs tells."""
        return {
            "fmri": self.service.fmri,
            "enabled": self.enabled,
            "state": self.state,
            "next": self.next,
            "since": self.since,
            "reason": self.reason,
            "log": self.service.log,
            "processes": self.contract.processes() if self.contract else [],
            "properties": dict(self.service.properties),
        }


class Restarter:
    """The services of a zone. `watch` and `unwatch` are those of the event loop."""

    def __init__(
        self, watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], None]
    ) -> None:
        self._watch = watch
        self._unwatch = unwatch
        self._instances: dict[str, Instance] = {}
        self._ending = False

    @property
    def deadline(self) -> int | None:
        """When `step` wants to be called, whatever happens."""
        known = [it.deadline for it in self._all() if it.deadline]
        known += [it.not_before for it in self._all() if it.state == "offline" and it.not_before]
        return min(known, default=None)

    @property
    def stopped(self) -> bool:
        """Whether all services are down, after `shut_down`."""
        return self._ending and not any(it.contract or it.running for it in self._all())

    def add(self, service: Service, *, enabled: bool | None = None) -> None:
        """Take a service on, or a new version of it, which a restart brings into force."""
        known = self._instances.get(service.fmri)
        if known is not None:
            known.service = service
        else:
            on = service.enabled if enabled is None else enabled
            self._instances[service.fmri] = Instance(service, on)

    def find(self, pattern: str) -> Instance:
        """Return the one service that is meant. Raises CommandError."""
        found = matching(pattern, self._instances)
        if not found:
            raise CommandError(f"Pattern '{pattern}' doesn't match any instances")
        if len(found) > 1:
            raise CommandError(f"Pattern '{pattern}' matches multiple instances: {' '.join(found)}")
        return self._instances[found[0]]

    def describe(self) -> list[dict[str, Any]]:
        """Return how all services are."""
        return [instance.describe() for instance in self._all()]

    def enable(self, pattern: str, *, enabled: bool) -> None:
        """Enable or disable a service."""
        instance = self.find(pattern)
        instance.enabled = enabled
        if not enabled and instance.state == "maintenance":
            self._settle(instance, "disabled")

    def restart(self, pattern: str) -> None:
        """Stop a service and start it again, if it is up."""
        instance = self.find(pattern)
        instance.restart = instance.state in _UP or instance.running == "start"

    def refresh(self, pattern: str) -> None:
        """Run the refresh method of a service that is up."""
        instance = self.find(pattern)
        if instance.state in _UP and not instance.running:
            self._begin(instance, "refresh")

    def clear(self, pattern: str) -> None:
        """Let a service out of maintenance."""
        instance = self.find(pattern)
        if instance.state != "maintenance":
            raise CommandError(
                f'Instance "{instance.service.fmri}" is not in a maintenance or degraded state.'
            )
        instance.failures.clear()
        self._settle(instance, "offline" if instance.enabled else "disabled")

    def mark(self, pattern: str, reason: str) -> None:
        """Put a service into maintenance."""
        self._park(self.find(pattern), reason)

    def delete(self, pattern: str, *, force: bool) -> str:
        """Forget a service and return its FMRI; one that is up only with `force`, which kills."""
        instance = self.find(pattern)
        if instance.state in _UP and not force:
            raise CommandError(f'Instance "{instance.service.fmri}" is online; use -f')
        if instance.contract:
            instance.contract.kill()
            self._drop(instance)
        del self._instances[instance.service.fmri]
        return instance.service.fmri

    def set_property(self, pattern: str, name: str, value: str) -> Instance:
        """Set a property of a service, `group/name`."""
        instance = self.find(pattern)
        instance.service = instance.service.with_property(name, value)
        return instance

    def shut_down(self) -> None:
        """Stop all services, and start none; those that are starting are not waited for."""
        self._ending = True
        for instance in self._all():
            if instance.running == "start" and instance.contract:
                instance.contract.kill()
                instance.running = ""
                self._settle(instance, "offline")

    def step(self) -> None:
        """Do all that can be done now."""
        for instance in self._all():
            self._check_deadline(instance)
        while any(self._advance(instance) for instance in self._all()):
            pass

    def _all(self) -> Iterable[Instance]:
        return list(self._instances.values())

    def _advance(self, instance: Instance) -> bool:
        """Take the next step with a service, if there is one to take; whether there was."""
        if instance.running:
            return False
        wanted = instance.enabled and not self._ending
        up = instance.state in _UP
        if instance.state == "disabled" and wanted:
            self._settle(instance, "offline")
        elif instance.state == "offline" and not wanted and not self._ending:
            self._settle(instance, "disabled")
        elif instance.state == "offline" and wanted and self._may_start(instance):
            self._begin(instance, "start")
        elif up and (not wanted or instance.restart or self._must_stop(instance)):
            self._begin(instance, "stop")
        else:
            return False
        return True

    def _may_start(self, instance: Instance) -> bool:
        missing = [one.fmris for one in instance.service.dependencies if not self._satisfied(one)]
        instance.reason = f"Dependency {missing[0][0]} is absent or not online." if missing else ""
        killed = instance.contract is None  # what is left of the run before
        return killed and not missing and time.monotonic_ns() >= instance.not_before

    def _must_stop(self, instance: Instance) -> bool:
        return any(
            dependency.restart_on != "none" and not self._satisfied(dependency)
            for dependency in instance.service.dependencies
        )

    def _satisfied(self, dependency: Any) -> bool:
        up, known = [], []
        for fmri in dependency.fmris:
            if fmri.startswith("file:"):
                path = Path(fmri.removeprefix("file:").removeprefix("//localhost"))
                found = path.exists()
                up.append(found)
                known.append(found)
                continue
            states = [self._instances[one].state for one in matching(fmri, self._instances)]
            enabled = [one for one in states if one != "disabled"]
            up.append(any(state in _UP for state in states))
            known.append(bool(enabled))
        match dependency.grouping:
            case "require_all":
                return all(up)
            case "require_any":
                return any(up)
            case "exclude_all":
                return not any(up)
        return all(here or not there for here, there in zip(up, known, strict=True))

    def _begin(self, instance: Instance, name: str) -> None:
        """Run a method of a service."""
        if instance.service.duration not in DURATIONS:
            self._park(instance, f"Unknown duration {instance.service.duration}.")
            return
        method = instance.service.method(name)
        instance.next = {"start": "online", "stop": "offline", "refresh": ""}[name]
        instance.deadline = None
        if name == "start":
            instance.since = time.time()
            instance.restart = False
        words = method.exec.split()
        if words[0] in (":true", ":kill"):
            self._log(instance, f"Executing {name} method ({method.exec}).")
            self._inner_method(instance, name, words)
            return
        self._log(instance, f'Executing {name} method ("{method.exec}").')
        instance.running = name
        started = self._start_contract(instance, method)
        if name == "start":
            instance.contract = started
            if instance.service.duration in ("child", "wait"):
                instance.running = ""
                self._settle(instance, "online")
                return
        else:
            instance.run = started
        if method.timeout:
            instance.deadline = time.monotonic_ns() + method.timeout * _SECOND

    def _inner_method(self, instance: Instance, name: str, words: list[str]) -> None:
        if words[0] == ":kill" and instance.contract:
            word = words[1].removeprefix("-") if len(words) > 1 else "TERM"
            number = int(word) if word.isdecimal() else signal.Signals[f"SIG{word}"]
            instance.contract.kill(number)
        if name == "start":
            self._settle(instance, "online")
        elif name == "stop":
            self._stopping(instance, patient=words[0] == ":kill")

    def _stopping(self, instance: Instance, *, patient: bool) -> None:
        """Wait for the contract to become empty, killing what is left unless told to wait."""
        if instance.contract is None:
            self._stopped(instance)
            return
        instance.running = "stop"
        timeout = instance.service.method("stop").timeout
        if not patient:
            instance.contract.kill()
        elif timeout:
            instance.deadline = time.monotonic_ns() + timeout * _SECOND

    def _start_contract(self, instance: Instance, method: Method) -> Contract:
        service = instance.service
        contract = Contract(method, service.log)
        self._watch(contract.fd, lambda: self._news(instance, contract))
        return contract

    def _news(self, instance: Instance, contract: Contract) -> None:
        contract.read()
        if contract is instance.run:
            if contract.status is not None:
                self._method_ended(instance, contract.status)
        elif contract.empty:
            self._drop(instance)
            self._emptied(instance)
        elif contract.status is not None and instance.running == "start":
            self._start_ended(instance, contract.status)
        elif contract.status is not None and instance.service.duration in ("child", "wait"):
            contract.kill()
        self.step()

    def _start_ended(self, instance: Instance, status: int) -> None:
        self._log(instance, f'Method "start" exited with status {status}.')
        instance.running = ""
        instance.deadline = None
        if status == 0:
            self._settle(instance, "online")
            return
        if instance.contract:
            instance.contract.kill()
        if status in (_EXIT_FATAL, EXIT_CONFIG):
            why = "fatally" if status == _EXIT_FATAL else "with a configuration error"
            self._park(instance, f"Start method exited {why}: status {status}.")
        else:
            self._fail(instance, f"Start method failed, last exited with status {status}.")

    def _method_ended(self, instance: Instance, status: int) -> None:
        """Go on after a stop or refresh method."""
        name, instance.running, instance.deadline = instance.running, "", None
        assert instance.run is not None
        self._log(instance, f'Method "{name}" exited with status {status}.')
        instance.run.kill()
        self._unwatch(instance.run.fd)
        instance.run.close()
        instance.run = None
        if name == "stop":
            self._stopping(instance, patient=False)

    def _emptied(self, instance: Instance) -> None:
        """Go on after the last process of a service is gone."""
        if instance.running == "stop":
            instance.running = ""
            self._stopped(instance)
        elif instance.running == "start" or instance.service.duration == "transient":
            pass  # the exit status came first, or is about to be read
        elif instance.state in _UP:
            self._log(instance, "Stopping because all processes in service exited.")
            if instance.service.duration in ("child", "wait"):
                instance.not_before = time.monotonic_ns() + _CHILD_PAUSE
                self._settle(instance, "offline")
            else:
                self._fail(instance, "Restarting too quickly.")

    def _stopped(self, instance: Instance) -> None:
        instance.deadline = None
        self._settle(instance, "offline" if instance.enabled else "disabled")

    def _fail(self, instance: Instance, reason: str) -> None:
        """Try again, unless there were too many failures too soon."""
        now = time.monotonic_ns()
        instance.failures.append(now)
        many = len(instance.failures) == _FAILURES
        if many and now - instance.failures[0] < _FAILURES_WITHIN:
            self._park(instance, reason)
        else:
            self._settle(instance, "offline")

    def _park(self, instance: Instance, reason: str) -> None:
        instance.running, instance.deadline = "", None
        self._settle(instance, "maintenance")
        instance.reason = reason

    def _settle(self, instance: Instance, state: str) -> None:
        if state in ("disabled", "maintenance") and instance.contract:
            instance.contract.kill()
        self._log(instance, f"{state.capitalize()}.")
        instance.state = state
        instance.next = ""
        instance.reason = ""
        instance.since = time.time()

    def _check_deadline(self, instance: Instance) -> None:
        now = time.monotonic_ns()
        if instance.not_before and now >= instance.not_before:
            instance.not_before = 0
        if instance.deadline is None or now < instance.deadline:
            return
        name, instance.running, instance.deadline = instance.running, "", None
        self._log(instance, f'Method "{name}" timed out. Killing contract.')
        if instance.run:
            instance.run.kill()
            self._unwatch(instance.run.fd)
            instance.run.close()
            instance.run = None
        if name == "refresh":
            return
        if instance.contract:
            instance.contract.kill()
        self._park(instance, f"Method {name} timed out.")

    def _drop(self, instance: Instance) -> None:
        if instance.contract:
            self._unwatch(instance.contract.fd)
            instance.contract.close()
            instance.contract = None

    def _log(self, instance: Instance, text: str) -> None:
        stamp = time.strftime("%b %e %H:%M:%S")
        # On a full disk a service goes on, without a log.
        with suppress(OSError), Path(instance.service.log).open("a") as log:
            log.write(f"[ {stamp} {text} ]\n")
