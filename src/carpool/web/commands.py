"""Daemons elsewhere, asked by the `carpool` command where they run."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from carpool.web.sources import RefusalError, SourceError

if TYPE_CHECKING:
    from carpool.deploy.ssh import Output

_NOT_RUNNING: Final = 3  # carpool.cli.daemons.NOT_RUNNING
_REFUSED: Final = 1
_STATUS_CODES: Final = (0, 1, 5)  # all, none, some
_WORDS: Final = {"amount": "--by"}
# What a shell puts into the background reads nothing unless it is told to.
_UNTIL_INPUT_ENDS: Final = """\
exec 3<&0
@COMMAND@ &
child=$!
{ cat <&3 >/dev/null; kill $child; } &
wait $child
kill $!
"""


def until_input_ends(command: str) -> str:
    """Return a script for sh that runs a command until standard input ends: until we hang up."""
    return _UNTIL_INPUT_ENDS.replace("@COMMAND@", command)


class CommandSource(ABC):
    """A daemon that is asked by commands; see Source. How they get there is for who inherits."""

    pause = 3.0

    def __init__(self, node: str, place: str) -> None:
        self.node = node
        self.place = place
        self._last: str | None = None

    def ask(self) -> Mapping[str, Any]:
        """Return its status; see Source."""
        found = self._run("status", "--json")
        if found.code in _STATUS_CODES:
            with suppress(ValueError, LookupError, TypeError):
                statuses = json.loads(found.out)["daemons"]
                if len(statuses) > 1:
                    names = ", ".join(str(one["node"]) for one in statuses)
                    raise SourceError(f"several daemons run there: {names}; say which is meant")
                (status,) = statuses
                if isinstance(status, dict):
                    return status
        raise SourceError(found.reason, gone=found.code == _NOT_RUNNING)

    def act(self, command: str, arguments: Mapping[str, Any]) -> None:
        """Tell it to do something; see Source."""
        words = [command]
        for key, value in arguments.items():
            if key == "on":
                words.append("on" if value else "off")
            elif key in _WORDS:
                words += [_WORDS[key], str(value)]
        found = self._run(*words, *arguments["groups"])
        if found.code:
            raise (RefusalError if found.code == _REFUSED else SourceError)(found.reason)

    def follow(self) -> Iterator[Mapping[str, Any] | None]:
        """Yield its events; see Source."""
        found = self._run("events", "--json", *self._since())
        if found.code:
            raise SourceError(found.reason, gone=found.code == _NOT_RUNNING)
        yield from self._events(found.out.splitlines())
        yield None
        yield from self._events(self._lines("events", "--follow", "--json", *self._since()))
        raise SourceError("the events have ended")

    @abstractmethod
    def close(self) -> None:
        """Let what waits end soon; see Source."""

    @abstractmethod
    def _run(self, *words: str) -> Output:
        """Run `carpool` with these words there. Raises SourceError if it cannot be run."""

    @abstractmethod
    def _lines(self, *words: str) -> Iterator[str]:
        """Yield what `carpool` with these words prints, until it ends. Raises SourceError."""

    def _since(self) -> list[str]:
        return [] if self._last is None else ["--since", self._last]

    def _events(self, lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
        for line in lines:
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and "seq" in event:
                    self._last = f"{event.get('epoch', '')}/{event['seq']}".removeprefix("/")
                    yield event
