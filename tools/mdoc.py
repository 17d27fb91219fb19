"""Writing mdoc(7), the language of manual pages: escapes, sentences, lists, options."""

import argparse
import re
import textwrap
from collections.abc import Iterable, Iterator

_WIDTH = 78
_CALLABLE = re.compile(r"[A-Z%][a-z0-9]$|[,.:;()\[\]?!|]$")
"""What mdoc would take for a macro, or for punctuation, among the arguments of a macro."""
_SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z`\"'(]|carpool|ucarp)|(?<=[:;.]) *\n")
_ESCAPES = {"\\": r"\e", "→": r"\(->", "─": "-", "…": "...", "OpenBSD": r"Open\&BSD"}


def escaped(text: str) -> str:
    """Return text that stands for itself within a line."""
    shown = re.sub(r"\W|OpenBSD", lambda found: _ESCAPES.get(found[0], found[0]), text)
    shown = re.sub(r"`([^`]*)`", r"\\(oq\1\\(cq", shown)
    # Two hyphens are an option: they must be copied as such.
    return re.sub(r"(?<![\w-])--?(?=\w)", lambda found: r"\-" * len(found[0]), shown)


def argument(text: str) -> str:
    """Return one argument of a macro."""
    shown = escaped(text).replace('"', r"\(dq")
    if _CALLABLE.match(shown):
        shown = rf"\&{shown}"
    return f'"{shown}"' if " " in shown or not shown else shown


def prose(text: str) -> list[str]:
    """Return running text: each sentence begins a line, and no line is long."""
    lines = []
    for sentence in _SENTENCE.split(text.strip()):
        joined = " ".join(sentence.split())
        for line in textwrap.wrap(joined, _WIDTH, break_long_words=False, break_on_hyphens=False):
            shown = escaped(line)
            lines.append(rf"\&{shown}" if shown.startswith((".", "'")) else shown)
    return lines


def literal(lines: Iterable[str]) -> list[str]:
    """Return lines as they are, in a display."""
    shown = (escaped(line) for line in textwrap.dedent("\n".join(lines)).splitlines())
    safe = [rf"\&{line}" if line.startswith((".", "'")) else line for line in shown]
    return [".Bd -literal -offset indent", *safe, ".Ed"]


def tagged(items: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """Return a list of terms (macros) and what is said of each (lines); nothing for no items."""
    lines = [line for term, body in items for line in (f".It {term}", *body)]
    return [".Bl -tag -width Ds", *lines, ".El"] if lines else []


def options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options of a parser that users are told of, but for --help."""
    for action in visible(parser):
        if action.option_strings and "--help" not in action.option_strings:
            yield action


def operands(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser that are no options."""
    return (action for action in visible(parser) if not action.option_strings)


def visible(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield what a parser takes, but for what is not for users."""
    actions = parser._actions  # noqa: SLF001 - argparse shows them to nobody
    return (action for action in actions if action.help != argparse.SUPPRESS)


def flag(option: str) -> str:
    """Return the macro of an option, given as a user types it."""
    return f"Fl {argument(option[1:])}"


def value(action: argparse.Action) -> str:
    """Return the macros of the value of an option, or of an operand."""
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return " | ".join(f"Cm {argument(str(choice))}" for choice in action.choices)
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    repeated = " ..." if action.nargs in ("+", "*") else ""
    return f"Ar {argument(name)}{repeated}"


def term(action: argparse.Action) -> str:
    """Return what stands before the description of an option or operand."""
    if not action.option_strings:
        return value(action)
    shown = value(action)
    return " , ".join(f"{flag(option)} {shown}".rstrip() for option in action.option_strings)


def synopsis(parser: argparse.ArgumentParser) -> list[str]:
    """Return the lines that say what a command takes."""
    lines = []
    for action in options(parser):
        # Many have a short form too: the synopsis has the long one, as the examples do.
        shown = f"{flag(action.option_strings[-1])} {value(action)}".rstrip()
        lines.append(shown if action.required else f"Op {shown}")
    for action in operands(parser):
        shown = value(action)
        optional = action.nargs in ("?", "*")
        lines.append(f"Op {shown}" if optional else shown)
    return [f".{line}" for line in lines]


def described(parser: argparse.ArgumentParser, action: argparse.Action) -> list[str]:
    """Return the lines that describe an option or operand."""
    text = (action.help or "") % {**vars(action), "prog": parser.prog}
    text = text[:1].upper() + text[1:] if not re.match(r"carpool|ucarp|\w+_|\[", text) else text
    return prose(text if not text or text.endswith(".") else f"{text}.")


def epilog(text: str) -> list[str]:
    """Return what stands at the end of a command's --help: paragraphs, examples, exit codes."""
    lines: list[str] = []
    text = re.sub(r"\.\s+(?=exit codes: )", ".\n\n", text.strip("\n"))
    for paragraph in filter(None, re.split(r"\n\s*\n", text)):
        lines.append(".Pp")
        first, *rest = paragraph.splitlines()
        codes = re.match(r"exit codes: (?=\d)", paragraph)
        if rest and first.endswith(":") and all(line.startswith("  ") for line in rest):
            lines[-1:] = [".Pp", f"{first[:1].upper()}{first[1:]}", *literal(rest)]
        elif codes:
            listed, _, more = " ".join(paragraph[codes.end() :].split()).partition(". ")
            pairs = [part.partition(" ")[::2] for part in re.split(r"; (?=\d+ )", listed)]
            lines.append("Exit codes:")
            lines += tagged((code, prose(said.rstrip(".") + ".")) for code, said in pairs)
            lines += prose(more)
        else:
            lines += prose(paragraph[:1].upper() + paragraph[1:])
    return lines
