"""Which nodes depend on each other, and who is master of what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carpool.deploy.execute import is_online

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carpool.deploy.observe import Observed
    from carpool.deploy.targets import Goal, GroupTarget


@dataclass(frozen=True, slots=True)
class GroupState:
    """Who holds a group's addresses, and whose service runs.

    ``unknown`` are the nodes that could not be asked, ``others`` those that cannot be.
    """

    group: str
    holders: tuple[str, ...]
    online: tuple[str, ...]
    unknown: tuple[str, ...]
    nodes: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def is_led(self) -> bool:
        """Whether there is one master, as far as can be seen."""
        return len(self.holders) == 1 or (not self.holders and bool(self.others))

    @property
    def master(self) -> str | None:
        """The one master, None if there are none or several."""
        return self.holders[0] if len(self.holders) == 1 else None

    @property
    def fault(self) -> str:
        """What is wrong with the group in a few words, nothing for a sound one."""
        if len(self.holders) > 1:
            return f"{len(self.holders)} masters: {', '.join(self.holders)}"
        if self.unknown:
            unknown = f"{', '.join(self.unknown)} cannot be asked"
            return unknown if self.holders else f"no master seen, and {unknown}"
        if not self.is_led:
            return "no master"
        if missing := [node for node in self.nodes if node not in self.online]:
            return f"the service is not online on {', '.join(missing)}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Return the state for JSON."""
        return {
            "group": self.group,
            "master": self.master,
            "holders": list(self.holders),
            "nodes": list(self.nodes),
            "online": list(self.online),
            "fault": self.fault or None,
        }


def group_state(group: GroupTarget, observed: Mapping[str, Observed]) -> GroupState:
    """Return the state of a group from what its nodes are."""
    wanted = set(group.addresses)
    seen = {node: observed[node] for node in group.nodes if node in observed}
    return GroupState(
        group.name,
        tuple(node for node, one in seen.items() if one.inside and wanted & one.inside.addresses),
        tuple(node for node, one in seen.items() if is_online(one.inside)),
        tuple(
            node
            for node in group.nodes
            if node not in seen or (seen[node].state == "running" and seen[node].inside is None)
        ),
        group.nodes,
        group.others,
    )


def teams(goal: Goal) -> list[tuple[str, ...]]:
    """Return the nodes of the goal, those that share a group, directly or not, in one tuple.

    Teams may be worked on at the same time; the nodes of one must not.
    """
    together: list[set[str]] = [{target.node} for target in goal.targets]
    for group in goal.groups:
        touched = [team for team in together if team & set(group.nodes)]
        apart = [team for team in together if not team & set(group.nodes)]
        together = [*apart, set().union(*touched)]
    order = [target.node for target in goal.targets]
    return sorted((tuple(sorted(team, key=order.index)) for team in together), key=_first(order))


def _first(order: list[str]) -> Any:
    return lambda team: order.index(team[0])
