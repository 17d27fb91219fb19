"""What can be done from the page: one command of the control socket each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEMOTION = 100
"""By how much `Demote` demotes, as `carpool demote` does unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Action:
    """A command of the control socket, and how it is asked for, with {node} and {group}."""

    command: str
    arguments: Mapping[str, Any]
    question: str
    effect: str
    yes: str
    done: str


ACTIONS: Mapping[str, Action] = {
    "yield": Action(
        "yield",
        {},
        "Hand {group} over from {node}?",
        "{node} bows out as master of {group}, and another node takes over. If {node} is the "
        "preferred one and preempts, it comes back after three seconds.",
        "Hand over",
        "told {node} to yield {group}",
    ),
    "demote": Action(
        "demote",
        {"amount": DEMOTION},
        "Demote {node} in {group}?",
        "{node} becomes less wanted as master of {group}: a node that is less demoted takes over "
        "at once. It lasts until it is promoted, or its daemon ends.",
        "Demote",
        "demoted {node} in {group}",
    ),
    "promote": Action(
        "promote",
        {},
        "Promote {node} in {group} again?",
        "This takes back what Demote did. If {node} is the preferred one and preempts, it becomes "
        "master again.",
        "Promote",
        "promoted {node} in {group}",
    ),
    "maintenance-on": Action(
        "maintenance",
        {"on": True},
        "Put {group} on {node} into maintenance?",
        "{node} hands {group} over and must not be master of it, even if no other node is left, "
        "over restarts and boots, until maintenance is ended.",
        "Begin maintenance",
        "put {group} on {node} into maintenance",
    ),
    "maintenance-off": Action(
        "maintenance",
        {"on": False},
        "End the maintenance of {group} on {node}?",
        "{node} may be master of {group} again. If it is the preferred one and preempts, it "
        "becomes that at once.",
        "End maintenance",
        "ended the maintenance of {group} on {node}",
    ),
}
