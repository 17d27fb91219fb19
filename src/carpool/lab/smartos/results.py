"""What came of the SmartOS demo: the data, a table for people, and JSON for programs.

Durations are ns of the monotonic clock, but for those in JSON, which say their unit.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from carpool.carp.timing import SECOND
from carpool.lab.columns import lines, milliseconds
from carpool.lab.picture import Story, duration

_NUMBERS: Final = (1, 2, 3)  # columns of the table


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the demo.

    `wait` is the client's longest wait for an answer, None where there was nobody to ask, and
    `bound` what was promised, if anything. `length` is how long the step took, `outcome` what is
    to be said of it, `problems` the promises it broke.
    """

    name: str
    outcome: str
    length: int
    wait: int | None = None
    bound: int | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """All of the demo. `problems` are those of the steps, and why it ended before its time."""

    steps: tuple[Step, ...]
    story: Story
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything went as promised."""
        return not self.problems


def table(steps: Sequence[Step]) -> Iterator[str]:
    """Return the lines of a table."""
    rows = [("step", "took", "client waited", "promised", "outcome")]
    rows += [
        (
            step.name,
            f"{step.length / SECOND:.1f} s",
            "-" if step.wait is None else duration(step.wait),
            "-" if step.bound is None else f"< {duration(step.bound)}",
            step.outcome,
        )
        for step in steps
    ]
    return lines(rows, _NUMBERS)


def as_json(result: Result) -> str:
    """Return the result as a JSON object."""
    document = {
        "ok": result.ok,
        "seconds": round((result.story.end - result.story.begin) / SECOND, 3),
        "problems": list(result.problems),
        "steps": [_step(step) for step in result.steps],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _step(step: Step) -> dict[str, Any]:
    return {
        "step": step.name,
        "outcome": step.outcome,
        "seconds": round(step.length / SECOND, 3),
        "outage_ms": _ms(step.wait),
        "bound_ms": _ms(step.bound),
        "problems": list(step.problems),
    }


def _ms(length: int | None) -> float | None:
    return None if length is None else milliseconds(length)
