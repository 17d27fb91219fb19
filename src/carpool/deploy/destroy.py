"""Taking a deployment down: the zones go, with all that was put into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carpool.deploy.errors import DeployError
from carpool.deploy.execute import Executor
from carpool.deploy.fleet import interrupted
from carpool.deploy.plan import is_ours
from carpool.deploy.rollout import NodeResult, Outcome

if TYPE_CHECKING:
    from carpool.deploy.fleet import Fleet
    from carpool.deploy.rollout import Tell
    from carpool.deploy.targets import Target


def doomed(fleet: Fleet) -> list[Target]:
    """Return the targets of a surveyed fleet whose zones are there."""
    observed = fleet.observed
    return [
        target
        for target in fleet.goal.targets
        if target.node in observed and observed[target.node].vm is not None
    ]


def destroy(fleet: Fleet, tell: Tell, *, images: bool) -> list[NodeResult]:
    """Delete the zones that carpool made; with ``images``, then the images that nobody uses."""
    gone = {target.node for target in doomed(fleet)}

    def remove(target: Target) -> bool:
        problem = fleet.problems.get(target.hypervisor)
        if problem is not None:
            raise DeployError(
                problem.host, problem.step, problem.message, problem.mend, problem.node
            )
        if target.node not in gone:
            return False
        if fleet.halt.is_set():
            raise interrupted(target.hypervisor, target.node)
        executor = Executor(fleet.remotes[target.hypervisor], target, fleet.halt.is_set)
        vm = fleet.observed[target.node].vm
        if vm is not None and not is_ours(vm):
            mend = f"if it may go, run on the hypervisor: vmadm delete {target.uuid}"
            raise executor.error("delete zone", "carpool did not make this zone", mend)
        tell(target.node, f"delete zone: {target.uuid}")
        executor.delete()
        return True

    results = []
    for target, changed, error in fleet.at_once(remove, fleet.goal.targets):
        if error is not None:
            halted = error.problem.step == "interrupted"
            outcome = Outcome.INTERRUPTED if halted else Outcome.FAILED
        else:
            outcome = Outcome.CHANGED if changed else Outcome.UNCHANGED
        problem = error.problem if error else None
        results.append(NodeResult(target.node, target.hypervisor, outcome, (), problem))
    if images:
        _remove_images(fleet, tell)
    return results


def _remove_images(fleet: Fleet, tell: Tell) -> None:
    """Delete the goal's images; imgadm keeps those that another zone was made from."""
    for hypervisor, remote in fleet.remotes.items():
        for image, node in {
            target.image: target.node for target in fleet.goal.on(hypervisor)
        }.items():
            script = f"imgadm get {image} >/dev/null 2>&1 || exit 0; imgadm delete {image}"
            output = remote.run(script)
            if output.code == 0:
                tell(node, f"delete image: {image}")
            else:
                tell(node, f"image {image} stays: {output.reason}")
