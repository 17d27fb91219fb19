"""Rows of the election table, broken in every way: left out, with another end, or lacking."""

from collections.abc import Iterator
from dataclasses import replace

from carpool.carp.election import Row, State


def mutants(row: Row) -> Iterator[tuple[str, Row | None]]:
    """Yield (what was done to it, what is left of it), one change at a time."""
    yield "left out", None
    for state in State:
        if state is not row.next:
            yield f"to {state}", replace(row, next=state)
    for place, action in enumerate(row.actions):
        kept = row.actions[:place] + row.actions[place + 1 :]
        yield f"without {action.name}", replace(row, actions=kept)
