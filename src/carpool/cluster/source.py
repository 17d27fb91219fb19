"""A cluster file while it is being read: its text, and what was found wrong with it so far."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from carpool.cluster.findings import Finding, Rule, Severity
from carpool.cluster.wording import dotted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from carpool.cluster.wording import Key


class Source:
    """Collects findings and puts file and line to them.

    ``text`` is the file's text once it is known to be TOML, and empty until then.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.text = ""
        self._findings: list[Finding] = []

    @cached_property
    def _lines(self) -> Mapping[Key, int]:
        # Only here: a file without mistakes need not be scanned a second time.
        from carpool.cluster.toml_lines import key_lines  # noqa: PLC0415

        return key_lines(self.text)

    def report(
        self, rule: Rule, key: Key, message: str, mend: str, *, line: int | None = None
    ) -> None:
        """Add a finding at ``key``, on its own line or that of the nearest table around it."""
        if self.text and line is None:
            if key not in self._lines and key and isinstance(key[-1], int):
                key = key[:-1]  # one address that is written without a list
            line = next(
                (self._lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self._lines),
                None,
            )
        self._findings.append(
            Finding(rule.code, rule.severity, self.file, line, dotted(key), message, mend)
        )

    @property
    def failed(self) -> bool:
        """Whether there is an error among the findings."""
        return any(finding.severity is Severity.ERROR for finding in self._findings)

    def findings(self) -> tuple[Finding, ...]:
        """Return all findings, in the order of their lines."""
        return tuple(sorted(self._findings, key=lambda found: (found.line or 0, found.code)))
