"""All invariants, held against what a scenario became."""

from collections.abc import Callable, Iterator

from carpool.sim import invariants, manners
from carpool.sim.bounds import Bounds
from carpool.sim.case import Case, Violation
from carpool.sim.lan import Lan
from carpool.sim.scenario import VHID, Scenario
from carpool.sim.windows import History

INVARIANTS: tuple[Callable[[Case], Iterator[Violation]], ...] = (
    invariants.in_order,
    invariants.never_dark,
    invariants.never_two,
    invariants.reunited,
    invariants.no_ghost,
    invariants.advertised,
    invariants.no_flapping,
    invariants.announced,
    manners.last_word,
    manners.handed_over,
    manners.preferred,
    manners.promptly,
    manners.patient,
    manners.needless,
    manners.believed,
    manners.undisturbed,
)


def violations(scenario: Scenario, lan: Lan) -> list[Violation]:
    """Return every violation in what a scenario became, the earliest first."""
    case = Case(scenario, History(lan.record, VHID, lan.now), Bounds.of(scenario))
    found = [violation for invariant in INVARIANTS for violation in invariant(case)]
    return sorted(found, key=lambda violation: violation.instant)
