"""A page of rows to look through and choose from: no terminal here, keys in and lines out."""

from collections.abc import Sequence
from dataclasses import dataclass

from carpool.watch.screen import Line

_FRAME_LINES = 3  # title, heading, keys
_MOST_FOOT = 3
"""Of the lines below the rows, at most a third of the page."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; `group` is what a key may act on, None for nothing."""

    text: str
    style: str = ""
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """What the user has asked for and confirmed: demote or promote a group of this host."""

    command: str
    group: str


class Page:
    """What is chosen, how far it is scrolled, and what waits to be confirmed."""

    def __init__(self) -> None:
        self.chosen: int | None = None
        """The row that keys act on; None until there are rows: then the first with a group."""
        self.said = ""
        """An answer to show until the next key."""
        self._top = 0
        self._visible = 1
        self._asked: Act | None = None

    def compose(
        self,
        title: str,
        heading: str,
        rows: Sequence[Row],
        foot: Sequence[Line],
        size: tuple[int, int],
    ) -> list[Line]:
        """Return the lines of a page of `size` (columns, lines)."""
        columns, lines = size
        foot = foot[-max(lines // _MOST_FOOT, 1) :]
        self._visible = max(lines - _FRAME_LINES - len(foot), 1)
        chosen_row = self._chosen_of(rows)
        self._top = max(min(self._top, chosen_row), chosen_row - self._visible + 1)
        self._top = max(min(self._top, len(rows) - self._visible), 0)
        shown = rows[self._top : self._top + self._visible]
        page = [Line(title, "head"), Line(heading, "dim")]
        for number, row in enumerate(shown, self._top):
            chosen = number == chosen_row and row.group is not None
            mark = ">" if chosen else " "
            page.append(Line(f"{mark}{row.text}"[:columns], row.style or "chosen" * chosen))
        page += [Line("")] * (self._visible - len(shown))
        return [*page, *foot, Line(self._keys(len(rows))[:columns], "head")]

    def press(self, key: str, rows: Sequence[Row]) -> Act | None:
        """Take a key. Return what has been asked for and confirmed."""
        asked, self._asked, self.said = self._asked, None, ""
        if asked is not None:
            if key == "y":
                return asked
            self.said = "not done"
            return None
        steps = {"up": -1, "down": 1, "page up": -self._visible, "page down": self._visible}
        if key in steps:
            self.chosen = max(min(self._chosen_of(rows) + steps[key], len(rows) - 1), 0)
        elif key in ("d", "p"):
            self._ask({"d": "demote", "p": "promote"}[key], rows)
        return None

    def _chosen_of(self, rows: Sequence[Row]) -> int:
        if self.chosen is None:
            first = next((number for number, row in enumerate(rows) if row.group), None)
            if first is None:
                return 0
            self.chosen = first
        return max(min(self.chosen, len(rows) - 1), 0)

    def _ask(self, command: str, rows: Sequence[Row]) -> None:
        group = rows[self._chosen_of(rows)].group if rows else None
        if group is None:
            self.said = f"nothing to {command}: no daemon of this host has this group"
        else:
            self._asked = Act(command, group)

    def _keys(self, rows: int) -> str:
        if self._asked is not None:
            return f"{self._asked.command} group {self._asked.group} on this host? y: yes, else no"
        if self.said:
            return self.said
        more = rows - self._visible
        scroll = f"  {self._top + 1}-{self._top + self._visible} of {rows}" if more > 0 else ""
        return f"q: quit  up/down: choose  d: demote  p: promote{scroll}"
