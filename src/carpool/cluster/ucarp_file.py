"""Finds the options in a file of ucarp's options."""

from collections.abc import Iterator

from carpool.cluster.findings import Rule
from carpool.cluster.option_file import OptionFileError, split
from carpool.cluster.ucarp_setup import Given, Wrong
from carpool.cluster.ucarp_words import WITH_VALUE, WITHOUT_VALUE, Mistake, Operand
from carpool.cluster.ucarp_words import scan as scan_words
from carpool.cluster.wording import Place

_NAMES = {letter: name for name, letter in (WITH_VALUE | WITHOUT_VALUE).items()}


def scan(text: str) -> Iterator[Given | Wrong]:
    """Yield the options in ``text``, which a shell would read as one command, or as words of it."""
    try:
        found = split(text)
    except OptionFileError as error:
        line = int(str(error).partition(":")[0])
        message = "a quote is opened here and not closed"
        yield Wrong(Rule.UNCLOSED_QUOTE, message, "close it", Place(line, 1))
        return
    words = [word for word, _ in found]
    places = _places(text, found)
    if words and words[0] == "exec":
        del words[0], places[0]
    if words and words[0].rpartition("/")[2] == "ucarp":
        del words[0], places[0]
    for option in scan_words(words):
        place = places[option.first]
        if isinstance(option, Mistake):
            mend = "see ucarp(8), or carpool ucarp --help"
            yield Wrong(Rule.UNKNOWN_OPTION, option.message, mend, place)
        elif isinstance(option, Operand):
            if option.text not in ("$@", "&") and not option.text.startswith("@"):
                message = f"{option.text[:40]!r} is neither an option nor the value of one"
                yield Wrong(Rule.BARE_WORD, message, "take it out", place)
        else:
            yield Given(_NAMES[option.letter], option.value, place)


def _places(text: str, found: list[tuple[str, int]]) -> list[Place]:
    """Return where the words begin; in a line with quotes the column is a good guess."""
    lines = text.split("\n")
    places = []
    line, column = 0, 0
    for word, number in found:
        if number != line:
            line, column = number, 0
        at = lines[number - 1].find(word, column)
        if at >= 0:
            places.append(Place(number, at + 1))
            column = at + len(word)
        else:
            places.append(Place(number, column + 1))
    return places
