"""Make a scenario that breaks an invariant as small as it can be, and still break it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from carpool.sim.bounds import Bounds
from carpool.sim.scenario import Fault, Member, Scenario, play
from carpool.sim.verdict import violations

T = TypeVar("T")

SEEDS = 8
"""Other seeds to try where a smaller scenario does not fail with the first."""


def breaks(rule: str) -> Callable[[Scenario], bool]:
    """Return a test whether a scenario breaks the invariant of that name."""

    def test(scenario: Scenario) -> bool:
        return any(one.rule == rule for one in violations(scenario, play(scenario)))

    return test


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """Return the smallest scenario found that still fails: fewer nodes and faults, plainer ones.

    Nothing of what is left can be left out alone. The scenario itself must fail (`ValueError`).
    """
    if not fails(scenario):
        raise ValueError("the scenario does not fail")

    def still(candidate: Scenario) -> Scenario | None:
        """Return the candidate with a seed with which it fails, if there is one."""
        if len(candidate.members) < 1:
            return None
        for seed in (candidate.seed, *range(SEEDS)):
            seeded = replace(candidate, seed=seed)
            if fails(seeded):
                return seeded
        return None

    while True:
        smaller = next(filter(None, map(still, _smaller(scenario))), None)
        if smaller is None:
            return scenario
        scenario = smaller


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Yield scenarios that are a little simpler, those that save most first."""
    for gone in _pieces(scenario.members):
        if len(gone) < len(scenario.members):
            yield _trimmed(scenario.without(member.name for member in gone))
    for dropped in _pieces(scenario.faults):
        kept = tuple(fault for fault in scenario.faults if fault not in dropped)
        yield _trimmed(replace(scenario, faults=kept))
    if scenario.families != (4,):
        yield replace(scenario, families=(4,))
    for number, member in enumerate(scenario.members):
        for plain in _plainer(member):
            members = list(scenario.members)
            members[number] = plain
            yield replace(scenario, members=tuple(members))
    for number, fault in enumerate(scenario.faults):
        whole = fault.at // 1_000_000 * 1_000_000
        if whole != fault.at and (number == 0 or whole >= scenario.faults[number - 1].at):
            faults = list(scenario.faults)
            faults[number] = Fault(whole, fault.what, fault.node, fault.value)
            yield replace(scenario, faults=tuple(faults))


def _pieces(things: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield what to leave out: halves, quarters, ... and each alone (Zeller's ddmin)."""
    size = len(things) // 2
    while size:
        for start in range(0, len(things), size):
            yield things[start : start + size]
        size //= 2
    if len(things) == 1:
        yield things


def _plainer(member: Member) -> Iterator[Member]:
    if member.kind != "carpool":
        yield replace(member, kind="carpool")
    if member.ppm:
        yield replace(member, ppm=0)


def _trimmed(scenario: Scenario) -> Scenario:
    """Let the scenario end as soon after its last fault as the invariants allow."""
    last = scenario.faults[-1].at if scenario.faults else 0
    return replace(scenario, end=min(scenario.end, last + Bounds.of(scenario).settled + 10**9))
