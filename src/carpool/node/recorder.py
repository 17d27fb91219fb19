"""The flight recorder of a daemon: the tapes of its groups, and when they go into a file.

They are in memory, for `carpool trace` to ask for. The daemon writes a file by itself when it
crashes, and after what an administrator will ask about: a master fell silent, there were two, or
this one had been paused. In each file are MOST_GROUPS at most, and there is one a minute.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from carpool import __version__
from carpool.carp.counters import Counters
from carpool.carp.election import Event, State
from carpool.carp.phase import Phase
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import VirtualHost
from carpool.node.log import Log
from carpool.node.loop import Loop
from carpool.node.settings import GroupSettings
from carpool.node.trace_files import TraceFiles
from carpool.recorder.entry import HEARD, Entry
from carpool.recorder.recorded import Recorded
from carpool.recorder.tape import LEAST_BYTES, MOST_BYTES
from carpool.recorder.trace import Head, group_lines, head_line, text

ALL_BYTES = 4 << 20
"""Of the tapes of all groups, unless each would have less than LEAST_BYTES."""
MOST_GROUPS = 64

_AFTERMATH = 10 * SECOND
"""How long after an event it is written down: what follows belongs to it."""
_PAUSE = 60 * SECOND
_ANSWERS, _ANSWERED_WITHIN = 3, 10 * SECOND
"""So many answers to rivals are two masters; with one or two a takeover ends."""


class Recorder:
    """Makes virtual hosts that are recorded, and tells what is on their tapes."""

    def __init__(
        self, node: str, directory: Path | None, groups: int, *, loop: Loop, log: Log
    ) -> None:
        """Be ready for so many groups. Files go into `directory`; None: there are none."""
        self._node = node
        self._loop = loop
        self._log = log
        self._files = None if directory is None else TraceFiles(directory, node, loop, log)
        self._most_bytes = min(max(ALL_BYTES // max(groups, 1), LEAST_BYTES), MOST_BYTES)
        self._recorded: dict[str, tuple[GroupSettings, Recorded]] = {}
        self._answers: defaultdict[str, list[int]] = defaultdict(list)
        self._noticed: dict[str, str] = {}
        """What happened to groups and has not been written down yet."""
        self._timer = loop.call_at(loop.now(), self._write_noticed)
        self._timer.cancel()
        self._not_before = 0

    def host(self, group: GroupSettings, counters: Counters, phase: Phase | None) -> VirtualHost:
        """Return a virtual host for a group, which is recorded."""
        carp, most = group.carp, self._most_bytes
        made = Recorded(carp, sources={}, counters=counters, phase=phase, most_bytes=most)
        made.tape.on_entry = lambda entry: self._look(group.name, made, entry)
        self._recorded[group.name] = (group, made)
        return made

    @property
    def names(self) -> list[str]:
        """The names of the groups that are recorded."""
        return list(self._recorded)

    def head(self, why: str) -> dict[str, Any]:
        """Return the first line of a trace."""
        wall = time.time_ns() - self._loop.now()
        return head_line(Head(__version__, self._node, wall, why))

    def lines(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the lines of a group."""
        group, host = self._recorded[name]
        yield from group_lines(name, group.interface, group.carp, host.tape)

    def crashed(self, error: BaseException) -> None:
        """Write down everything, for the daemon is about to end."""
        if self._files is not None:
            why = f"the daemon crashed: {type(error).__name__}"
            with suppress(Exception):  # It is the first error that is to be told.
                self._files.write_at_once(self._text(self.names, why), why)

    def _text(self, names: Iterable[str], why: str) -> Iterator[bytes]:
        lines = (line for name in names for line in self.lines(name))
        head = self.head(why)

        def every() -> Iterator[dict[str, Any]]:
            yield head
            yield from lines

        return text(every())

    # What is worth a file.

    def _look(self, name: str, host: Recorded, entry: Entry) -> None:
        """Look whether an entry, none of those that go on for ever, is out of the ordinary."""
        for outcome in entry.outcomes:
            if outcome[0] == "transition":
                self._look_at_change(name, host, *outcome[1:])
                return
        if entry.what == HEARD and entry.outcomes:
            answers = self._answers[name]
            answers.append(entry.instant)
            del answers[:-_ANSWERS]
            if len(answers) == _ANSWERS and entry.instant - answers[0] < _ANSWERED_WITHIN:
                self._notice(name, "two masters")

    def _look_at_change(
        self, name: str, host: Recorded, _previous: str, state: str, event: str
    ) -> None:
        if event == Event.MASTER_DOWN.name and state == State.MASTER and host.master is not None:
            self._notice(name, "the master fell silent")
        elif event == Event.LAPSED.name:
            self._notice(name, "this master had been paused")

    def _notice(self, name: str, what: str) -> None:
        if self._files is None or len(self._noticed) >= MOST_GROUPS:
            return
        self._noticed.setdefault(name, what)
        if self._timer.when is None:
            self._timer.reschedule(max(self._loop.now() + _AFTERMATH, self._not_before))

    def _write_noticed(self) -> None:
        assert self._files is not None
        noticed, self._noticed = self._noticed, {}
        self._not_before = self._loop.now() + _PAUSE
        why = "; ".join(
            f"{what} ({', '.join(name for name in noticed if noticed[name] == what)})"
            for what in dict.fromkeys(noticed.values())
        )
        if not self._files.busy:
            self._files.write(self._text(noticed, why), why)
