"""What the nodes of a cluster are right now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carpool.deploy.groups import GroupState, group_state

if TYPE_CHECKING:
    from carpool.deploy.fleet import Fleet

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node: the state of its zone in vmadm's words, and of its service in SMF's."""

    node: str
    hypervisor: str
    zone: str
    service: str
    master_of: tuple[str, ...]
    addresses: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the state for JSON."""
        return {
            "node": self.node,
            "hypervisor": self.hypervisor,
            "zone": self.zone,
            "service": self.service,
            "master_of": list(self.master_of),
            "addresses": list(self.addresses),
        }


def status(fleet: Fleet) -> tuple[list[NodeState], list[GroupState]]:
    """Return the states of the nodes and groups of a surveyed fleet, in the order of the file."""
    goal, observed = fleet.goal, fleet.observed
    groups = [group_state(group, observed) for group in goal.groups]
    nodes = []
    for target in goal.targets:
        found = observed.get(target.node)
        inside = found.inside if found else None
        nodes.append(
            NodeState(
                target.node,
                target.hypervisor,
                found.state if found else UNKNOWN,
                inside.service if inside else ("-" if found and not found.why_not else UNKNOWN),
                tuple(group.group for group in groups if target.node in group.holders),
                tuple(sorted(map(str, inside.addresses))) if inside else (),
            )
        )
    return nodes, groups
