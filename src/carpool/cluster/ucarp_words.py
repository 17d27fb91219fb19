"""The words of a ucarp command line: which are options, which are values, and whose.

This finds what getopt_long(3) finds: letters run together, values joined or apart, long options
cut short, operands in between, `--`. The standard `getopt` finds the same (the tests hold one
against the other) but stops at the first mistake and does not tell where it found an option. We
report all mistakes, each with its place, and take a password out of the words it stands in.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WITH_VALUE = {
    "interface": "i",
    "srcip": "s",
    "mcastip": "m",
    "vhid": "v",
    "pass": "p",
    "passfile": "o",
    "addr": "a",
    "advbase": "b",
    "advskew": "k",
    "upscript": "u",
    "downscript": "d",
    "deadratio": "r",
    "facility": "f",
    "xparam": "x",
}
"""ucarp's options that take a value, long name to letter. `--mcast` of its manual is `--mcastip`
cut short."""

WITHOUT_VALUE = {
    "preempt": "P",
    "neutral": "n",
    "help": "h",
    "debug": "D",
    "shutdown": "z",
    "daemonize": "B",
    "ignoreifstate": "S",
    "nomcast": "M",
}
"""ucarp's options that take none."""

_LONG = WITH_VALUE | WITHOUT_VALUE


@dataclass(frozen=True, slots=True)
class Option:
    """One option as found."""

    letter: str
    spelled: str
    """As the user wrote it, such as `--vhid` or `-v`, without its value."""
    value: str
    """Empty for an option that takes none."""
    first: int
    """Index of the word that it is in."""
    offset: int
    """Where in that word it begins, in characters: above 1 if other letters stand before it."""
    end: int
    """Index of the word after it and its value."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A word that is neither an option nor the value of one."""

    text: str
    first: int
    last: bool
    """Whether it stands behind `--`."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something that looks like an option and cannot be one."""

    message: str
    first: int


def scan(words: Sequence[str]) -> Iterator[Option | Operand | Mistake]:
    """Yield what the words are, in order."""
    index = 0
    only_operands = False
    while index < len(words):
        word = words[index]
        if only_operands or not word.startswith("-") or word == "-":
            yield Operand(word, index, only_operands)
            only_operands = only_operands or bool(os.environ.get("POSIXLY_CORRECT"))
            index += 1
        elif word == "--":
            only_operands = True
            index += 1
        else:
            end = index + 1
            for found in _long(words, index) if word.startswith("--") else _short(words, index):
                yield found
                if isinstance(found, Option):
                    end = found.end
            index = end


def _long(words: Sequence[str], index: int) -> Iterator[Option | Mistake]:
    name, equals, value = words[index][2:].partition("=")
    matches = [name] if name in _LONG else [known for known in _LONG if known.startswith(name)]
    if not matches:
        yield Mistake(f"unknown option --{name}", index)
    elif len(matches) > 1:
        yield Mistake(f"--{name} may be {' or '.join(f'--{match}' for match in matches)}", index)
    elif matches[0] in WITHOUT_VALUE:
        if equals:
            yield Mistake(f"--{name} takes no value", index)
        else:
            yield Option(_LONG[matches[0]], f"--{name}", "", index, 0, index + 1)
    elif equals:
        yield Option(_LONG[matches[0]], f"--{name}", value, index, 0, index + 1)
    elif index + 1 < len(words):
        yield Option(_LONG[matches[0]], f"--{name}", words[index + 1], index, 0, index + 2)
    else:
        yield Mistake(f"--{name} needs a value", index)


def _short(words: Sequence[str], index: int) -> Iterator[Option | Mistake]:
    word = words[index]
    for offset, letter in enumerate(word[1:], 1):
        if letter in WITHOUT_VALUE.values():
            yield Option(letter, f"-{letter}", "", index, offset, index + 1)
        elif letter not in WITH_VALUE.values():
            yield Mistake(f"unknown option -{letter}", index)
            return
        elif offset + 1 < len(word):
            yield Option(letter, f"-{letter}", word[offset + 1 :], index, offset, index + 1)
            return
        elif index + 1 < len(words):
            yield Option(letter, f"-{letter}", words[index + 1], index, offset, index + 2)
            return
        else:
            yield Mistake(f"-{letter} needs a value", index)
