"""Runs the checks of a node, each at its interval, and tells when one has become bad or good."""

from collections.abc import Callable, Sequence

from carpool.carp.election import NEVER_MASTER
from carpool.carp.timing import SECOND
from carpool.node.health.carrier import Interfaces
from carpool.node.health.make import make_probe
from carpool.node.health.monitor import Health, Monitor
from carpool.node.health.probe import Probe
from carpool.node.health.settings import CheckSettings
from carpool.node.log import Level, Log
from carpool.node.loop import Loop

OnChange = Callable[["Check"], None]
"""Called when a check has become good or bad."""


class Check:
    """One check at work."""

    def __init__(
        self, settings: CheckSettings, probe: Probe, loop: Loop, log: Log, on_change: OnChange
    ) -> None:
        """Make a check that does not run yet."""
        self.settings = settings
        self.problem: str | None = None
        """What the last look found wrong."""
        self.since = loop.now()
        """When its health became what it is, in ns; with none known, when it was made."""
        self._monitor = Monitor(settings.rise, settings.fall)
        self._probe = probe
        self._loop = loop
        self._log = log
        self._on_change = on_change
        self._due = 0
        self._looking = False
        self._timer = loop.call_at(loop.now(), self._look)
        self._timer.cancel()
        self._deadline = loop.call_at(loop.now(), self._expire)
        self._deadline.cancel()

    @property
    def health(self) -> Health:
        """What is known of it."""
        return self._monitor.health

    @property
    def demotion(self) -> int:
        """By how much its groups are demoted now."""
        if self.health is not Health.BAD:
            return 0
        return NEVER_MASTER if self.settings.demote is None else self.settings.demote

    @property
    def status_line(self) -> str:
        """The check in one line."""
        name, health = f"check {self.settings.name}", self.health
        if self.problem is None:
            return f"{name}: {health}"
        return f"{name}: {health}, the last time: {self.problem}"

    @property
    def pid(self) -> int | None:
        """The process that its probe has started, until that has ended."""
        return self._probe.pid

    def start(self, when: int) -> None:
        """Look at `when` (ns) for the first time, and then every interval."""
        self._due = when
        self._timer.reschedule(when)

    def stop(self) -> None:
        """Look no more, until it is started again."""
        self._looking = False
        self._timer.cancel()
        self._deadline.cancel()
        self._probe.close()

    def _look(self) -> None:
        now = self._loop.now()
        # In step with the start, so that checks stay spread; what was missed in a pause is missed.
        interval = self.settings.interval
        self._due += interval * (1 + max(0, now - self._due) // interval)
        self._timer.reschedule(self._due)
        if not self._looking:
            self._looking = True
            self._deadline.reschedule(now + self.settings.timeout)
            self._probe.start(self._found)

    def _expire(self) -> None:
        self._probe.cancel()
        self._found(f"no result within {self.settings.timeout / SECOND:g} s")

    def _found(self, problem: str | None) -> None:
        self._looking = False
        self._deadline.cancel()
        self.problem = problem
        changed = self._monitor.note(good=problem is None)
        self._tell(changed=changed)
        if changed:
            self.since = self._loop.now()
            self._on_change(self)

    def _tell(self, *, changed: bool) -> None:
        name, against = self.settings.name, self._monitor.against
        if changed and self.problem is None:
            self._happened(Level.NOTICE, f"check {name}: good")
        elif changed:
            self._happened(Level.WARNING, f"check {name}: bad: {self.problem}")
        elif against:
            needed = self.settings.rise if self.problem is None else self.settings.fall
            what = self.problem or "good again"
            text = f"check {name}: {what} ({against} of {needed})"
            self._happened(Level.INFO, text, key=f"check {name}")

    def _happened(self, level: Level, text: str, key: str | None = None) -> None:
        groups = self.settings.groups
        self._log.happened(
            "check",
            level,
            text,
            group=groups[0] if len(groups) == 1 else None,
            key=key,
            details={
                "check": self.settings.name,
                "health": self.health.value,
                "problem": self.problem,
                "groups": list(groups),
            },
        )


class Checks:
    """All checks of this node."""

    def __init__(
        self,
        checks: Sequence[CheckSettings],
        *,
        loop: Loop,
        log: Log,
        interfaces: Interfaces,
        on_change: OnChange,
    ) -> None:
        """Make the checks; none runs yet. Raises HostError."""
        self._loop = loop
        self.each: tuple[Check, ...] = tuple(
            Check(settings, make_probe(settings, loop, interfaces), loop, log, on_change)
            for settings in checks
        )

    def start(self, within: int = SECOND) -> None:
        """Look at all, spread over `within` ns (or an interval): then nobody is master yet."""
        now = self._loop.now()
        for number, check in enumerate(self.each):
            spread = min(within, check.settings.interval)
            check.start(now + spread * number // len(self.each))

    def stop(self) -> None:
        """End, and kill the programs that run."""
        for check in self.each:
            check.stop()
