"""Tables for people and figures for programs, as all demos tell what came of them."""

from collections.abc import Collection, Iterator, Sequence

_MS = 1_000_000


def lines(rows: Sequence[Sequence[str]], numbers: Collection[int]) -> Iterator[str]:
    """Yield the lines of a table; the columns in `numbers`, from 0, are set to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if number in numbers else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def milliseconds(length: int) -> float:
    """Return a duration in ns as JSON has it: in ms, with three digits."""
    return round(length / _MS, 3)
