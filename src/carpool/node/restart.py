"""Replaces the program of a running daemon, without a failover: `carpool restart` and `reload`.

First the new program is tried, in a child: it reads the cluster file and the passwords as they are
now and says which groups it would run. If it is unfit, or too slow, nothing changes. Then groups
that it does not know leave cleanly, scripts are waited for, and the process becomes the new
program (execve(2)): the same process id, the same control socket. It goes on where this one was.

A reload is a restart that first tells what is another in the file, and is none if nothing is.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from carpool import __version__
from carpool.carp.election import State
from carpool.carp.timing import SECOND, lapse_time
from carpool.node import realtime
from carpool.node.changes import SALT, Described, Running, changes
from carpool.node.commands import Commands, Result
from carpool.node.control import Reply, RequestError
from carpool.node.daemon import Daemon
from carpool.node.events import Events
from carpool.node.group import Group
from carpool.node.handover import HELD_BACK, TRY, VERSION, Handover, identity
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.maintenance import Maintenance
from carpool.node.rundir import Claim

_TRIAL_LIMIT = 60 * SECOND
_SCRIPTS_LIMIT = 30 * SECOND
"""For scripts that run already; those that groups run as they leave have limits of their own."""
_ANSWER_LIMIT = SECOND
"""For clients to take their answers, and for notifications that are under way to arrive."""
_POLL = SECOND // 20
_SLOWEST = 255
"""advskew of a master of the fast profile while its program is replaced, 1/256 s."""
_MOST_SAID = 4000  # characters of what a new program that is unfit says
_MOST_BYTES = 16 << 20  # of what it says: 4,080 groups take 2


class Restart:
    """Restarts one daemon, when it is asked to."""

    def __init__(
        self,
        daemon: Daemon,
        claimed: Claim,
        maintenance: Maintenance,
        loop: Loop,
        log: Log,
        *,
        events: Events | None = None,
        running: Running | None = None,
        restarts: int = 0,
    ) -> None:
        self.restarts = restarts
        """How often this process has been restarted already."""
        self.owes: Callable[[], bool] = lambda: False
        """Whether clients have not taken all of their answers yet."""
        self._daemon = daemon
        self._claimed = claimed
        self._maintenance = maintenance
        self._events = events
        self._running = running
        self._loop = loop
        self._log = log
        self._argv = (sys.executable, *sys.orig_argv[1:])
        self._commands = Commands(loop, _TRIAL_LIMIT, most_bytes=_MOST_BYTES)
        self._reply: Reply | None = None
        self._under_way = False
        self._force = False
        self._what = "restart"
        self._dry_run = False
        self._salt = ""
        self._told: dict[str, Any] = {}
        self._asked_at = 0
        self._began_at = 0
        self._wanted: Mapping[str, str] = {}
        self._leaving: list[Group] = []
        self._give_up_at: int | None = None
        self._timer = loop.call_at(loop.now(), self._wait_for_scripts)
        self._timer.cancel()

    def request(self, reply: Reply, *, force: bool) -> None:
        """Restart, and answer just before, or why not. Raises RequestError if it is under way."""
        self._try("restart", reply, force=force, dry_run=False)

    def reload(self, reply: Reply, *, force: bool, dry_run: bool) -> None:
        """Restart if anything is another in the file, and answer what. Raises RequestError.

        With `dry_run` only answer.
        """
        self._try("reload", reply, force=force, dry_run=dry_run)

    def _try(self, what: str, reply: Reply, *, force: bool, dry_run: bool) -> None:
        if self._under_way:
            seconds = (self._loop.now() - self._asked_at) // SECOND
            raise RequestError(f"a {self._what} is under way already, for {seconds} s by now")
        self._under_way = True
        self._what, self._dry_run, self._told = what, dry_run, {}
        self._reply, self._force, self._asked_at = reply, force, self._loop.now()
        self._happened(Level.NOTICE, f"{what}: trying the new program", "trying")
        self._salt = os.urandom(16).hex() if what == "reload" else ""
        environment = {SALT: self._salt} if self._salt else {}
        self._commands.start((*self._argv, TRY, str(VERSION)), self._tried, environment)

    def _tried(self, result: Result) -> None:
        took = self._loop.now() - self._asked_at
        if result.problem is not None:
            self._refuse(result.output[-_MOST_SAID:].strip() or result.problem)
            return
        *warnings, last = result.output.splitlines() or [""]
        try:
            document = json.loads(last)
            self._wanted = dict(document["groups"])
            waited = round(SECOND * float(document.get("processor_wait_seconds", 0)))
        except (ValueError, LookupError, TypeError):
            self._refuse("the new program does not say what it would run")
            return
        if self._daemon.realtime and realtime.may_take_priority():
            took -= waited  # For the processor: then it need not, as its trial had to.
        if self._what == "restart":
            self._replace(took)
        elif self._running is None or "described" not in document:
            self._refuse("the new program does not say what is another; use carpool restart")
        else:
            self._told = {
                "warnings": warnings,
                "program": __version__,
                "new_program": document.get("program"),
            }
            described = self._running.describe(self._salt)
            self._compare(described, document["described"], took)

    def _compare(
        self,
        describing: Iterator[Described],
        after: Described,
        took: int,
        before: Described | None = None,
    ) -> None:
        """Describe a part of what runs in each round of the loop; compare when it is whole."""
        part = next(describing, None)
        if part is not None:
            self._loop.call_at(
                self._loop.now(), lambda: self._compare(describing, after, took, part)
            )
            return
        assert before is not None
        try:
            found = changes(before, after)
        except (LookupError, TypeError, AttributeError):
            self._refuse("the new program does not say what it would run")
            return
        self._told["changes"] = found
        if found and not self._dry_run:
            self._replace(took)
        else:
            text = f"reload: {_counted(found) if found else 'nothing is another'}; going on"
            self._happened(Level.NOTICE, text, "unchanged")
            self._under_way = False
            self._answer({"ok": True, "applied": False, **self._told})

    def _replace(self, took: int) -> None:
        problem = None if self._force else self._too_slow(took)
        if problem is not None:
            self._refuse(problem)
            return
        self._give_up_at = self._loop.now() + _SCRIPTS_LIMIT
        self._wait_for_scripts()

    def _too_slow(self, took: int) -> str | None:
        """Return why backups might take over before the new program speaks, or None."""
        for group in self._daemon.groups:
            if group.virtual_host.state is not State.MASTER or not self._stays(group):
                continue
            carp = group.settings.carp
            advskew = _SLOWEST if carp.fast else group.virtual_host.advskew
            patience = lapse_time(carp.advbase, advskew, carp.dead_ratio)
            if took > patience // 2:
                return (
                    f"group {group.settings.name}: the new program needs about "
                    f"{took / SECOND:.2f} s to start, and its backups wait {patience / SECOND:.2f} "
                    "s for an advertisement: they might take over. Use --force if they may, or "
                    "carpool yield first"
                )
        return None

    def _stays(self, group: Group) -> bool:
        return self._wanted.get(group.settings.name) == identity(group.settings)

    def _wait_for_scripts(self) -> None:
        """Go on when no script runs: one that this process has started must be seen to its end."""
        if self._daemon.is_stopping:
            self._refuse("the daemon is being stopped")
            return
        busy = self._busy()
        if not busy and self._give_up_at is not None:
            self._give_up_at = None
            self._let_go()
        elif not busy:
            self._begin()
            return
        elif self._give_up_at is not None and self._loop.now() >= self._give_up_at:
            self._refuse(f"{busy}; try again when they have ended")
            return
        self._timer.reschedule(self._loop.now() + _POLL)

    def _busy(self) -> str:
        """Return in words of which groups scripts run; nothing if none do."""
        busy = [group.settings.name for group in self._daemon.groups if not group.is_settled]
        return f"scripts of {', '.join(busy)} are still running" if busy else ""

    def _let_go(self) -> None:
        """Let the groups leave that the new program does not have, or has otherwise."""
        self._leaving = [group for group in self._daemon.groups if not self._stays(group)]
        for group in self._leaving:
            text = f"{group.label}leaves: it is not in the new configuration as it was"
            self._happened(Level.NOTICE, text, "leaving", group)
            group.stop()

    def _refuse(self, reason: str) -> None:
        text = f"{self._what}: refused, going on as before: {reason}"
        self._happened(Level.ERROR, text, "refused")
        self._under_way = False
        self._answer({"ok": False, "error": reason})

    def _happened(self, level: Level, text: str, phase: str, group: Group | None = None) -> None:
        name = None if group is None else group.settings.name
        self._log.happened("daemon", level, text, group=name, details={"phase": phase})

    def _answer(self, answer: Mapping[str, object]) -> None:
        reply, self._reply = self._reply, None
        assert reply is not None
        reply(answer)

    def _begin(self) -> None:
        """Say that all is well, and go."""
        self._answer({"ok": True, "applied": True, "restarts": self.restarts + 1, **self._told})
        self._began_at = self._loop.now()
        self._loop.call_at(self._loop.now(), self._go)

    def _go(self) -> None:
        """Be the new program when nobody is being told, and no script has begun meanwhile."""
        if self._daemon.is_stopping:
            return
        waited, busy = self._loop.now() - self._began_at, self._busy()
        if busy and waited >= _SCRIPTS_LIMIT:
            self._go_on(busy)
        elif busy or ((self.owes() or self._is_telling) and waited < _ANSWER_LIMIT):
            self._loop.call_at(self._loop.now() + _POLL, self._go)
        else:
            self._become()

    @property
    def _is_telling(self) -> bool:
        notifying = self._daemon.notifying
        return notifying is not None and notifying.under_way > 0

    def _become(self) -> None:
        """Be the new program. Returns only if that fails, or if told to stop at this moment."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
        self._loop.dispatch_signals()  # What has arrived would end with this program.
        if self._daemon.is_stopping:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
            return
        claimed = self._claimed
        stay = [group for group in self._daemon.groups if self._stays(group)]
        self._happened(Level.NOTICE, f"{self._what}: replacing the program", "replacing")
        self._log.flush()
        # Said once more, so that the new program has all the time that backups wait.
        for group in stay:
            # In the fast profile backups have the patience that the master's interval asks for.
            group.virtual_host.slow_down(_SLOWEST)
            group.advertise_now()
            if group.settings.carp.fast:
                group.advertise_now()  # One may be lost, and then nobody waits.
        self._loop.end_round()
        if self._busy():
            # A signal, or a pause, has just ended a mastership: its scripts are to be seen to.
            self._keep_pace()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
            self._loop.call_at(self._loop.now() + _POLL, self._go)
            return
        punctuality, notifying = self._daemon.punctuality, self._daemon.notifying
        # Before the events: what is too much to be left is one.
        notices = {} if notifying is None else notifying.leave()
        handover = Handover(
            node=claimed.node,
            run_directory=str(claimed.directory),
            listener=claimed.listener.fileno(),
            lock=claimed.lock,
            restarts=self.restarts + 1,
            maintenance=self._maintenance.saved(),
            groups=tuple(group.saved() for group in stay),
            outputs=tuple(output for group in stay for output in group.open_outputs),
            children=self._daemon.children,
            paces={} if punctuality is None else punctuality.saved(),
            events={} if self._events is None else self._events.saved(),
            notices=notices,
            lines=self._log.leave(),
        )
        try:
            handover.send()
        except OSError as error:
            self._go_on(f"cannot leave anything to the new program: {error.strerror}")
            return
        self._daemon.leave_to_successor()
        if self._daemon.realtime and any(group.memory.master for group in handover.groups):
            # A new program needs a part of a second of processor time before it can say that its
            # groups have a master: on a busy machine that would take seconds.
            realtime.take_priority()
        try:
            os.execv(self._argv[0], self._argv)  # noqa: S606 - ourselves, with the same arguments
        except OSError as error:
            handover.take_back()
            realtime.drop_priority()
            # First: a guard has the mask of who makes it, and TERM is to reach it.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
            self._daemon.go_on_after_all()
            self._go_on(f"{self._argv[0]}: {error.strerror}")

    def _go_on(self, problem: str) -> None:
        self._keep_pace()
        self._happened(Level.ERROR, f"{self._what}: {problem}; going on as before", "failed")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
        for group in self._leaving:
            self._daemon.start_group(group)
        self._under_way = False

    def _keep_pace(self) -> None:
        """Undo that groups were slowed down for their backups' patience."""
        if self._daemon.punctuality is not None:
            self._daemon.punctuality.keep_pace()


def _counted(found: Sequence[Mapping[str, Any]]) -> str:
    return f"{len(found)} change{'s' * (len(found) != 1)} would be made"
