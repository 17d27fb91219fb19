"""A page of rows to look through and choose from: no terminal here, keys in and lines out."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from carpool.watch.screen import Line

_FRAME_LINES = 3  # title, heading, keys
_MOST_FOOT = 3
"""Of the lines below the rows, at most a third of the page."""
_LONGEST_FILTER = 40
_ALIASES = {"j": "down", "k": "up", "g": "home", "G": "end", " ": "page down"}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; `group` is what a key may act on, None for nothing.

    `key` is what tells it from other rows, wherever it stands; None: where it stands.
    """

    text: str
    style: str = ""
    group: str | None = None
    key: Hashable = None


@dataclass(frozen=True, slots=True)
class Act:
    """What the user has asked for and confirmed: demote or promote a group of this host."""

    command: str
    group: str


class Page:
    """What is chosen, how far it is scrolled, what is looked for, what is to be confirmed."""

    def __init__(self) -> None:
        self.said = ""
        """An answer to show until the next key."""
        self.typing = False
        """Whether keys are letters of the filter."""
        self._chosen: int | None = None
        # The row that keys act on; None until there are rows: then the first with a group.
        self._chosen_key: Hashable = None
        self._filter = ""
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
        found = self._found(rows)
        self._visible = max(lines - _FRAME_LINES - len(foot), 1)
        chosen_row = self._chosen_of(found)
        self._top = max(min(self._top, chosen_row), chosen_row - self._visible + 1)
        self._top = max(min(self._top, len(found) - self._visible), 0)
        shown = found[self._top : self._top + self._visible]
        page = [Line(title, "head"), Line(heading, "dim")]
        for number, row in enumerate(shown, self._top):
            chosen = number == chosen_row and row.group is not None
            mark = ">" if chosen else " "
            page.append(Line(f"{mark}{row.text}"[:columns], row.style or "chosen" * chosen))
        page += [Line("")] * (self._visible - len(shown))
        keys = self._keys(len(found), len(rows))
        return [*page, *foot, Line(keys[:columns], "head")]

    def press(self, key: str, rows: Sequence[Row]) -> Act | None:
        """Take a key. Return what has been asked for and confirmed."""
        asked, self._asked, self.said = self._asked, None, ""
        if asked is not None:
            if key == "y":
                return asked
            self.said = "not done"
        elif self.typing:
            self._type(key)
        else:
            self._move(_ALIASES.get(key, key), self._found(rows))
        return None

    def _type(self, key: str) -> None:
        if key in ("enter", "escape"):
            self.typing = False
            if key == "escape":
                self._filter = ""
        elif key == "backspace":
            self._filter = self._filter[:-1]
        elif len(key) == 1 and key.isprintable():
            self._filter = (self._filter + key)[:_LONGEST_FILTER]

    def _move(self, key: str, found: Sequence[Row]) -> None:
        steps = {
            "up": -1,
            "down": 1,
            "page up": -self._visible,
            "page down": self._visible,
            "home": -len(found),
            "end": len(found),
        }
        if key in steps:
            self._choose(max(min(self._chosen_of(found) + steps[key], len(found) - 1), 0), found)
        elif key in ("d", "p"):
            self._ask({"d": "demote", "p": "promote"}[key], found)
        elif key == "/":
            self.typing = True
        elif key == "escape":
            self._filter = ""

    def _found(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows that have what is looked for, whatever its case."""
        wanted = self._filter.casefold()
        return [row for row in rows if wanted in row.text.casefold()] if wanted else rows

    def _choose(self, number: int, rows: Sequence[Row]) -> None:
        self._chosen = number
        self._chosen_key = rows[number].key if number < len(rows) else None

    def _chosen_of(self, rows: Sequence[Row]) -> int:
        """Return the number of the chosen row, wherever it stands now."""
        if self._chosen is None:
            first = next((number for number, row in enumerate(rows) if row.group), None)
            if first is None:
                return 0
            self._choose(first, rows)
        if self._chosen_key is not None:
            for number, row in enumerate(rows):
                if row.key == self._chosen_key:
                    self._chosen = number
        return max(min(self._chosen or 0, len(rows) - 1), 0)

    def _ask(self, command: str, rows: Sequence[Row]) -> None:
        group = rows[self._chosen_of(rows)].group if rows else None
        if group is None:
            self.said = f"nothing to {command}: no daemon of this host has this group"
        else:
            self._asked = Act(command, group)

    def _keys(self, found: int, rows: int) -> str:
        if self._asked is not None:
            return f"{self._asked.command} group {self._asked.group} on this host? y: yes, else no"
        if self.typing:
            return f"/{self._filter}_  {found} of {rows}  enter: look through them  esc: show all"
        if self.said:
            return self.said
        more = found > self._visible
        place = f"  {self._top + 1}-{self._top + self._visible} of {found}" if more else ""
        if self._filter:
            return f"q: quit  esc: show all {rows}, not only /{self._filter}{place}"
        return f"q: quit  up/down: choose  /: find  d: demote  p: promote{place}"
