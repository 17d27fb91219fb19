"""The plan: what is to be done to each node, as steps, from what it is and what it shall be."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from carpool.deploy.difference import SCRIPT_KEY, difference
from carpool.deploy.errors import Problem
from carpool.deploy.observe import ABSENT, ONLINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from carpool.deploy.observe import Inside, Observed
    from carpool.deploy.targets import Target


class Kind(StrEnum):
    """What a step does."""

    IMPORT = "import image"
    CREATE = "create zone"
    RECREATE = "recreate zone"
    UPDATE = "update zone"
    BOOT = "boot zone"
    PROGRAM = "put program"
    SET_UP = "set up"
    RESTART = "restart service"
    ENABLE = "enable service"


_HARMLESS = {Kind.IMPORT}
_SAFE_STATES = {"running", "stopped"}
_PASSING = {"provisioning", "ready", "stopping", "shutting_down", "down"}
"""States of a zone that another command is working on: vmadm(8), VM STATES."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do to one node.

    ``details`` are the lines of the difference, without secrets; ``update`` is for vmadm.
    """

    kind: Kind
    summary: str
    details: tuple[str, ...] = ()
    update: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def disturbs(self) -> bool:
        """Whether the daemon on the node is, or may be, away for a moment."""
        return self.kind in _DISTURBING

    def to_json(self) -> dict[str, Any]:
        """Return the step for JSON."""
        return {
            "kind": self.kind.value,
            "summary": self.summary,
            "details": list(self.details),
            "disturbs": self.disturbs,
        }


_DISTURBING = {Kind.RECREATE, Kind.BOOT, Kind.SET_UP, Kind.RESTART}


@dataclass(frozen=True, slots=True)
class NodePlan:
    """The steps of one node, in order, or the problem for which it cannot have any."""

    node: str
    hypervisor: str
    steps: tuple[Step, ...]
    problem: Problem | None = None

    @property
    def disturbs(self) -> bool:
        """Whether the node's daemon is away for a moment while the plan is carried out."""
        return any(step.disturbs for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        """Return the plan for JSON."""
        return {
            "node": self.node,
            "hypervisor": self.hypervisor,
            "steps": [step.to_json() for step in self.steps],
            "problem": self.problem.to_json() if self.problem else None,
        }


def plan_node(target: Target, observed: Observed, *, recreate: bool = False) -> NodePlan:
    """Return what is to be done. With ``recreate``, a zone may be deleted and made again."""
    problem = _problem(target, observed, recreate=recreate)
    if problem is not None:
        return NodePlan(target.node, target.hypervisor, (), problem)
    return NodePlan(target.node, target.hypervisor, tuple(_steps(target, observed)))


def _problem(target: Target, observed: Observed, *, recreate: bool) -> Problem | None:
    def no(message: str, mend: str) -> Problem:
        return Problem(target.hypervisor, "plan", message, mend, target.node)

    if observed.missing_tags:
        tag = observed.missing_tags[0]
        mend = "add it with 'nictagadm add', or name in [zone] one that 'nictagadm list' shows"
        return no(f"the hypervisor has no nic tag {tag}", mend)
    vm = observed.vm
    if vm is None:
        return None
    if not is_ours(vm):
        return no(
            f"zone {target.uuid} is there, and carpool did not make it",
            f"give the node another uuid, or remove that zone: vmadm delete {target.uuid}",
        )
    if observed.state in _PASSING:
        mend = "wait until 'vmadm list' shows it running or stopped, and run the command again"
        return no(f"the zone is {observed.state}", mend)
    fixed = difference(target.payload, vm).fixed
    if fixed and observed.state in _SAFE_STATES and not recreate:
        mend = "to delete the zone and make it again, with all that is in it, add --recreate"
        return no(f"no update can change {'; '.join(fixed)}", mend)
    if observed.state == "running" and observed.inside is None:
        mend = f"see 'zlogin {target.uuid}' on the hypervisor; 'vmadm reboot' may mend it"
        return no(f"zlogin into the running zone fails: {observed.why_not}", mend)
    return None


def is_ours(vm: Mapping[str, Any]) -> bool:
    """Return whether carpool made a zone: by its first-boot script."""
    script = (vm.get("customer_metadata") or {}).get(SCRIPT_KEY, "")
    return "carpool" in script


def _steps(target: Target, observed: Observed) -> Iterator[Step]:
    vm = observed.vm
    differs = None if vm is None else difference(target.payload, vm)
    broken = vm is not None and observed.state not in _SAFE_STATES
    fresh = differs is None or bool(differs.fixed) or broken
    if fresh and not observed.image:
        yield Step(Kind.IMPORT, target.image)
    if differs is None:
        yield Step(Kind.CREATE, describe(target), _first_details(target))
    elif fresh:
        why = differs.fixed or (f"state: {observed.state}",)
        yield Step(Kind.RECREATE, describe(target), (*why, *_first_details(target)))
    else:
        if differs.update:
            what = ", ".join(differs.update)
            yield Step(Kind.UPDATE, what, differs.lines, differs.update)
        if observed.state == "stopped":
            yield Step(Kind.BOOT, "it is stopped")
        elif differs.needs_boot:
            yield Step(Kind.BOOT, "the update takes effect when the zone boots")
    inside = None if fresh else observed.inside
    yield from _inside_steps(target, inside, dict(differs.update) if differs else {})


def _inside_steps(
    target: Target, inside: Inside | None, update: Mapping[str, Any]
) -> Iterator[Step]:
    program, *others = target.files
    size = f"{program.path} ({-(-len(target.program.data) // 1024)} KiB)"
    if inside is None:
        yield Step(Kind.PROGRAM, size)
        yield Step(Kind.SET_UP, "configuration, passwords and service")
        return
    stale = [file.path for file in others if _is_stale(file.path, target, inside)]
    off = [name for name, state in inside.services.items() if state in ("disabled", ABSENT)]
    new_program = _is_stale(program.path, target, inside)
    if new_program:
        yield Step(Kind.PROGRAM, size)
    # A changed script or password is for the files in the zone, which only a set-up renews.
    renewed = any(name.endswith("_metadata") for name in update)
    if stale or off or renewed or inside.service == ABSENT:
        why = (*stale, *(f"service {name}" for name in off))
        yield Step(Kind.SET_UP, "configuration, passwords and service", why)
    elif new_program:
        yield Step(Kind.RESTART, "to run the new program")
    elif not inside.service.startswith(ONLINE):
        yield Step(Kind.ENABLE, f"it is {inside.service}")


def _is_stale(path: str, target: Target, inside: Inside) -> bool:
    wanted = next(file for file in target.files if file.path == path)
    found = inside.files.get(path)
    return found is None or found.mode != wanted.mode or found.digest not in wanted.digests


def describe(target: Target) -> str:
    """Return a zone in a few words."""
    payload = target.payload
    return (
        f"{target.uuid}, {payload['brand']}, {payload['max_physical_memory']} MiB, "
        f"{payload['quota']} GiB, image {payload['image_uuid']}"
    )


def _first_details(target: Target) -> tuple[str, ...]:
    return tuple(
        f"nic {name}: {', '.join(value) if isinstance(value, list) else value}"
        for name, value in target.payload["nics"][0].items()
        if value is not True
    )
