"""Reads the events of a daemon of this host, also while it is replaced or started anew."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from carpool.node.client import AskError, Connection, NotRunningError, RefusedError

_SOONEST, _LATEST = 0.05, 1.0  # seconds until the next try to reach a daemon that hung up


class Follower:
    """A reader of the events of one daemon."""

    def __init__(
        self,
        path: Path,
        *,
        since: int | None = None,
        epoch: str | None = None,
        groups: Sequence[str] | None = None,
        seconds: float = 10.0,
    ) -> None:
        """Read from the socket at `path`; each answer may take `seconds`.

        `since`: what came after the event of that number, of that `epoch` if it is known; without
        it, all that is kept. `groups`: what concerns these alone, None for everything.
        """
        self.path = path
        self.since = since
        """The number of the last event that was read."""
        self.epoch = epoch
        """The daemon's, once it has answered."""
        self._groups = None if groups is None else list(groups)
        self._seconds = seconds

    def read(self, *, follow: bool = False) -> Iterator[dict[str, Any]]:
        """Yield each event, and end; with `follow`, go on until the daemon hangs up.

        Between them come {"lost": NUMBER}, of events that are no longer kept, and {"anew": true},
        if the daemon has been started since and its numbers began anew. Raises NotRunningError and
        AskError.
        """
        with Connection(self.path, self._seconds) as connection:
            head = connection.ask(
                "events", since=self.since, epoch=self.epoch, groups=self._groups, follow=follow
            )
            self.epoch = str(head["epoch"])
            if head["anew"]:
                self.since = None
                yield {"anew": True, "epoch": self.epoch}
            for document in connection.stream(None if follow else self._seconds):
                if document.get("end"):
                    return
                if "seq" in document:
                    self.since = int(document["seq"])
                yield document

    def follow(self) -> Iterator[dict[str, Any]]:
        """Yield each event for ever, as `read` does.

        A daemon that hangs up is waited for. Raises NotRunningError and AskError for one that does
        not answer at the beginning, and RefusedError.
        """
        wait = None
        while True:
            try:
                for document in self.read(follow=True):
                    wait = _SOONEST
                    yield document
            except RefusedError:
                raise
            except (NotRunningError, AskError):
                if wait is None and self.epoch is None:
                    raise
            wait = min(_LATEST, 2 * (wait or _SOONEST))
            time.sleep(wait)
