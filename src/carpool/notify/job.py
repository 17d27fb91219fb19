"""One job: whom to tell, how, and what."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DELIVERED, FAILED, REFUSED = 0, 1, 2
"""Exit codes of the child: it arrived; it did not; it did not, and trying again is of no use."""

Step = Callable[[str], None]
"""Told what is begun now, for the reason if the time runs out in it: "connecting to ..."."""


class DeliveryError(Exception):
    """It did not arrive; the text says why, and names no secret."""

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        """`lasting`: it will not arrive if it is tried again either."""
        super().__init__(reason)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Notice:
    """One event that is told."""

    event: dict[str, Any]
    """As the control socket tells it: seq, time, node, group, kind, level, text, details."""
    more: int = 0
    """Earlier events of the same group and kind that are not told one by one."""
    now: dict[str, Any] | None = None
    """What the group is while this is sent: state, demotion, demotions; None: not known."""

    @property
    def group(self) -> str | None:
        """The group, None if it is not one group."""
        group = self.event.get("group")
        return None if group is None else str(group)

    @property
    def kind(self) -> str:
        """What sort of event."""
        return str(self.event["kind"])

    @property
    def text(self) -> str:
        """Its line in the log."""
        return str(self.event["text"])

    @property
    def details(self) -> dict[str, Any]:
        """What a program wants to know of it."""
        return dict(self.event.get("details") or {})


@dataclass(frozen=True, slots=True)
class Job:
    """What a child process is to do."""

    type: str
    """"mail", "webhook", "nrdp" or "nagios"."""
    node: str
    hostname: str
    names: dict[str, str]
    """Nodes by their addresses."""
    keys: dict[str, Any]
    """The keys of the cluster file that this type has."""
    secret: str | None
    timeout: float
    """Seconds for all of it."""
    notices: tuple[Notice, ...]

    def to_json(self) -> bytes:
        """Write it down, for the child's standard input."""
        document = {name: getattr(self, name) for name in self.__slots__}
        document["notices"] = [
            {"event": one.event, "more": one.more, "now": one.now} for one in self.notices
        ]
        return json.dumps(document).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Job:
        """Read what `to_json` wrote."""
        document = json.loads(text)
        notices = tuple(Notice(**one) for one in document.pop("notices"))
        return cls(**document, notices=notices)
