"""A file while it is being read: its text, and what was found wrong with it so far."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from carpool.cluster.findings import Finding, Rule, Severity
from carpool.cluster.wording import Place, dotted, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from carpool.cluster.wording import Key


_BEGINNING = Place(1, 1)


def _toml_places(text: str) -> Mapping[Key, Place]:
    # Only here: a file without mistakes need not be scanned a second time.
    from carpool.cluster.toml_places import key_places  # noqa: PLC0415

    return key_places(text)


class Source:
    """Collects findings and puts file, line and column to them.

    ``text`` is the file's text once it is known to be well-formed, and empty until then;
    ``locate`` finds the places of keys in it, and may be set until the first finding.
    """

    def __init__(
        self, file: Path | None, locate: Callable[[str], Mapping[Key, Place]] = _toml_places
    ) -> None:
        self.file = file
        self.text = ""
        self.locate = locate
        # What all zones have in common can be wrong for each of them, and is told once.
        self._findings: dict[Finding, None] = {}

    @cached_property
    def _places(self) -> Mapping[Key, Place]:
        return self.locate(self.text)

    def report(
        self, rule: Rule, key: Key, message: str, mend: str, *, place: Place | None = None
    ) -> None:
        """Add a finding at ``key``, where it stands or the nearest table around it.

        ``place`` is for what has no key.
        """
        if self.text and place is None:
            if key not in self._places and key and isinstance(key[-1], int):
                key = key[:-1]  # one address that is written without a list
            place = self.place(key)
        line, column = place or (None, None)
        found = Finding(
            rule.code,
            rule.severity,
            self.file,
            line,
            dotted(key),
            printable(message),
            printable(mend),
            column,
        )
        self._findings[found] = None

    def place(self, key: Key) -> Place | None:
        """Return where ``key`` stands, or the nearest table around it, or the file begins.

        None if nothing of the file could be read.
        """
        if not self.text:
            return None
        around = (key[:n] for n in range(len(key), 0, -1))
        return next((self._places[part] for part in around if part in self._places), _BEGINNING)

    @property
    def failed(self) -> bool:
        """Whether there is an error among the findings."""
        return any(finding.severity is Severity.ERROR for finding in self._findings)

    def findings(self) -> tuple[Finding, ...]:
        """Return all findings, in the order of their lines."""
        return tuple(sorted(self._findings, key=lambda found: (found.line or 0, found.code)))
