"""What the invariants look at, and what they yield."""

from dataclasses import dataclass

from carpool.carp.timing import DEMOTED_ADVSKEW, master_down_time
from carpool.sim.bounds import Bounds
from carpool.sim.scenario import Member, Scenario
from carpool.sim.windows import History, Window


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold, when, and for whom."""

    rule: str
    instant: int
    nodes: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """What an invariant looks at."""

    scenario: Scenario
    history: History
    bounds: Bounds

    def is_settled(self, window: Window | None) -> bool:
        """Tell whether the window is long enough for everything to have come to rest."""
        return (
            window is not None
            and bool(window.parts)
            and window.end - window.start > self.bounds.settled
        )

    @property
    def members(self) -> dict[str, Member]:
        """The nodes of the scenario, by name."""
        return {member.name: member for member in self.scenario.members}

    @property
    def all_carpool(self) -> bool:
        """Whether every node runs carpool."""
        return all(member.is_carpool for member in self.scenario.members)

    @property
    def all_preempt(self) -> bool:
        """Whether every node preempts."""
        return all(member.preempt for member in self.scenario.members)

    def befell(self, *faults: str) -> bool:
        """Tell whether any of these faults is in the scenario."""
        return any(fault.what in faults for fault in self.scenario.faults)

    def has_recovered(self, window: Window, name: str) -> bool:
        """Tell whether a node is less demoted in a window than before it."""
        before = window.before.condition.demotions.get(name, 0) if window.before else 0
        return window.condition.demotions.get(name, 0) < before

    def patience(self, name: str) -> int:
        """Return the master-down time of a node that is not demoted, on its own clock."""
        member = self.members[name]
        return master_down_time(member.advbase, member.advskew, 3)

    def rank(self, name: str, window: Window) -> tuple[int, int, int]:
        """Return how good a master a node is in a window: the lowest is the best."""
        demotion, member = window.condition.demotions[name], self.members[name]
        advskew = max(member.advskew, DEMOTED_ADVSKEW) if demotion else member.advskew
        return demotion, member.advbase, advskew


def names(nodes: frozenset[str]) -> tuple[str, ...]:
    """Return nodes in order."""
    return tuple(sorted(nodes))


def seconds(duration: int) -> str:
    """Return nanoseconds as text, to the millisecond."""
    return f"{duration / 1e9:.3f} s"
