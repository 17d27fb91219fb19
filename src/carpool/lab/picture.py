"""Timelines of who answered the client: in characters for a terminal, and as SVG.

Instants are ns of the clock that the story was recorded with.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise, zip_longest
from typing import Final

from carpool.carp.timing import SECOND
from carpool.lab.probe import Answer, longest
from carpool.sim.record import Span

SILENCE: Final = 50_000_000
"""ns without an answer that end a bar."""

_STEPS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something was done to a zone: a fault, called `text`, or its end."""

    instant: int
    zone: str
    text: str
    fault: bool


@dataclass(frozen=True, slots=True)
class Story:
    """What happened between two instants."""

    zones: tuple[str, ...]
    begin: int
    end: int
    answers: Sequence[Answer]
    spans: Sequence[Span]
    marks: Sequence[Mark]

    def answered(self) -> Iterator[tuple[str, int, int]]:
        """Yield zone, start and end of every stretch in which it alone answered."""
        first = last = None
        for answer in self.answers:
            if last and (last.zone != answer.zone or answer.received - last.received > SILENCE):
                assert first is not None
                yield last.zone, first.received, last.received
                first = answer
            first, last = first or answer, answer
        if first and last:
            yield last.zone, first.received, last.received

    def held(self) -> Iterator[tuple[str, int, int]]:
        """Yield zone, start and end of every stretch in which it had the address."""
        for span in self.spans:
            for zone in sorted(span.holders):
                yield zone, span.start, span.end

    def waits(self) -> Iterator[tuple[int, int]]:
        """Yield the instant of every fault, and the longest wait of the client until it ended."""
        for mark, following in zip_longest(self.marks, self.marks[1:]):
            end = following.instant if following else self.end
            answers = [answer for answer in self.answers if answer.received <= end]
            gap = longest(answers, since=mark.instant)
            if mark.fault and gap:
                yield mark.instant, gap.waited


def duration(length: int) -> str:
    """Write a time in ms, or from a second on in seconds."""
    if length < SECOND:
        return f"{length / 1_000_000:.0f} ms"
    return f"{length / SECOND:.2f} s"


# In characters.

_BLOCKS: Final = {"answers": "█", "has": "░", "nothing": "·"}
_PLAIN: Final = {"answers": "#", "has": "-", "nothing": "."}
_FAULT, _BACK = "x", "o"
_LONGEST_NAME: Final = 16


def timeline(story: Story, width: int, *, ascii_only: bool = False) -> list[str]:
    """Return lines of `width` characters: the faults, a row for each zone, and the seconds."""
    look = _PLAIN if ascii_only else _BLOCKS
    names = {zone: zone[:_LONGEST_NAME] for zone in story.zones}
    margin = max(map(len, names.values())) + 2
    columns = max(width - margin, 10)
    length = max(story.end - story.begin, 1)

    def column(instant: int) -> int:
        return min(max((instant - story.begin) * columns // length, 0), columns - 1)

    rows = {zone: [look["nothing"]] * columns for zone in story.zones}
    # An answer outweighs a possession: a cell shows the most that happened in it.
    for kind, stretches in (("has", story.held()), ("answers", story.answered())):
        for zone, start, end in stretches:
            if end >= story.begin:
                first, last = column(start), column(end)
                rows[zone][first : last + 1] = look[kind] * (last + 1 - first)
    labels = ""
    for mark in story.marks:
        at = column(mark.instant)
        rows[mark.zone][at] = _FAULT if mark.fault else _BACK
        if mark.fault:
            labels = f"{labels:<{at}}"[: max(at, 0)] + mark.text + " "
    lines = [" " * margin + labels.rstrip()[:columns]]
    lines += [f"{names[zone]:<{margin}}{''.join(row)}" for zone, row in rows.items()]
    axis = ""
    for second in _ticks(length, columns // 8):
        at = column(story.begin + second * SECOND)
        if at + len(str(second)) <= columns - 2:
            axis = f"{axis:<{at}}{second}"
    lines.append(f"{' ' * margin}{axis} s")
    return lines


def legend(*, ascii_only: bool = False, spans: bool = True) -> str:
    """Say what the characters of `timeline` mean; `spans` of a story that has them."""
    look = _PLAIN if ascii_only else _BLOCKS
    has = f"{look['has']} has the address all the same   " if spans else ""
    return f"{look['answers']} answers the client   {has}{_FAULT} fault   {_BACK} mended"


def _ticks(length: int, most: int) -> range:
    """Return round seconds along `length` ns, at most about that many."""
    seconds = length // SECOND
    step = next((step for step in _STEPS if seconds // step <= most), _STEPS[-1])
    return range(0, seconds + 1, step)


# As SVG.

_WIDTH: Final = 960
_LEFT: Final = 90
_RIGHT: Final = 20
_TOP: Final = 64
_ROW: Final = 44
_BAR: Final = 24
_STYLE: Final = """
    text { font: 13px system-ui, sans-serif; fill: #1f2933 }
    .title { font-size: 16px; font-weight: 600 }
    .small { font-size: 11px; fill: #52606d }
    .answers { fill: #2f855a }
    .has { fill: #f6ad55 }
    .silent { fill: #c53030 }
    .track { fill: #edf2f7 }
    .fault { stroke: #c53030; stroke-width: 1.5; stroke-dasharray: 3 3 }
    .back { stroke: #718096; stroke-width: 1; stroke-dasharray: 2 4 }
    .word { fill: #c53030 }
"""


def svg(story: Story, title: str) -> str:
    """Return the timeline as an SVG document, 960 units wide."""
    length = max(story.end - story.begin, 1)

    def x(instant: int) -> float:
        inner = _WIDTH - _LEFT - _RIGHT
        share = min(max((instant - story.begin) / length, 0), 1)
        return round(_LEFT + inner * share, 1)

    tops = {zone: _TOP + number * _ROW for number, zone in enumerate(story.zones)}
    client = _TOP + len(tops) * _ROW
    bottom = client + _ROW
    body = [f'<text class="title" x="{_LEFT}" y="24">{escape(title)}</text>']
    for name, top in (*tops.items(), ("client", client)):
        body.append(f'<text x="12" y="{top + 17}">{escape(name)}</text>')
        body.append(_box("track", x(story.begin), x(story.end), top))
    body += [_box("has", x(start), x(end), tops[zone]) for zone, start, end in story.held()]
    answered = list(story.answered())
    body += [_box("answers", x(start), x(end), tops[zone]) for zone, start, end in answered]
    body += [_box("answers", x(start), x(end), client) for _, start, end in answered]
    for (_, _, gone), (_, back, _) in pairwise(answered):
        if back - gone > SILENCE:
            body.append(_box("silent", x(gone), x(back), client))
    for instant, wait in story.waits():
        at, below = x(instant), client + _BAR + 13
        body.append(f'<text class="small" x="{at}" y="{below}">{duration(wait)}</text>')
    body += [_line(mark, x(mark.instant), tops[mark.zone]) for mark in story.marks]
    for second in _ticks(length, 12):
        at = x(story.begin + second * SECOND)
        body.append(f'<text class="small" x="{at}" y="{bottom + 16}">{second} s</text>')
    body += _svg_legend(bottom + 40)
    height = bottom + 56
    content = "\n  ".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">\n'
        f"  <title>{escape(title)}</title>\n  <style>{_STYLE}  </style>\n"
        f'  <rect width="{_WIDTH}" height="{height}" fill="#fff"/>\n  {content}\n</svg>\n'
    )


def _box(kind: str, left: float, right: float, top: int) -> str:
    width = max(round(right - left, 1), 0.5)
    return f'<rect class="{kind}" x="{left}" y="{top}" width="{width}" height="{_BAR}"/>'


def _line(mark: Mark, at: float, top: int) -> str:
    kind = "fault" if mark.fault else "back"
    line = f'<line class="{kind}" x1="{at}" x2="{at}" y1="{top - 8}" y2="{top + _BAR + 8}"/>'
    word = f'<text class="small word" x="{at + 3}" y="{top - 3}">{escape(mark.text)}</text>'
    return line + (word if mark.text else "")


def _svg_legend(y: int) -> Iterator[str]:
    at = _LEFT
    for kind, text in (
        ("answers", "answers the client"),
        ("has", "has the address all the same"),
        ("silent", "nobody answers"),
    ):
        yield f'<rect class="{kind}" x="{at}" y="{y - 10}" width="12" height="12"/>'
        yield f'<text class="small" x="{at + 18}" y="{y}">{text}</text>'
        at += 40 + 7 * len(text)
