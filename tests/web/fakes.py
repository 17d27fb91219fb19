"""Daemons that are not there: what they say is what the test wants them to say."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from queue import SimpleQueue
from typing import Any

from tests.support import status as daemon

from carpool.web.sources import SourceError


def group(name: str, state: str, **keys: object) -> dict[str, Any]:
    """Return a group as a status tells it, in that state for a minute."""
    return daemon.group(name, state, **{"state_seconds": 60.0, **keys})


def master(address: str, heard: float = 0.1) -> dict[str, Any]:
    """Return the master that a backup hears."""
    return daemon.peer(address, advskew=0, heard_seconds=heard)


def status(*groups: dict[str, Any], **keys: object) -> dict[str, Any]:
    """Return the status of a daemon."""
    return daemon.document(*groups, **{"uptime_seconds": 100.0, **keys})


class FakeSource:
    """A daemon that says `document`, or fails with `error`, and takes down what it is told."""

    pause = 0.05

    def __init__(self, node: str, document: Mapping[str, Any]) -> None:
        self.node = node
        self.place = f"fake of {node}"
        self.document = document
        self.error: SourceError | None = None
        self.told: list[tuple[str, Mapping[str, Any]]] = []
        self.events: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        self.closed = threading.Event()

    def ask(self) -> Mapping[str, Any]:
        if self.error is not None:
            raise self.error
        return self.document

    def act(self, command: str, arguments: Mapping[str, Any]) -> None:
        if self.error is not None:
            raise self.error
        self.told.append((command, arguments))

    def follow(self) -> Iterator[Mapping[str, Any] | None]:
        yield None
        while (event := self.events.get()) is not None:
            yield event
        raise SourceError("it has ended")

    def close(self) -> None:
        self.closed.set()
        self.events.put(None)
