"""A terminal's screen, for what is written to one in pieces."""

import re

_PART = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]|[^\x1b]")


class VirtualScreen:
    """Understands what `carpool watch` writes, and nothing else (ECMA-48)."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self._columns = columns
        self._cells = [[" "] * columns for _ in range(lines)]
        self._line = self._column = 0

    def write(self, text: str) -> None:
        """Show what is written. Fail on what would be wrapped, and on what is unknown."""
        parts = _PART.findall(text)
        assert "".join(parts) == text
        for part in parts:
            if part[0] != "\x1b":
                assert self._column < self._columns, "it would be wrapped, or lost"
                self._cells[self._line][self._column] = part
                self._column += 1
            elif part == "\x1b[2J":
                self._cells = [[" "] * self._columns for _ in self._cells]
            elif part == "\x1b[K":
                rest = self._columns - self._column
                self._cells[self._line][self._column :] = [" "] * rest
            elif part[-1] == "H":
                self._line, self._column = (int(number) - 1 for number in part[2:-1].split(";"))
            else:
                assert part[-1] == "m" or part.startswith("\x1b[?"), part

    @property
    def text(self) -> list[str]:
        """The lines, without blanks at their ends."""
        return ["".join(line).rstrip() for line in self._cells]
