"""The threads that ask: for each source one that asks for its status, one that hears its events.

A status is the truth, an event the reason to ask at once, and the exact time of a change.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

from carpool.web.sources import Source, SourceError

if TYPE_CHECKING:
    from carpool.web.ledger import Ledger

LOG: Final = logging.getLogger("carpool.web")
MOST_SOURCES: Final = 1024

_SOON: Final = 0.15  # s between an event and the question, at least: others come with it
_LATE: Final = 2.0  # s, at most
_SHARE: Final = 5  # questions in a pause that events may cause
_PATIENT: Final = 5.0  # times the pause, while events tell what changes
_AGAIN: Final = 2.0  # s until a source is tried again
_BACKLOG: Final = 1.0  # s for what has happened before to come
_LOOK: Final = 2.0  # s between two looks for new sources

Finder = Callable[[], Mapping[str, Callable[[], Source]]]
"""Returns how to make the sources that there are now, by node. Raises SourceError."""


class Asking:
    """Asks all sources, until `close`."""

    def __init__(
        self, ledger: Ledger, sources: Iterable[Source] = (), finders: Iterable[Finder] = ()
    ) -> None:
        """`finders` are asked again and again which sources there are."""
        self._ledger = ledger
        self._finders = list(finders)
        self._threads: dict[str, _Asker] = {}
        self._halt = Event()
        self._lock = Lock()
        self.problem: str | None = None
        """Why no sources can be looked for, if so."""
        for source in sources:
            self._add(source)
        self.look()
        self._looker = Thread(target=self._keep_looking, name="sources", daemon=True)
        if self._finders:
            self._looker.start()

    def look(self) -> None:
        """Take on the sources that are new."""
        self.problem = None
        for finder in self._finders:
            try:
                found = finder()
            except SourceError as error:
                self.problem = str(error)
                continue
            for node, make in found.items():
                if node not in self._threads and len(self._threads) < MOST_SOURCES:
                    self._add(make())

    def source(self, node: str) -> Source | None:
        """Return the source of a node, if there is one."""
        asker = self._threads.get(node)
        return asker.source if asker else None

    def ask_now(self, node: str) -> None:
        """Ask a node, without waiting for the answer."""
        self._threads[node].wake.set()

    def close(self) -> None:
        """Stop asking. The threads end by themselves, within some seconds."""
        self._halt.set()
        for asker in self._threads.values():
            asker.wake.set()
            asker.source.close()

    def _add(self, source: Source) -> None:
        with self._lock:
            self._threads[source.node] = _Asker(source, self._ledger, self._halt)

    def _keep_looking(self) -> None:
        while not self._halt.wait(_LOOK):
            self.look()


class _Asker:
    """The two threads of a source."""

    def __init__(self, source: Source, ledger: Ledger, halt: Event) -> None:
        self.source = source
        self.wake = Event()
        """Set to ask now."""
        self._ledger = ledger
        self._halt = halt
        self._caught_up = Event()
        self._following = False
        self._lived_until = 0.0
        ledger.expect(source.node, source.place)
        for work in (self._ask, self._follow):
            Thread(target=work, name=f"{work.__name__} {source.node}", daemon=True).start()

    def _ask(self) -> None:
        # What has happened before is told first, or the timeline would take it for old.
        self._caught_up.wait(_BACKLOG)
        while not self._halt.is_set():
            self.wake.clear()
            self._ask_once()
            pause = self.source.pause * (_PATIENT if self._following else 1)
            if self.wake.wait(pause):
                self._halt.wait(min(_LATE, max(_SOON, self.source.pause / _SHARE)))

    def _ask_once(self) -> None:
        source, asked = self.source, time.time()
        try:
            document = source.ask()
            if self._halt.is_set():
                return
            self._ledger.answered(source.node, source.place, document, asked, time.time())
        except SourceError as error:
            self._silent(str(error), gone=error.gone)
        except ValueError as error:
            self._silent(str(error), gone=False)

    def _silent(self, why: str, *, gone: bool) -> None:
        if not self._halt.is_set():
            self._ledger.silent(
                self.source.node,
                self.source.place,
                why,
                time.time(),
                gone=gone,
                lived_until=self._lived_until,
            )

    def _follow(self) -> None:
        while not self._halt.is_set():
            live = False
            try:
                for event in self.source.follow():
                    if event is None:
                        live = self._following = True
                        self._caught_up.set()
                        continue
                    self._ledger.happened(self.source.node, event, time.time(), live=live)
                    if live:
                        self.wake.set()
            except SourceError as error:
                LOG.debug("%s: no events: %s", self.source.node, error)
            self._caught_up.set()
            if self._following:
                self._lived_until = time.time()
                self.wake.set()  # it may have died
            self._following = False
            self._halt.wait(_AGAIN)
