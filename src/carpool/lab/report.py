"""What came of the demo: the data, a table for people, and JSON for programs.

Durations are ns of the stage's clock, but for those in JSON, which say their unit.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from carpool.carp.timing import SECOND
from carpool.lab.columns import lines, milliseconds
from carpool.lab.picture import Story, duration

_NUMBERS: Final = (2, 5)  # columns of the table


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fault did to the master, `zone`.

    `outage` is the client's longest wait, `taken_over` the time from the fault to the first answer
    of `new_master`, `bound` what was promised for both. `returned` tells whether the address went
    back to `zone` once the fault was mended, and `return_outage` the client's longest wait then.
    `shared` is how long two zones or more had the address.
    """

    fault: str
    zone: str
    preempt: bool
    new_master: str
    taken_over: int
    outage: int
    bound: int
    returned: bool
    return_outage: int
    shared: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """All of the demo. `problems` are those of the outcomes, and why it ended before its time."""

    outcomes: tuple[Outcome, ...]
    story: Story
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything went as promised."""
        return not self.problems


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Return the lines of a table, 80 columns wide where zones have short names."""
    rows = [("fault", "master", "outage", "new master", "after its return", "two held")]
    for outcome in outcomes:
        rows.append(  # noqa: PERF401 - the heading comes first
            (
                outcome.fault,
                outcome.zone,
                duration(outcome.outage),
                f"{outcome.new_master} in {duration(outcome.taken_over)}",
                f"{outcome.zone} is master" if outcome.returned else f"{outcome.new_master} stays",
                duration(outcome.shared),
            )
        )
    return lines(rows, _NUMBERS)


def as_json(result: Result, **facts: Any) -> str:
    """Return the result as a JSON object, in which `facts` come first."""
    document = {
        **facts,
        "ok": result.ok,
        "seconds": round((result.story.end - result.story.begin) / SECOND, 3),
        "problems": list(result.problems),
        "acts": [_act(outcome) for outcome in result.outcomes],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _act(outcome: Outcome) -> dict[str, Any]:
    return {
        "fault": outcome.fault,
        "master": outcome.zone,
        "preempt": outcome.preempt,
        "outage_ms": milliseconds(outcome.outage),
        "bound_ms": milliseconds(outcome.bound),
        "new_master": outcome.new_master,
        "taken_over_ms": milliseconds(outcome.taken_over),
        "returned": outcome.returned,
        "return_outage_ms": milliseconds(outcome.return_outage),
        "two_holders_ms": milliseconds(outcome.shared),
        "problems": list(outcome.problems),
    }
