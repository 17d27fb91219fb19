"""Maintenance mode: groups that must not be master here, remembered over restarts and boots."""

import json
from collections.abc import Iterable
from typing import Any

from carpool.carp.election import NEVER_MASTER
from carpool.node.group import Group
from carpool.node.log import Log
from carpool.node.state import StateDirectory

REASON = "maintenance"
_MOST_BYTES = 1 << 20  # of the file: the names of all groups that there can be
_FORGETFUL = "it will be forgotten when the daemon stops"


class MaintenanceError(Exception):
    """A change that makes no sense; the text says why and what to do."""


class Maintenance:
    """Which groups of a node are in maintenance: some, or the whole node with all it ever has."""

    def __init__(self, node: str, state: StateDirectory | None, log: Log) -> None:
        self._file = f"{node}.maintenance"
        self._state = state
        self._log = log
        self._whole = False
        self._names: set[str] = set()

    def load(self) -> None:
        """Recall what an earlier run was told. What cannot be read is told, and means none."""
        if self._state is None:
            return
        try:
            content = self._state.read(self._file, _MOST_BYTES)
            if content is not None:
                self.restore(json.loads(content))
        except (OSError, ValueError, RecursionError) as error:
            self._log.error(
                f"{self._state.path / self._file}: {error}; this node is not in maintenance. Say "
                "carpool maintenance on, or remove the file"
            )

    def restore(self, document: Any) -> None:
        """Be as `saved` once told. Raises ValueError if that is not what it told."""
        match document:
            case {"whole": bool(whole), "groups": [*names]}:
                self._whole, self._names = whole, set(map(str, names))
            case _:
                raise ValueError("not a maintenance file")

    def saved(self) -> dict[str, Any]:
        """Return all there is to remember."""
        return {"whole": self._whole, "groups": sorted(self._names)}

    def includes(self, group: Group) -> bool:
        """Tell whether a group is in maintenance."""
        return self._whole or group.settings.name in self._names

    def apply(self, groups: Iterable[Group]) -> None:
        """Forbid these groups to be master, or no longer: a master bows out at once."""
        for group in groups:
            group.demote(REASON, NEVER_MASTER if self.includes(group) else 0)

    def begin(self, names: Iterable[str] | None) -> str | None:
        """Put groups into maintenance, None: the whole node. Return why it is not remembered."""
        if names is None:
            self._whole = True
        else:
            self._names |= set(names)
        return self._remember()

    def end(self, names: Iterable[str] | None) -> str | None:
        """Take groups out of maintenance, None: the whole node. Return why it is not remembered.

        Raises MaintenanceError for a group of a node that is in maintenance as a whole.
        """
        if names is None:
            self._whole = False
            self._names.clear()
        elif self._whole:
            raise MaintenanceError(
                "the whole node is in maintenance; end that with carpool maintenance off"
            )
        else:
            self._names -= set(names)
        return self._remember()

    def _remember(self) -> str | None:
        if self._state is None:
            return f"there is no state directory: {_FORGETFUL}"
        try:
            if self._whole or self._names:
                self._state.write(self._file, json.dumps(self.saved()).encode())
            else:
                self._state.remove(self._file)
        except OSError as error:
            problem = f"{self._state.path / self._file}: {error.strerror}: {_FORGETFUL}"
            self._log.error(problem)
            return problem
        return None
