"""The daemon on one host: any number of VIP groups in one process and one thread."""

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from carpool.carp.auth import Address
from carpool.carp.counters import Counters
from carpool.carp.phase import Phase, phases
from carpool.carp.timing import SECOND
from carpool.node.counters import CounterFile, make_counters
from carpool.node.group import Group
from carpool.node.guard import Guard, Lease
from carpool.node.handover import Handover
from carpool.node.host import Host, HostError
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.segment import Segment
from carpool.node.settings import GroupSettings
from carpool.node.surroundings import Surroundings
from carpool.node.together import join
from carpool.node.turns import Turns

if TYPE_CHECKING:
    from carpool.node.health.checks import Check, Checks
    from carpool.node.health.settings import CheckSettings
    from carpool.node.lateness import Window
    from carpool.node.notify.notifying import Notifying
    from carpool.node.punctuality import Punctuality
    from carpool.node.recorder import Recorder

DEMOTED_REASON = "told so by carpool demote"
"""Of the demotion that `carpool demote` asks for."""
_FLUSH_LOG_EVERY = 60 * SECOND


class CannotRunError(Exception):
    """The daemon cannot start on this host; the text says why and how to mend it."""


class NoInterfaceError(CannotRunError):
    """An interface is not there. It may come: while a host boots, or by hand."""


class Daemon:
    """Opens everything a node needs and runs it, until told to stop.

    ``open`` raises CannotRunError and leaves the host as it was; ``run`` returns when the daemon
    was told to stop and has left. Its sockets close with the process.
    """

    def __init__(
        self,
        settings: Sequence[GroupSettings],
        host: Host,
        loop: Loop,
        log: Log,
        counters: CounterFile | None = None,
        checks: "Sequence[CheckSettings]" = (),
        *,
        realtime: bool = True,
        recorder: "Recorder | None" = None,
    ) -> None:
        """Make a daemon. `realtime`: whether it may take a real-time priority.

        It does for the fast profile, and for as long as its program is being replaced.
        """
        self._settings = settings
        self._counter_file = counters
        self._check_settings = checks
        self.notifying: Notifying | None = None
        """What tells of its events, if anybody is to be told."""
        self._checks: Checks | None = None
        self._recorder = recorder
        self.realtime = realtime
        """Whether it may take a real-time priority."""
        self._host = host
        self._loop = loop
        self._log = log
        self._groups: list[Group] = []
        self._by_name: dict[str, Group] = {}
        self._segments: dict[tuple[str, bytes], Segment] = {}
        self._surroundings = Surroundings(self._segments, host=host, loop=loop, log=log)
        self._vips: set[Address] = {address.ip for group in settings for address in group.addresses}
        self._guarded = [group for group in settings if group.manage_addresses]
        self._punctuality = _punctuality(settings, loop, log, realtime=realtime)
        self._probed: Window | None = None
        self._turns = Turns(loop)
        self._lease_numbers = {id(group): number for number, group in enumerate(self._guarded)}
        self._guard = Guard(
            [(f"{group.name}: " * bool(group.name), group.addresses) for group in self._guarded],
            *(host, loop, log),
            prepare=None if self._punctuality is None else self._punctuality.take_priority,
        )
        self._stopping = False
        self.on_stop: list[Callable[[], None]] = []
        """Called when it has been told to stop, and the groups know."""

    def open(self) -> None:
        """Open sockets on every interface. Raises CannotRunError; nothing on the host changes."""
        missing = self._host.missing_privileges(change_addresses=bool(self._guarded))
        if missing:
            raise CannotRunError(missing)
        try:
            self._surroundings.look()
            if self._counter_file is not None:
                self._counter_file.later = (
                    self._loop.at_end_of_round
                    if self._punctuality is None
                    else self._punctuality.put_off
                )
            kept = make_counters(self._settings, self._counter_file, self._loop.now())
            now, many = self._loop.now(), len(self._settings) > 1
            together = phases(len(self._settings), now) if many else [None]
            for settings, counters, phase in zip(self._settings, kept, together, strict=True):
                self._add_group(settings, counters, phase)
            for segment in self._segments.values():
                segment.open(self._surroundings.interfaces[segment.interface])
            join(self._groups)
            self._surroundings.refresh_sources()
            self._make_checks()
            self._host.watch(self._surroundings.on_events, self._vips)
        except (HostError, OSError) as error:
            raise CannotRunError(str(error)) from error

    def probe(self) -> None:
        """Measure for 0.3 s what the machine can do, if a group is of the fast profile.

        Raises CannotRunError if a group refuses to run on such a machine.
        """
        if self._punctuality is None:
            return
        # Only here: most daemons need not load it.
        from carpool.node.punctuality import TooLateError  # noqa: PLC0415

        try:
            self._probed = self._punctuality.probe(_fast(self._settings))
        except TooLateError as error:
            raise CannotRunError(str(error)) from error

    def run(self, handover: Handover | None = None) -> None:
        """Serve until told to stop, then give up the addresses, bow out and wait for scripts.

        With a `handover`, go on where the program before this one was.
        """
        self._sweep(handover)
        if self._guarded:
            self._guard.start()
        if self._punctuality is not None:
            fast = [group for group in self._groups if group.settings.carp.fast]
            saved = None if handover is None else handover.paces
            self._punctuality.start(fast, self._probed, saved)
        if handover is not None:
            restore_demotions(self._groups, handover, self._check_settings)
        for group in self._groups:
            self.start_group(group, handover)
        if handover is not None:
            self._adopt(handover)
            self._calm_down()
        if self._checks is not None:
            soonest = min(group.virtual_host.master_down_time for group in self._groups)
            self._checks.start(within=min(SECOND, soonest // 2))
        self._loop.call_at(self._loop.now() + _FLUSH_LOG_EVERY, self._flush_log)
        self._loop.on_wake(self._on_wake)
        self._loop.run()
        if self._punctuality is not None:
            self._punctuality.end()
        self._guard.dismiss()

    def start_group(self, group: Group, handover: Handover | None = None) -> None:
        """Let a group begin, as what it was if the handover knows it."""
        interface = self._surroundings.interfaces.get(group.settings.interface)
        carrier = interface is not None and interface.carrier
        state = handover.state_of(group.settings) if handover is not None else None
        if state is None:
            group.start(carrier=carrier)
        else:
            group.resume(state, carrier=carrier)
        if interface is None:  # It has gone, as this group was to make room for another program.
            group.link_gone()

    def _adopt(self, handover: Handover) -> None:
        """Take over what else the process has."""
        for name, fd in handover.outputs:
            self._groups[0].adopt_output(name, fd)
        for child in handover.children:
            self._loop.on_child(child, lambda _code: None)

    # For a program that is to replace this one: `carpool.node.restart`.

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping

    @property
    def children(self) -> tuple[int, ...]:
        """Processes of ours that the successor has to wait for when they end."""
        told = () if self.notifying is None else self.notifying.pids
        pids = (self._guard.pid, *(check.pid for check in self.checks), *told)
        return tuple(pid for pid in pids if pid is not None)

    def leave_to_successor(self) -> None:
        """End what does not survive the change of program; the addresses stay."""
        if self._checks is not None:
            self._checks.stop()
        self._guard.dismiss(keep_addresses=True)
        if self.notifying is not None:
            self.notifying.abandon()
        if self._punctuality is not None:
            self._punctuality.pause()

    def _calm_down(self) -> None:
        """Be an ordinary process again, now that the groups go on, if nothing else is asked for."""
        if self._punctuality is None or not self.realtime:
            from carpool.node.realtime import drop_priority  # noqa: PLC0415

            drop_priority()

    def go_on_after_all(self) -> None:
        """Undo `leave_to_successor`."""
        if self._punctuality is not None:
            self._punctuality.go_on()
        if self._guarded:
            self._guard.start()
        if self._checks is not None:
            self._checks.start()

    # What there is to see, for the control socket.

    @property
    def groups(self) -> Sequence[Group]:
        """The groups, in the order of the settings."""
        return self._groups

    def outline(self, name: str) -> dict[str, Any] | None:
        """Return what a group is now, in JSON's types; None if there is none of that name."""
        group = self._by_name.get(name)
        if group is None:
            return None
        return {
            "state": group.virtual_host.state.value,
            "why": group.why,
            "demotion": group.virtual_host.demotion,
            "demotions": list(group.demotions),
        }

    @property
    def segments(self) -> Iterable[Segment]:
        """Where they are heard: each interface and multicast group once."""
        return self._segments.values()

    @property
    def punctuality(self) -> "Punctuality | None":
        """What watches over the groups of the fast profile, if there are such."""
        return self._punctuality

    @property
    def checks(self) -> "Sequence[Check]":
        """The health checks, in the order of the cluster file."""
        return () if self._checks is None else self._checks.each

    # Commands, from signals or the control socket.

    def handle_signals(self, stop_on: Sequence[int]) -> None:
        """Stop cleanly on the signals `stop_on`; SIGUSR1 logs the state, SIGUSR2 yields."""
        for signum in stop_on:
            self._loop.on_signal(signum, self.stop)
        self._loop.on_signal(signal.SIGUSR1, self.log_status)
        self._loop.on_signal(signal.SIGUSR2, self.yield_mastership)

    def stop(self) -> None:
        """Leave cleanly; told a second time, without waiting for scripts."""
        if self._stopping:
            self._loop.stop()
            return
        if self.notifying is not None:
            self.notifying.stop()  # Whoever takes over tells; nobody waits for a mail here.
        for group in self._groups:
            group.stop()
        if self._checks is not None:
            self._checks.stop()  # Only now: another node waits for the addresses, nobody for this.
        self._stopping = True
        for callback in self.on_stop:
            callback()
        self._leave_if_settled()

    def yield_mastership(self) -> None:
        """Let other nodes take over every group that is master here."""
        for group in self._groups:
            group.yield_mastership()

    def log_status(self) -> None:
        """Log a line for each group and each check."""
        for group in self._groups:
            self._log.info(group.status_line())
        for check in self.checks:
            self._log.info(check.status_line)

    def _leave_if_settled(self) -> None:
        if self._stopping and all(group.is_settled for group in self._groups):
            self._loop.stop()

    # Opening.

    def _add_group(self, settings: GroupSettings, counters: Counters, phase: Phase | None) -> None:
        if settings.interface not in self._surroundings.interfaces:
            there = ", ".join(sorted(self._surroundings.interfaces))
            raise NoInterfaceError(
                f"there is no interface {settings.interface} on this host; it has: {there}"
            )
        group = Group(
            settings,
            host=self._host,
            loop=self._loop,
            log=self._log,
            counters=counters,
            lease=self._lease(settings),
            phase=phase,
            turns=self._turns,
            settled=self._leave_if_settled,
            recorder=self._recorder,
        )
        key = (settings.interface, settings.multicast.packed)
        segment = self._segments.get(key)
        if segment is None:
            segment = self._segments[key] = Segment(
                *key, host=self._host, loop=self._loop, log=self._log
            )
            segment.conflicts.own_macs = self._surroundings.own_macs
            segment.all_settings = self._settings
        segment.add(group)
        self._groups.append(group)
        self._by_name[settings.name] = group
        self._surroundings.add(group)

    def _lease(self, settings: GroupSettings) -> Lease | None:
        if not settings.manage_addresses:
            return None
        return self._guard.lease(self._lease_numbers[id(settings)])

    def _sweep(self, handover: Handover | None) -> None:
        """Take off what a killed daemon left: until the election says so, we hold nothing.

        Nothing but what is handed over.
        """
        managed = {address.ip for group in self._guarded for address in group.addresses}
        if handover is not None:
            resumed = [group for group in self._settings if handover.state_of(group) is not None]
            managed |= handover.addresses()
            managed -= {address.ip for group in resumed for address in group.addresses}
        if not managed:
            return
        try:
            for stale in self._host.sweep(managed):
                self._log.happened(
                    "address",
                    Level.WARNING,
                    f"removed {stale}, left behind by an earlier run",
                    details={"change": "off", "address": str(stale)},
                )
        except HostError as error:
            self._log.error(f"{error}; two nodes may hold it now")

    # Health.

    def _make_checks(self) -> None:
        if not self._check_settings:
            return
        # Only here: a daemon without checks need not load them.
        from carpool.node.health.checks import Checks  # noqa: PLC0415

        self._checks = Checks(
            self._check_settings,
            loop=self._loop,
            log=self._log,
            interfaces=self._surroundings.interfaces.get,
            on_change=self._check_changed,
        )

    def _check_changed(self, check: "Check") -> None:
        names = set(check.settings.groups)
        self._demote_next(check, iter([one for one in self._groups if one.settings.name in names]))

    def _demote_next(self, check: "Check", groups: Iterator[Group]) -> None:
        """Demote one group in each round: of many, each is to hear who takes it over."""
        group = next(groups, None)
        if group is not None:
            group.demote(f"check {check.settings.name}", check.demotion)
            self._loop.call_at(self._loop.now(), lambda: self._demote_next(check, groups))

    # The host changes under us.

    def _on_wake(self, slept: int) -> None:
        self._log.happened(
            "daemon",
            Level.NOTICE,
            f"this machine has slept for {slept / SECOND:.1f} s",
            details={"slept_seconds": slept / SECOND},
        )
        for group in self._groups:
            group.woke()

    def _flush_log(self) -> None:
        self._log.flush()
        self._loop.call_at(self._loop.now() + _FLUSH_LOG_EVERY, self._flush_log)


def restore_demotions(
    groups: Iterable[Group], handover: Handover, checks: "Sequence[CheckSettings]"
) -> None:
    """Demote groups and their companions by what outlasts a change of program.

    That is what `carpool demote` asked for, and what services and health checks have found: it
    holds until they find something else.
    """
    for group in groups:
        settings, state = group.settings, handover.state_of(group.settings)
        lasting = {DEMOTED_REASON}
        lasting |= {f"check {check.name}" for check in checks if settings.name in check.groups}
        if settings.service_demote:
            # Only here: most groups have no services.
            from carpool.node.services import REASON  # noqa: PLC0415

            lasting.add(REASON)
        for reason, amount in () if state is None else state.demotions.items():
            if reason in lasting:
                group.demote(reason, amount)


def _fast(settings: Sequence[GroupSettings]) -> list[GroupSettings]:
    return [group for group in settings if group.carp.fast]


def _punctuality(
    settings: Sequence[GroupSettings], loop: Loop, log: Log, *, realtime: bool
) -> "Punctuality | None":
    if not _fast(settings):
        return None
    from carpool.node.punctuality import Punctuality  # noqa: PLC0415

    return Punctuality(loop=loop, log=log, allowed=realtime)


def default_interface(host: Host) -> str:
    """Return the best interface that is no loopback. Raises CannotRunError for none."""
    try:
        usable = [one for one in host.interfaces() if any(one.mac)]
    except HostError as error:
        raise CannotRunError(str(error)) from error
    if not usable:
        raise CannotRunError("this host has no network interface; add one")
    return min(usable, key=lambda one: (not one.carrier, one.index)).name
