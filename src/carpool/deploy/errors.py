"""The one error of a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from carpool.cluster.wording import printable


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong: on which hypervisor, at which step, why, and how to mend it.

    ``node`` is None for what concerns the hypervisor as a whole.
    """

    host: str
    step: str
    message: str
    mend: str
    node: str | None = None

    def __str__(self) -> str:
        place = f"{self.host}: {self.node}" if self.node else self.host
        # Some of it may be what a program over there has printed.
        return printable(f"{place}: {self.step}: {self.message}; {self.mend}")

    def to_json(self) -> dict[str, Any]:
        """Return the problem for JSON."""
        return {
            "host": self.host,
            "node": self.node,
            "step": self.step,
            "message": self.message,
            "mend": self.mend,
        }


class DeployError(Exception):
    """Something a deployment met on a hypervisor; ``str`` is one line with the mend."""

    def __init__(
        self, host: str, step: str, message: str, mend: str, node: str | None = None
    ) -> None:
        super().__init__(host, step, message, mend, node)
        self.problem = Problem(host, step, message, mend, node)

    def __str__(self) -> str:
        return str(self.problem)


class SilentError(DeployError):
    """A command that said nothing for too long; the connection may be well."""
