"""Small SVG pictures: bars beside each other, and lines, both on logarithmic scales."""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from bench.results import Spread

COLOURS = {"carpool": "#0b6e4f", "ucarp": "#c8553d", "keepalived": "#3d6cc8"}
WIDTH = 760
LEFT, RIGHT, TOP, BOTTOM = 160, 30, 46, 40
BAR, GAP = 12, 10
HEIGHT = 360  # of lines
FONT = 'font-family="sans-serif" font-size="12"'

Points = Sequence[tuple[float, float]]


class Scale:
    """A logarithmic axis over whole decades, from `low` to `high`, on pixels `start` to `stop`."""

    def __init__(self, values: Sequence[float], start: float, stop: float) -> None:
        """Fit it to values, of which those above zero count."""
        above = [value for value in values if value > 0] or [1.0]
        self.low = math.floor(math.log10(min(above)))
        self.high = max(math.ceil(math.log10(max(above))), self.low + 1)
        self._start, self._stop = start, stop

    def at(self, value: float) -> float:
        """Return the pixel of a value; what is below the axis is at its start."""
        share = (math.log10(max(value, 10.0**self.low)) - self.low) / (self.high - self.low)
        return self._start + share * (self._stop - self._start)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield the pixel and the label of each decade."""
        for power in range(self.low, self.high + 1):
            yield self.at(10.0**power), f"{10.0**power:,.10g}"


def bars(title: str, unit: str, rows: Mapping[str, Mapping[str, Spread]]) -> str:
    """Draw for each row a bar of each kind of daemon: the median, with least and most."""
    heights = [len(of_row) * BAR + GAP for of_row in rows.values()]
    bottom = TOP + sum(heights)
    spreads = [spread for of_row in rows.values() for spread in of_row.values()]
    scale = Scale([1.0, *(one.most for one in spreads)], LEFT, WIDTH - 90)
    body = [*_legend([name for name in COLOURS if any(name in row for row in rows.values())])]
    for x, label in scale.ticks():
        body.append(_line(x, TOP, x, bottom, "#ddd"))
        body.append(_text(x, bottom + 16, label, anchor="middle"))
    body.append(_text(WIDTH - RIGHT, bottom + 32, unit, anchor="end"))
    y = TOP + GAP / 2
    for (name, of_row), height in zip(rows.items(), heights, strict=True):
        body.append(_text(LEFT - 8, y + (height - GAP) / 2 + 4, name, anchor="end"))
        for peer, spread in of_row.items():
            end = max(scale.at(spread.median), LEFT + 1)
            middle = y + BAR / 2
            body.append(
                f'<rect x="{LEFT}" y="{y:g}" width="{end - LEFT:.1f}" height="{BAR - 2}" '
                f'fill="{COLOURS[peer]}"/>'
            )
            most = scale.at(spread.most)
            body.append(_line(scale.at(spread.least), middle, most, middle, "#222"))
            body.append(_text(max(end, most) + 6, y + BAR - 2, told(spread.median)))
            y += BAR
        y += GAP
    return _document(title, bottom + BOTTOM, body)


def lines(title: str, across: str, up: str, series: Mapping[str, Points]) -> str:
    """Draw a line through the points of each kind of daemon."""
    bottom = HEIGHT - BOTTOM
    points = [point for of_peer in series.values() for point in of_peer]
    along = Scale([x for x, _ in points], 70, WIDTH - RIGHT)
    above = Scale([y for _, y in points], bottom, TOP + 10)
    body = [*_legend([*series])]
    for x, label in along.ticks():
        body += [_line(x, TOP, x, bottom, "#ddd"), _text(x, bottom + 16, label, anchor="middle")]
    for y, label in above.ticks():
        body += [_line(70, y, WIDTH - RIGHT, y, "#ddd"), _text(64, y + 4, label, anchor="end")]
    body.append(_text(WIDTH - RIGHT, bottom + 32, across, anchor="end"))
    body.append(_text(8, TOP - 2, up))
    for peer, of_peer in series.items():
        where = [(along.at(x), above.at(y)) for x, y in sorted(of_peer)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in where)
        colour = COLOURS[peer]
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in where]
    return _document(title, HEIGHT, body)


def told(value: float) -> str:
    """Return a figure as it is told: three digits that count, all of the whole ones."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):,.10g}"


def _legend(peers: Sequence[str]) -> Iterator[str]:
    for number, peer in enumerate(peers):
        x = WIDTH - RIGHT - 110 * (len(peers) - number)
        yield f'<rect x="{x}" y="22" width="12" height="12" fill="{COLOURS[peer]}"/>'
        yield _text(x + 18, 32, peer)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="1"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _document(title: str, height: float, body: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {WIDTH} {height:g}" {FONT}>'
    )
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    heading = f'<text x="8" y="20" font-size="15" font-weight="bold">{escape(title)}</text>'
    return "\n".join([head, background, heading, *body, "</svg>"]) + "\n"
