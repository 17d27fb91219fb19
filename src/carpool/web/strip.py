"""The timeline of a group as a strip: marks in percent of its width, and the same in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carpool.watch.durations import duration
from carpool.web.timeline import Kind, Stretch

COLOURS = 8
"""So many nodes have a colour of their own; names stand in the strip as well."""
_LEAST = 0.6  # percent: what is shorter is drawn that wide, if it is a fault
_FAULTS = (Kind.OUTAGE, Kind.OVERLAP)
_WORDS = {Kind.OUTAGE: "nobody", Kind.UNKNOWN: "not known"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch as it is drawn: `left` and `width` in percent, a style sheet's class, words."""

    left: float
    width: float
    style: str
    label: str
    title: str
    start: float
    end: float


def marks(
    stretches: Sequence[Stretch], start: float, end: float, nodes: Sequence[str]
) -> list[Mark]:
    """Return what to draw for the time from `start` to `end`, faults last: on top of the others."""
    styles = {node: f"n{index % COLOURS}" for index, node in enumerate(nodes)}
    scale = 100.0 / (end - start)
    made = []
    for one in stretches:
        left, width = (one.start - start) * scale, one.seconds * scale
        if one.kind in _FAULTS and width < _LEAST:
            left, width = min(left, 100 - _LEAST), _LEAST
        words = _words(one)
        made.append(
            Mark(
                round(left, 2),
                round(width, 2),
                _style(one, styles),
                words,
                f"{words}: {duration(one.seconds)}",
                one.start,
                one.end,
            )
        )
    return sorted(made, key=lambda mark: mark.style in {"outage", "overlap"})


def caption(stretches: Sequence[Stretch], span: str) -> str:
    """Return the strip in words, for who does not see it."""
    told = [one for one in stretches if one.kind is not Kind.UNKNOWN][-6:]
    parts = ", then ".join(f"{_words(one)} for {duration(one.seconds)}" for one in told)
    return f"{span}: {parts}" if parts else f"{span}: nothing is known"


def faults(stretches: Sequence[Stretch]) -> str:
    """Return how long there was nobody, and more than one, in words; "" if never."""
    parts = []
    for kind, words in ((Kind.OUTAGE, "without a master"), (Kind.OVERLAP, "with two masters")):
        lengths = [one.seconds for one in stretches if one.kind is kind]
        if lengths:
            times = f"{len(lengths)} times, " if len(lengths) > 1 else ""
            parts.append(f"{times}{duration(sum(lengths))} {words}")
    return "; ".join(parts)


def _style(one: Stretch, styles: Mapping[str, str]) -> str:
    if one.kind is Kind.HELD:
        return styles.get(one.holders[0], "other")
    return one.kind.value


def _words(one: Stretch) -> str:
    return " and ".join(one.holders) if one.holders else _WORDS[one.kind]
