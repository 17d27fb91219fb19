"""What happened in a scenario, told line by line: instant, node, what, why."""

from collections.abc import Sequence

from carpool.carp.timing import SECOND
from carpool.sim.case import Violation
from carpool.sim.lan import Lan
from carpool.sim.scenario import VHID, Scenario


def story(scenario: Scenario, lan: Lan, found: Sequence[Violation] = ()) -> str:
    """Return the story of a scenario that was played, with the invariants that did not hold."""
    lines = [_member(number, scenario) for number in range(len(scenario.members))]
    events = [
        *((fault.at, 0, fault.node or "", str(fault)) for fault in scenario.faults),
        *(
            (change.instant, 1, change.node, f"-> {change.state or 'down'}{_why(change.event)}")
            for change in lan.record.timeline
        ),
        *(
            (span.start, 2, "", f"held by {' and '.join(sorted(span.holders)) or 'nobody'}")
            for span in lan.record.spans(VHID)
        ),
        *(
            (one.instant, 3, " ".join(one.nodes), f"VIOLATION of {one.rule!r}: {one.text}")
            for one in found
        ),
    ]
    marks = ("!", " ", " ", "*")
    lines += [
        f"{instant / SECOND:12.6f} s {marks[rank]} {node:6} {text}"
        for instant, rank, node, text in sorted(events, key=lambda event: event[:2])
    ]
    return "\n".join(lines) + "\n"


def _why(event: object) -> str:
    return f": {getattr(event, 'value', '')}" if event is not None else ""


def _member(number: int, scenario: Scenario) -> str:
    member = scenario.members[number]
    extras = [
        member.kind,
        f"interval {member.advbase} s + {member.advskew}/256 s",
        "preempt" if member.preempt else "",
        f"clock {member.ppm:+} ppm" if member.ppm else "",
    ]
    return f"{member.name}: {', '.join(filter(None, extras))}"
