"""For how long what must not be may be: the bounds of the invariants, and where they come from.

All are in nanoseconds of the LAN's clock, for the timing of the nodes of one scenario.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from carpool.carp import timing
from carpool.carp.election import NEVER_MASTER
from carpool.carp.seeking import PACE
from carpool.carp.virtualhost import STAND_BACK_TIME
from carpool.sim.clock import MILLION
from carpool.sim.scenario import Member, Scenario

SLACK = 20_000_000
"""For the wait of 0 to 12 ms that lets the best of several backups be heard first, for frames
on their way (0.3 ms each), and for answers to answers."""

HANDOVER = SLACK
"""From a master's bow-out, or from its word that it is demoted, until another has taken over: that
same wait, and a frame each way."""

REUNION = PACE + SLACK
"""From the end of a partition until a master that looks for its rival has met it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one scenario's nodes can keep."""

    interval: int
    """Between two advertisements of the slowest node. Two masters that hear each other are one
    after it: the faster has advertised by then, and the slower yielded."""
    meeting: int
    """For how long two that hear each other may both hold the addresses: an interval. Beside
    other kinds, two: a ucarp or kernel that preempts takes a yielding master's last word for a
    reason to take over once more."""
    takeover: int
    """From the last fault until somebody holds the addresses, whoever is left: the longest
    master-down time. A node that was told to yield stands back before that, and where ucarp meets
    a kernel of equal interval both may yield to each other, and wait again."""
    settled: int
    """From the last fault until nothing moves any more: a takeover, perhaps by several nodes; an
    interval until they have met; another until a node that preempts has heard the winner, after
    `preempt_delay`."""
    slow: float
    """By how much clocks stretch time, at most."""

    @classmethod
    def of(cls, scenario: Scenario) -> "Bounds":
        """Return the bounds for a scenario."""
        demoted = any(fault.what == "demote" for fault in scenario.faults)
        times = [_times(member, demoted=demoted) for member in scenario.members]
        # A clock that is slow by d makes 1/(1-d) of a second: at 10,000 ppm, 1.01 and a little.
        slow = 1 + 1.1 * max((abs(drift) for drift in _drifts(scenario)), default=0) / MILLION
        interval = int(max((interval for interval, _ in times), default=0) * slow) + SLACK
        patience = max((patience for _, patience in times), default=0) + _grace(scenario)
        mixed = not all(member.is_carpool for member in scenario.members)
        patience *= 1 + mixed
        takeover = int(patience * slow) + SLACK
        settled = takeover + 2 * interval + int(scenario.preempt_delay * slow)
        return cls(interval, interval * (1 + mixed), takeover, settled, slow)

    def takeover_by(self, scenario: Scenario, demotions: Mapping[str, int]) -> int:
        """Return the bound of a takeover by these nodes, with what is held against each.

        Whoever is the most impatient takes over: all have heard the same last advertisement.
        """
        if not all(member.is_carpool for member in scenario.members):
            return self.takeover
        patience = min(
            _times(member, demoted=demotions[member.name] > 0)[1]
            for member in scenario.members
            if demotions.get(member.name, NEVER_MASTER) != NEVER_MASTER
        )
        return int((patience + _grace(scenario)) * self.slow) + SLACK


def _times(member: Member, *, demoted: bool) -> tuple[int, int]:
    """Return the interval and the master-down time of a node."""
    skew = max(member.advskew, timing.DEMOTED_ADVSKEW) if demoted else member.advskew
    return (
        timing.interval(member.advbase, skew),
        timing.master_down_time(member.advbase, skew, 3),
    )


def _grace(scenario: Scenario) -> int:
    """Return for how long nodes may hold back before they begin to wait for a master."""
    told = any(fault.what == "yield" for fault in scenario.faults)
    return max(STAND_BACK_TIME if told else 0, scenario.hold_down)


def _drifts(scenario: Scenario) -> list[int]:
    drifts = [member.ppm for member in scenario.members]
    return drifts + [fault.value for fault in scenario.faults if fault.what == "drift"]
