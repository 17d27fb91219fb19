"""Files of options, read as a shell reads a command line: one command, on as many lines as it has.

Not `shlex`: its comments begin at any #, also in the middle of a password, and it does not tell
the line of a word.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

_MAX_SIZE = 65536  # bytes
_COMMENT = re.compile(r"#[^\n]*")
_PIECE = re.compile(
    r"""(?P<blank>\s+) | \\(?:\n|\Z|(?P<escaped>.)) | '(?P<single>[^']*)'
    | "(?P<double>(?:[^"\\]|\\.)*)" | (?P<plain>[^\s'"\\]+)""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPED = re.compile(r'\\(?:\n|([$`"\\]))')  # what a backslash does between double quotes


class OptionFileError(Exception):
    """A file that cannot be used; the text says where, why, and how to mend it."""


@dataclass(frozen=True, slots=True)
class OptionFile:
    """The words of a file, quotes and backslashes resolved."""

    words: tuple[str, ...]
    lines: tuple[int, ...]
    """For each word the number of the line on which it begins, from 1."""
    readable_by_all: bool
    """Whether every user of this host may read it."""


def read_option_file(path: Path) -> OptionFile:
    """Read a file of options. Raises OptionFileError."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OptionFileError(f"{path}: cannot be read: {reason}; name a file of options") from None
    if len(content) > _MAX_SIZE:
        raise OptionFileError(f"{path}: longer than {_MAX_SIZE} bytes; name a file of options")
    try:
        found = split(os.fsdecode(content).replace("\r\n", "\n"))
    except OptionFileError as error:
        raise OptionFileError(f"{path}:{error}") from None
    return OptionFile(
        tuple(word for word, _ in found),
        tuple(line for _, line in found),
        readable_by_all=stat.S_ISREG(mode) and bool(mode & stat.S_IROTH),
    )


def split(text: str) -> list[tuple[str, int]]:
    """Return the words of `text` and the lines on which they begin.

    Quotes, backslashes and comments are sh(1)'s; nothing is expanded, and line ends do nothing
    but separate words. Raises OptionFileError for a quote that is not closed.
    """
    words: list[tuple[str, int]] = []
    word: str | None = None
    line = position = 0
    while position < len(text):
        if word is None:
            line = text.count("\n", 0, position) + 1
        piece = _COMMENT.match(text, position) if word is None else None
        piece = piece or _PIECE.match(text, position)
        if piece is None:
            here = text.count("\n", 0, position) + 1
            raise OptionFileError(f"{here}: a quote is opened and not closed; close it")
        position = piece.end()
        if piece.lastgroup == "blank":
            if word is not None:
                words.append((word, line))
            word = None
        elif piece.lastgroup == "double":
            word = (word or "") + _ESCAPED.sub(lambda match: match[1] or "", piece["double"])
        elif piece.lastgroup:
            word = (word or "") + piece[piece.lastgroup]
    return words if word is None else [*words, (word, line)]
