"""The pages, as parts: each has an id, and is sent again only when it has become another.

A part knows no age, only since when something is so; the browser counts from there. So what has
not changed is the same text, whenever it is rendered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from carpool.node.daemon import DEMOTED_REASON
from carpool.node.maintenance import REASON as MAINTENANCE_REASON
from carpool.watch.durations import duration
from carpool.web.merge import Grade, Picture
from carpool.web.strip import Mark, caption, faults, marks
from carpool.web.views import NEVER_MASTER

if TYPE_CHECKING:
    from carpool.web.ledger import Ledger

SPANS: Mapping[str, tuple[int, str]] = {
    "1m": (60, "last minute"),
    "10m": (600, "last 10 minutes"),
    "1h": (3600, "last hour"),
    "6h": (21600, "last 6 hours"),
    "24h": (86400, "last 24 hours"),
}
"""What the timeline may show: its length in seconds, and what it is called."""
STEPS = 600
"""Of a strip: it moves on by one when so much of its time has passed."""
_NEWS_OF_ALL, _NEWS_OF_GROUP = 20, 60
_WORDS = {
    Grade.GOOD: ("ok", "●"),
    Grade.CHANGING: ("changing", "◌"),
    Grade.WARNING: ("warning", "▲"),
    Grade.FAULT: ("fault", "✖"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at: one group or all, how much of the past, and whether with actions."""

    group: str | None = None
    span: str = "1h"
    actions: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A group, ready to be drawn."""

    id: str
    picture: Picture
    grade: str
    symbol: str
    marks: Sequence[Mark]
    caption: str
    faults: str
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rendered:
    """The parts of a page by id, the ids of the rows in their order, and the page's title."""

    title: str
    parts: Mapping[str, str]
    rows: Sequence[str] = field(default_factory=tuple)


class Pages:
    """Renders what the ledger knows."""

    def __init__(self, ledger: Ledger, name: str, assets: Mapping[str, str]) -> None:
        """`name`: of the cluster; `assets`: the paths of the style sheet and the script."""
        self._ledger = ledger
        self._environment = Environment(
            loader=PackageLoader("carpool.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            name=name,
            assets=assets,
            spans=SPANS,
            never_master=NEVER_MASTER,
            demoted=DEMOTED_REASON,
            maintenance=MAINTENANCE_REASON,
        )
        self._environment.filters.update(utc=_utc, stamp=_stamp, duration=duration)
        self._parts = self._environment.get_template("parts.html")

    def page(self, template: str, **values: Any) -> str:
        """Render a whole page."""
        return self._environment.get_template(template).render(**values)

    def render(self, look: Look, now: float, *, ages: bool = False) -> Rendered | None:
        """Return the parts of the overview, or of the page of a group; None if it is not there.

        `ages`: tell how long ago things were, for browsers without JavaScript.
        """
        pictures = self._ledger.pictures()
        views = self._ledger.views
        nodes = sorted(view.node for view in views)
        made: Any = self._parts.make_module({"now": now if ages else None})
        if look.group is None:
            rows = sorted(
                (self._row(one, nodes, look.span, now) for one in pictures),
                key=lambda row: -row.picture.grade,
            )
            parts = {f"{row.id}": str(made.row(row, look)) for row in rows}
            ids: tuple[str, ...] = tuple(parts)
            news = self._ledger.news(most=_NEWS_OF_ALL)
        else:
            found = [one for one in pictures if one.name == look.group]
            if not found:
                return None
            row = self._row(found[0], nodes, look.span, now)
            parts, ids = {"group": str(made.group(row, look))}, ()
            news = self._ledger.news(look.group, _NEWS_OF_GROUP)
        summary = summarise([one for one in pictures if look.group in (None, one.name)])
        parts["summary"] = str(made.summary(summary))
        parts["nodes"] = str(made.nodes(sorted(views, key=lambda view: view.node), nodes))
        parts["news"] = str(made.news(news))
        return Rendered(summary.title, parts, ids)

    def _row(self, picture: Picture, nodes: Sequence[str], span: str, now: float) -> Row:
        seconds, words = SPANS[span]
        step = max(1.0, seconds / STEPS)
        end = (math.floor(now / step) + 1) * step
        stretches = self._ledger.stretches(picture, end - seconds, end)
        grade, symbol = _WORDS[picture.grade]
        return Row(
            id=f"group-{picture.name}",
            picture=picture,
            grade=grade,
            symbol=symbol,
            marks=marks(stretches, end - seconds, end, nodes),
            caption=caption(stretches, words),
            faults=faults(stretches),
            names={a: c.node for c in picture.claims if c.said for a in c.said.own},
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """How the cluster is, in a line."""

    grade: str
    symbol: str
    text: str
    title: str


def summarise(pictures: Sequence[Picture]) -> Summary:
    """Return how many groups are well, and how many are not."""
    worst = max((one.grade for one in pictures), default=Grade.WARNING)
    count = {grade: sum(one.grade is grade for one in pictures) for grade in Grade}
    if not pictures:
        text = "no node has told of a group yet"
    elif worst is Grade.GOOD:
        one = pictures[0].headline
        text = f"held by {one}" if len(pictures) == 1 else f"all {len(pictures)} groups are held"
    elif len(pictures) == 1:
        text = pictures[0].findings[0].text
    else:
        shown = (
            (Grade.FAULT, "at fault"),
            (Grade.WARNING, "to look at"),
            (Grade.CHANGING, "changing"),
        )
        parts = [f"{count[grade]} {words}" for grade, words in shown if count[grade]]
        text = f"{', '.join(parts)}; {count[Grade.GOOD]} of {len(pictures)} groups well"
    grade, symbol = _WORDS[worst]
    return Summary(grade, symbol, text, f"{symbol} {text}")


def _utc(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _stamp(when: float) -> str:
    moment = datetime.fromtimestamp(when, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
