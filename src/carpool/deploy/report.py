"""Plans, results and states as text for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from carpool.cluster.wording import table
from carpool.deploy.plan import Kind
from carpool.deploy.rollout import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carpool.deploy.groups import GroupState
    from carpool.deploy.plan import NodePlan
    from carpool.deploy.rollout import Report
    from carpool.deploy.status import NodeState

_MARKS = {Kind.IMPORT: "+", Kind.CREATE: "+", Kind.PROGRAM: "+", Kind.RECREATE: "-/+"}


def plan_text(plans: Sequence[NodePlan]) -> str:
    """Return the plan as a diff for people; a node without changes is only counted."""
    lines: list[str] = []
    for plan in plans:
        if not plan.steps:
            continue
        lines.append(f"{plan.node} on {plan.hypervisor}")
        for step in plan.steps:
            lines.append(f"  {_MARKS.get(step.kind, '~'):<3} {step.kind}: {step.summary}")
            lines += [f"        {detail}" for detail in step.details]
        lines.append("")
    changing = sum(bool(plan.steps) for plan in plans)
    failed = sum(plan.problem is not None for plan in plans)
    same = len(plans) - changing - failed
    kinds = Counter(step.kind for plan in plans for step in plan.steps)
    parts = [f"{count} x {kind}" for kind, count in sorted(kinds.items(), key=_in_order)]
    lines.append(f"{_count(changing)} to change{': ' if parts else ''}{', '.join(parts)}")
    if same:
        lines.append(f"{_count(same)} as they shall be" if same > 1 else "1 node as it shall be")
    if failed:
        lines.append(f"{_count(failed)} without a plan: see the errors")
    return "\n".join(lines) + "\n"


def _in_order(item: tuple[Kind, int]) -> int:
    return list(Kind).index(item[0])


def _count(nodes: int) -> str:
    return f"{nodes} node{'s' * (nodes != 1)}"


def report_text(report: Report) -> str:
    """Return what became of a run: what changed or failed, then the groups."""
    rows = [
        (
            node.node,
            node.hypervisor,
            node.outcome.value,
            f"{node.seconds:.1f} s" if node.seconds else "",
            ", ".join(dict.fromkeys(step.kind.value for step in node.done)),
        )
        for node in report.nodes
        if node.outcome is not Outcome.UNCHANGED
    ]
    outcomes = Counter(node.outcome for node in report.nodes)
    summary = ", ".join(f"{outcomes[one]} {one}" for one in Outcome if outcomes[one])
    lines = [*table(rows), *map(group_line, report.groups), f"nodes: {summary}"]
    return "\n".join(lines) + "\n"


def status_text(nodes: Sequence[NodeState], groups: Sequence[GroupState]) -> str:
    """Return a table of the nodes, then the groups."""
    rows = [("NODE", "HYPERVISOR", "ZONE", "SERVICE", "MASTER OF")]
    rows += [
        (node.node, node.hypervisor, node.zone, node.service, ", ".join(node.master_of) or "-")
        for node in nodes
    ]
    return "\n".join([*table(rows), *map(group_line, groups)]) + "\n"


def group_line(group: GroupState) -> str:
    """Return a group's state on a line."""
    online = f"{len(group.online)} of {len(group.nodes)} online"
    master = f"{group.master} is master" if group.master else ""
    said = [part for part in (master, group.fault or online) if part]
    return f"group {group.group}: {', '.join(said)}"
