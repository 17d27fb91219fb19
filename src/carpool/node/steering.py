"""What can be asked of a running daemon: the commands of the control socket.

===========  ==============  ==================================================================
command      takes           does
===========  ==============  ==================================================================
status       groups          tells what the groups are, and why
yield        groups          lets another node take over, where this one is master
demote       groups, amount  demotes by 1-254, until the daemon ends
promote      groups          takes that back
maintenance  groups, on      forbids to be master (on: true), or no longer, and remembers it
restart      force           replaces the program, without a failover
reload       force, dry_run  does that if anything is another in the cluster file, and tells what
trace        group           tells what is on the tape of one group; without it, which there are
events       groups, since,  tells what has happened since the event of that number, and with follow
             epoch, follow   goes on telling
===========  ==============  ==================================================================

`groups` is a list of names; without it, all are meant. With `by`, a text, the log and the events
tell for whom a program asks, such as carpool web.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from carpool import __version__
from carpool.carp.election import MOST_DEMOTED, State
from carpool.node.control import Reply, RequestError, Stream
from carpool.node.daemon import DEMOTED_REASON, Daemon
from carpool.node.events import Events
from carpool.node.following import Following, Lines
from carpool.node.group import Group
from carpool.node.http_page import Page
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.maintenance import Maintenance, MaintenanceError
from carpool.node.recorder import Recorder
from carpool.node.restart import Restart
from carpool.node.status import GROUPS_AT_ONCE, group_status, status_of_the_rest

_LONGEST_NAME = 100  # characters of who asks

Request = Mapping[str, Any]


class Steering:
    """Carries out commands on one daemon."""

    def __init__(
        self,
        node: str,
        daemon: Daemon,
        *,
        maintenance: Maintenance,
        restart: Restart,
        recorder: Recorder,
        events: Events,
        loop: Loop,
        log: Log,
    ) -> None:
        self._node = node
        self._daemon = daemon
        self._maintenance = maintenance
        self._restart = restart
        self._recorder = recorder
        self._events = events
        self._lines = Lines(node, events.epoch)
        self._loop = loop
        self._log = log
        self._started = loop.now()
        self._commands: dict[str, Callable[[Request, Reply], Stream | None]] = {
            "status": self._status,
            "yield": self._yield,
            "demote": self._demote,
            "promote": self._promote,
            "maintenance": self._set_maintenance,
            "restart": self._begin_restart,
            "reload": self._begin_reload,
            "trace": self._trace,
            "events": self._follow_events,
        }

    def handle(self, command: str, request: Request, reply: Reply) -> Stream | None:
        """Carry out one command. Raises RequestError."""
        if command not in self._commands:
            known = ", ".join(sorted(self._commands))
            raise RequestError(f"there is no command {command!r}; there are {known}")
        if "by" in request:
            self._tell_who_asks(command, request)
        return self._commands[command](request, reply)

    def _tell_who_asks(self, command: str, request: Request) -> None:
        by = request["by"]
        if not isinstance(by, str) or len(by) > _LONGEST_NAME or not by.isprintable():
            raise RequestError(f"by is a text of {_LONGEST_NAME} characters at most")
        names = [group.settings.name for group in self._groups(request)]
        self._log.happened(
            "control",
            Level.NOTICE,
            f"control: {command} {', '.join(names)}: asked for by {by}",
            group=names[0] if len(names) == 1 else None,
            details={"command": command, "groups": names, "by": by},
        )

    def _status(self, request: Request, reply: Reply) -> None:
        meant = self._groups(request)
        told: list[dict[str, Any]] = []

        def tell() -> None:
            now = self._loop.now()
            there = len(told)
            told.extend(group_status(one, now) for one in meant[there : there + GROUPS_AT_ONCE])
            if len(told) < len(meant):
                self._loop.call_at(now, tell)
                return
            rest = status_of_the_rest(self._daemon, now)
            reply({"ok": True, **self._about(), "groups": told, **rest})

        tell()

    def _about(self) -> dict[str, Any]:
        """Return what there is to say of the process."""
        return {
            "node": self._node,
            "pid": os.getpid(),
            "program": __version__,
            "restarts": self._restart.restarts,
            "uptime_seconds": round((self._loop.now() - self._started) / 1e9, 3),
            "log_lines_lost": self._log.lost,
        }

    @property
    def pages(self) -> Mapping[str, Page]:
        """What a GET on the control socket is answered with, by its path."""
        return {"/metrics": self._metrics}

    def _metrics(self) -> tuple[str, Iterator[bytes]]:
        # Only here: most daemons are not asked for them.
        from carpool.node.metrics import metrics  # noqa: PLC0415
        from carpool.node.metrics_text import CONTENT_TYPE  # noqa: PLC0415

        return CONTENT_TYPE, metrics(self._daemon, self._about(), self._loop.now)

    def _yield(self, request: Request, reply: Reply) -> None:
        masters = [
            group for group in self._groups(request) if group.virtual_host.state is State.MASTER
        ]
        names = [group.settings.name for group in masters]
        if names:
            self._log.happened(
                "yield",
                Level.NOTICE,
                f"control: told to yield {', '.join(names)}",
                group=names[0] if len(names) == 1 else None,
                details={"groups": names},
            )
        for group in masters:
            group.yield_mastership()
        reply({"ok": True, "yielded": names})

    def _demote(self, request: Request, reply: Reply) -> None:
        amount = request.get("amount")
        if type(amount) is not int or not 1 <= amount <= MOST_DEMOTED:
            raise RequestError(f"amount is a number from 1 to {MOST_DEMOTED}")
        self._change_demotion(request, reply, amount)

    def _promote(self, request: Request, reply: Reply) -> None:
        self._change_demotion(request, reply, 0)

    def _change_demotion(self, request: Request, reply: Reply, amount: int) -> None:
        groups = self._groups(request)
        for group in groups:
            group.demote(DEMOTED_REASON, amount)
        reply({"ok": True, "demotions": {one.settings.name: one.demotions for one in groups}})

    def _set_maintenance(self, request: Request, reply: Reply) -> None:
        on = request.get("on")
        if not isinstance(on, bool):
            raise RequestError("on is true or false")
        groups = self._groups(request)
        names = None if request.get("groups") is None else [one.settings.name for one in groups]
        change = self._maintenance.begin if on else self._maintenance.end
        try:
            warning = change(names)
        except MaintenanceError as error:
            raise RequestError(str(error)) from None
        what = "this node" if names is None else ", ".join(names)
        self._log.happened(
            "maintenance",
            Level.NOTICE,
            f"control: maintenance {'on' if on else 'off'}: {what}",
            group=names[0] if names is not None and len(names) == 1 else None,
            details={"on": on, "groups": names},
        )
        self._maintenance.apply(self._daemon.groups)
        inside = [one for one in self._daemon.groups if self._maintenance.includes(one)]
        reply(
            {
                "ok": True,
                "maintenance": [group.settings.name for group in inside],
                **({"warning": warning} if warning else {}),
            }
        )

    def _begin_restart(self, request: Request, reply: Reply) -> None:
        self._restart.request(reply, force=request.get("force") is True)

    def _begin_reload(self, request: Request, reply: Reply) -> None:
        self._restart.reload(
            reply, force=request.get("force") is True, dry_run=request.get("dry_run") is True
        )

    def _trace(self, request: Request, reply: Reply) -> None:
        """Answer for one group at a time: that is some 100 kB at most."""
        name, names = request.get("group"), self._recorder.names
        if name is None:
            head = self._recorder.head("carpool trace")
            reply({"ok": True, "node": self._node, "head": head, "groups": names})
        elif name in names:
            reply({"ok": True, "lines": list(self._recorder.lines(name))})
        else:
            raise RequestError(
                f"there is no group {name!r} on this node; it has {', '.join(names)}"
            )

    def _follow_events(self, request: Request, _reply: Reply) -> Stream:
        since, epoch = request.get("since"), request.get("epoch")
        if since is not None and (type(since) is not int or since < 0):
            raise RequestError("since is the number of an event")
        if epoch is not None and not isinstance(epoch, str):
            raise RequestError("epoch is a text")
        follow = request.get("follow", False)
        if not isinstance(follow, bool):
            raise RequestError("follow is true or false")
        meant = self._groups(request)
        groups = None if request.get("groups") is None else {one.settings.name for one in meant}
        return Following(
            self._events,
            self._lines,
            after=since,
            epoch=epoch,
            groups=None if groups is None else frozenset(groups),
            follow=follow,
        )

    def _groups(self, request: Request) -> list[Group]:
        """Return the groups that are meant. Raises RequestError for one that is not there."""
        wanted = request.get("groups")
        there = {group.settings.name: group for group in self._daemon.groups}
        if wanted is None:
            return list(there.values())
        if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
            raise RequestError("groups is a list of names")
        missing = [name for name in wanted if name not in there]
        if missing:
            raise RequestError(
                f"there is no group {missing[0]!r} on this node; it has {', '.join(there)}"
            )
        return [there[name] for name in dict.fromkeys(wanted)]
