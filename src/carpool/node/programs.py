"""What runs on a host because a group is master there, or is not: its scripts and its services."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from carpool.carp.election import State
from carpool.node.handover import GroupState
from carpool.node.log import Log
from carpool.node.loop import Loop
from carpool.node.scripts import Scripts
from carpool.node.settings import GroupSettings

if TYPE_CHECKING:
    from carpool.node.services import Services


class Programs:
    """Those of one group: on its master the up script and then the services, elsewhere the reverse.

    The address waits for none of them, unless it is the scripts that put it on.
    """

    def __init__(
        self,
        settings: GroupSettings,
        label: str,
        *,
        loop: Loop,
        log: Log,
        state: Callable[[], State],
        announce: Callable[[], None],
        demote: Callable[[str, int], None],
        settled: Callable[[], None],
    ) -> None:
        """`label` begins the log lines; `state` returns the group's.

        `announce` is called when the up script has ended: it may be what put the addresses on.
        `demote` is for services that do not start; `settled` is called when one has ended.
        """
        self._settings = settings
        self._label = label
        self._loop = loop
        self._log = log
        self._state = state
        self._announce = announce
        self._demote = demote
        self._settled = settled
        self._scripts = Scripts(settings, label, loop=loop, log=log, settled=settled)
        self._services = self._make_services() if settings.services else None
        self.waiting: Callable[[], None] | None = None
        """Runs the up script, once the network knows where the addresses are."""
        self._resuming = False

    @property
    def idle(self) -> bool:
        """Whether none runs, and none is about to."""
        return self._scripts.idle and (self._services is None or self._services.idle)

    @property
    def running(self) -> tuple[str, int] | None:
        """What the log calls the one that runs, and when it was started (ns)."""
        running = self._scripts.running
        return self._services.running if running is None and self._services else running

    @property
    def open_outputs(self) -> list[tuple[str, int]]:
        """Pipes that ended scripts have left open in the background: their names, descriptors."""
        services = [] if self._services is None else self._services.open_outputs
        return self._scripts.open_outputs + services

    def adopt_output(self, name: str, fd: int) -> None:
        """Go on reading what a script of the program before this one has left running."""
        self._scripts.adopt_output(name, fd)

    @property
    def started_services(self) -> tuple[str, ...]:
        """Those that run because of this group, for `resume`."""
        return () if self._services is None else self._services.started

    @property
    def services_problem(self) -> str | None:
        """Which of the services does not start or stop, and why, if so."""
        return self._services.problem if self._services else None

    def resume(self, state: GroupState) -> None:
        """Know what runs already: a group that goes on as master runs no up script."""
        self._resuming = state.memory.master
        if state.services and self._services is None:
            self._services = self._make_services()  # to stop them
        if self._services is None:
            return
        if self._resuming:
            self._services.take_over(state.services)
        else:
            self._services.forgive_later()
            self._stop_new_ones(self._services, state)

    def begin(self, *, wait: bool) -> None:
        """Be those of a master. With `wait`, the up script is run by `go_on`: it takes a while."""
        if self._resuming:
            self._resuming = False  # It has run, in the program before this one.
            if self._services is not None:
                self._services.start()
        elif self._settings.up:
            self.waiting = partial(self._scripts.run_up, self._state(), self._up_script_ended)
            if not wait:
                self.go_on()
        else:
            self._start_services()

    def go_on(self) -> None:
        """Run the up script, if it waits."""
        start, self.waiting = self.waiting, None
        if start is not None:
            start()

    def end(self, *, at_start: bool) -> None:
        """Be those of no master: stop the services, and then run the down script.

        `at_start`: the group begins, and has not been master.
        """
        self._give_up()

        def stopped() -> None:
            self._scripts.run_down(self._state(), lambda: None, at_start=at_start)

        if self._services is None:
            stopped()
        else:
            self._services.stop(stopped)

    def take_off(self, done: Callable[[], None], *, at_start: bool) -> None:
        """Let the down script take the addresses off, and call `done` when it has ended."""
        self._give_up()
        self._scripts.run_down(self._state(), done, at_start=at_start)

    def _give_up(self) -> None:
        self.go_on()  # The down script comes after it.
        self._resuming = False

    def _up_script_ended(self) -> None:
        self._announce()
        self._start_services()

    def _start_services(self) -> None:
        if self._services is not None and self._state() is State.MASTER:
            self._services.start()

    def _stop_new_ones(self, services: "Services", state: GroupState) -> None:
        """Stop on a backup what the changed file has added: it may have been started by hand."""
        known = state.known_services
        if known is not None and not set(self._settings.services) <= set(known):
            services.know_stopped(known)
            services.stop(lambda: None)

    def _make_services(self) -> "Services":
        # Only here: most groups have none.
        from carpool.node.services import Services  # noqa: PLC0415

        return Services(
            self._settings,
            self._label,
            loop=self._loop,
            log=self._log,
            settled=self._settled,
            demote=self._demote,
        )
