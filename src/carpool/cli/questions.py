"""Questions on a terminal, asked again until the answer can be used."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def ask(text: str, convert: Callable[[str], _T], default: str) -> _T:
    """Return what ``convert`` makes of the answer, or of ``default`` if that is empty.

    An answer for which it raises ArgumentTypeError is asked for again, with the reason. An empty
    default shows none and is converted as well. Raises EOFError where the answers end.
    """
    shown = f" [{default}]" if default else ""
    while True:
        answer = input(f"{text}{shown}: ").strip() or default
        try:
            return convert(answer)
        except ArgumentTypeError as error:
            print(f"  {error}")


def ask_or_not(text: str, convert: Callable[[str], _T]) -> _T | None:
    """Return what ``convert`` makes of the answer, None for an empty one."""
    return ask(f"{text} (empty: none)", lambda answer: convert(answer) if answer else None, "")


def yes_or_no(text: str, *, default: bool) -> bool:
    """Return whether the answer is yes."""

    def convert(answer: str) -> bool:
        if answer.lower() not in ("y", "yes", "n", "no"):
            raise ArgumentTypeError("answer yes or no")
        return answer.lower().startswith("y")

    return ask(text, convert, "yes" if default else "no")
