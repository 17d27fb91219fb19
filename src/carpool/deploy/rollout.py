"""Carrying out a whole plan: which node when, so that every group stays served.

In a team (nodes that share groups) one node at a time, backups before masters, and a master only
while another node of each of its groups is ready to take over. The first failure ends a team.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from carpool.deploy.errors import DeployError, Problem
from carpool.deploy.execute import Executor, is_online
from carpool.deploy.fleet import interrupted
from carpool.deploy.groups import GroupState, group_state, teams
from carpool.deploy.plan import Kind, NodePlan, plan_node

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carpool.deploy.fleet import Fleet
    from carpool.deploy.plan import Step
    from carpool.deploy.targets import GroupTarget

Tell = Callable[[str, str], None]
"""Takes a node and a line of progress."""

_READY = 60.0  # seconds for a service to be online
_PAUSE, _LONGEST_PAUSE = 0.1, 1.0  # seconds between two looks at a group


class Outcome(StrEnum):
    """What became of a node."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    FAILED = "failed"
    LEFT = "left as it is"
    """Because another node of its team failed."""
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What became of a node; ``done`` are the steps carried out, ``seconds`` what they took."""

    node: str
    hypervisor: str
    outcome: Outcome
    done: tuple[Step, ...] = ()
    problem: Problem | None = None
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the result for JSON."""
        return {
            "node": self.node,
            "hypervisor": self.hypervisor,
            "outcome": self.outcome.value,
            "done": [step.to_json() for step in self.done],
            "problem": self.problem.to_json() if self.problem else None,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a whole run."""

    nodes: tuple[NodeResult, ...]
    groups: tuple[GroupState, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What went wrong, each thing once."""
        return tuple(dict.fromkeys(node.problem for node in self.nodes if node.problem))

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped it."""
        return any(node.outcome is Outcome.INTERRUPTED for node in self.nodes)


def plans(fleet: Fleet, *, recreate: bool = False) -> list[NodePlan]:
    """Return the plan of every node of a surveyed fleet, in the order of the file."""
    made = []
    for target in fleet.goal.targets:
        problem = fleet.problems.get(target.hypervisor)
        if problem is None:
            observed = fleet.observed[target.node]
            made.append(plan_node(target, observed, recreate=recreate))
        else:
            made.append(NodePlan(target.node, target.hypervisor, (), problem))
    return made


class Rollout:
    """Carries out the plans of all nodes of a surveyed and locked fleet."""

    def __init__(self, fleet: Fleet, planned: Sequence[NodePlan], tell: Tell) -> None:
        """``tell`` is called from many threads."""
        self._fleet = fleet
        self._goal = fleet.goal
        self._plans: Mapping[str, NodePlan] = {plan.node: plan for plan in planned}
        self._tell = tell
        self._results: dict[str, NodeResult] = {}

    def run(self) -> Report:
        """Do it, and report."""
        found = teams(self._goal)
        self._prepare()
        self._fleet.at_once(self._roll, found)
        states = self._verify()
        return Report(tuple(self._results[target.node] for target in self._goal.targets), states)

    # Before anything is touched.

    def _prepare(self) -> None:
        """Import images and validate payloads everywhere; failures are results."""

        def prepare(hypervisor: str) -> None:
            # One after the other: they may share an image.
            for target in self._goal.on(hypervisor):
                self._prepare_node(target.node)

        self._fleet.at_once(prepare, self._goal.hypervisors)

    def _prepare_node(self, node: str) -> None:
        plan = self._plans[node]
        if plan.problem is not None:
            self._results[node] = self._failed(node, plan.problem)
            return
        if not plan.steps:
            self._results[node] = NodeResult(node, plan.hypervisor, Outcome.UNCHANGED)
            return
        try:
            if self._fleet.halt.is_set():
                raise interrupted(plan.hypervisor, node)
            for step in plan.steps:
                if step.kind is Kind.IMPORT:
                    self._tell(node, f"{step.kind}: {step.summary}")
            self._executor(node).prepare(plan)
        except DeployError as error:
            self._results[node] = self._failed(node, error.problem)

    def _failed(
        self, node: str, problem: Problem, done: tuple[Step, ...] = (), seconds: float = 0.0
    ) -> NodeResult:
        self._tell(node, f"failed: {problem.step}: {problem.message}")
        outcome = Outcome.INTERRUPTED if self._fleet.halt.is_set() else Outcome.FAILED
        hypervisor = self._plans[node].hypervisor
        return NodeResult(node, hypervisor, outcome, done, problem, seconds)

    # Team by team.

    def _roll(self, team: tuple[str, ...]) -> None:
        pending = [node for node in team if node not in self._results]
        failed = any(self._results[node].problem for node in team if node in self._results)
        while pending:
            if failed:
                self._leave(pending)
                return
            node = self._next(pending)
            pending.remove(node)
            self._results[node] = self._change(node)
            failed = self._results[node].problem is not None

    def _leave(self, nodes: Sequence[str]) -> None:
        for node in nodes:
            halted = self._fleet.halt.is_set()
            outcome = Outcome.INTERRUPTED if halted else Outcome.LEFT
            self._results[node] = NodeResult(node, self._plans[node].hypervisor, outcome)

    def _next(self, pending: Sequence[str]) -> str:
        """Return the node to change next: backups before masters, the preferred ones last.

        But where a group has no master, its preferred node is first, and so becomes it.
        """
        if len(pending) == 1:
            return pending[0]
        groups = {group for node in pending for group in self._goal.groups_of(node)}
        seen = self._fleet.look({node for group in groups for node in group.nodes})
        leading = {node for group in groups for node in group_state(group, seen).holders}
        rank = dict.fromkeys(pending, 0)
        for group in groups:
            if group.nodes[0] in rank:
                rank[group.nodes[0]] += 1 if leading & set(group.nodes) else -1
        return min(reversed(pending), key=lambda node: (node in leading, rank[node]))

    def _change(self, node: str) -> NodeResult:
        plan = self._plans[node]
        executor = self._executor(node)
        began = time.monotonic()
        done: list[Step] = []
        try:
            if plan.disturbs:
                self._await_successor(node)
            for step in plan.steps:
                if self._fleet.halt.is_set():
                    raise interrupted(plan.hypervisor, node)
                if step.kind is not Kind.IMPORT:
                    self._tell(node, f"{step.kind}: {step.summary}")
                executor.carry_out(step)
                done.append(step)
            if plan.disturbs:
                self._await_service(node, executor)
        except DeployError as error:
            return self._failed(node, error.problem, tuple(done), time.monotonic() - began)
        seconds = time.monotonic() - began
        self._tell(node, f"done ({seconds:.1f} s)")
        return NodeResult(node, plan.hypervisor, Outcome.CHANGED, tuple(done), None, seconds)

    def _await_successor(self, node: str) -> None:
        """Wait until each group that the node is master of has another node to take over."""
        for group in self._goal.groups_of(node):
            if len(group.nodes) == 1:
                continue  # none of ours can

            def can_spare(state: GroupState) -> bool:
                return node not in state.holders or bool(set(state.online) - {node})

            state = self._await_group(group, can_spare, group.takeover)
            if not can_spare(state):
                raise DeployError(
                    self._plans[node].hypervisor,
                    "hand over",
                    f"it is master of {group.name}, and no other node is ready to take over",
                    "mend the other nodes, see 'carpool status', and run apply again",
                    node,
                )

    def _await_service(self, node: str, executor: Executor) -> None:
        """Wait until the node's service is online, and each of its groups has one master."""
        executor.wait(
            "verify", "the service is not online", lambda one: is_online(one.inside), _READY
        )
        for group in self._goal.groups_of(node):
            state = self._await_group(group, lambda one: one.is_led, group.takeover)
            if not state.is_led:
                raise executor.error(
                    "verify",
                    f"group {group.name} has {state.fault} after {group.takeover:.0f} s",
                    "see 'carpool status' and the services' logs, then run apply again",
                )
            self._tell(node, f"{group.name}: {state.master or 'another node'} is master")

    def _await_group(
        self, group: GroupTarget, condition: Callable[[GroupState], bool], seconds: float
    ) -> GroupState:
        """Look until the condition holds, and return what was seen last."""
        deadline = time.monotonic() + seconds
        pause = _PAUSE
        while True:
            state = group_state(group, self._fleet.look(group.nodes))
            halted = self._fleet.halt.is_set()
            if condition(state) or halted or time.monotonic() > deadline:
                return state
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _executor(self, node: str) -> Executor:
        target = self._goal.target(node)
        remote = self._fleet.remotes[target.hypervisor]
        return Executor(remote, target, self._fleet.halt.is_set)

    # After all.

    def _verify(self) -> tuple[GroupState, ...]:
        """Return the state of all groups; those that were changed are given time to settle."""

        def verify(group: GroupTarget) -> GroupState:
            outcomes = {self._results[node].outcome for node in group.nodes}
            if outcomes <= {Outcome.UNCHANGED}:
                return group_state(group, self._fleet.observed)
            sound = outcomes <= {Outcome.CHANGED, Outcome.UNCHANGED}
            patience = group.takeover if sound else 0
            return self._await_group(group, lambda state: not state.fault, patience)

        found = self._fleet.at_once(verify, self._goal.groups)
        return tuple(state for _, state, _ in found if state is not None)
