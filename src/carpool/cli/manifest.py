"""``carpool manifest``: an SMF manifest for any daemon, by options or by questions."""

import argparse
import sys
from pathlib import Path
from typing import Any

from carpool.cli.check import show
from carpool.cli.paragraphs import Paragraphs
from carpool.smartos.manifest import to_xml
from carpool.smartos.manifest_check import check
from carpool.smartos.manifest_form import ITEMS, AnswerError, Item, Kind, build

EPILOG = """Without options, and on a terminal, it asks. To use what it makes: svccfg import FILE.

models: contract, a daemon that stays behind when its start command ends; wait (or child), a start
command that is the daemon; transient, a start command that does something once.

exit codes: 0 done; 2 something is wrong, and nothing was written.
"""


class _QuitError(Exception):
    """The questions were not answered to their end."""


def main(arguments: list[str]) -> int:
    """Make or check a manifest and return the exit code."""
    options = parser().parse_args(arguments)
    if options.check:
        return _check(options.check)
    answers: dict[str, Any] = {}
    wrong = []
    for item in ITEMS:
        try:
            answers[item.name] = _given(item, getattr(options, item.name.replace("-", "_")))
        except AnswerError as error:
            wrong.append(f"--{item.name}: {error}")
    if wrong:
        return _refuse(*wrong)
    if answers["instance"] is not None and answers["multi-instance"] is None:
        answers["multi-instance"] = True
    if options.ask or (not arguments and sys.stdin.isatty()):
        try:
            _ask(answers)
        except _QuitError:
            return _refuse("the questions were not answered to their end; nothing was made")
    for item in ITEMS:
        if item.required and answers[item.name] is None:
            example = f"'{item.example}'" if " " in item.example else item.example
            wrong.append(f"--{item.name} is missing; add for example --{item.name} {example}")
        elif answers[item.name] is None and item.default is not None:
            answers[item.name] = item.read(item.default)
    if wrong:
        return _refuse(*wrong)
    return _make(answers, options.output)


def parser() -> argparse.ArgumentParser:
    """Return the parser of its arguments."""
    made = argparse.ArgumentParser(
        "carpool manifest",
        description="Make an SMF manifest for any daemon, every answer checked.",
        epilog=EPILOG,
        formatter_class=Paragraphs,
    )
    made.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: print it")
    made.add_argument("--ask", action="store_true", help="ask for all that no option gives")
    made.add_argument(
        "--check", type=Path, nargs="+", metavar="FILE", help="check these manifests instead"
    )
    for item in ITEMS:
        note = f" (default: {item.default})" if item.default is not None else ""
        text = f"{item.question}{note}".replace("%", "%%")
        if item.kind is Kind.YES_NO:
            action: Any = argparse.BooleanOptionalAction
            made.add_argument(f"--{item.name}", action=action, help=text)
        elif item.kind is Kind.MANY:
            made.add_argument(f"--{item.name}", action="append", metavar="X", help=text)
        else:
            made.add_argument(f"--{item.name}", metavar="X", help=text)
    return made


def _given(item: Item, value: Any) -> Any:
    """Return what an option says; None if it was not given, a list for what may be repeated."""
    if item.kind is Kind.MANY:
        return [item.read(one) for one in value or ()]
    return item.read(value) if isinstance(value, str) else value


def _ask(answers: dict[str, Any]) -> None:
    """Ask for everything that is not answered yet. Raises _QuitError at the end of the input."""
    print("An empty line takes the [default], or leaves out what has none.", file=sys.stderr)
    for item in ITEMS:
        if item.kind is Kind.MANY:
            while not answers[item.name] or answers[item.name][-1] is not None:
                answers[item.name].append(_ask_one(item))
            answers[item.name].pop()
        elif answers[item.name] is None and not _is_idle(item, answers):
            answers[item.name] = _ask_one(item)


def _is_idle(item: Item, answers: dict[str, Any]) -> bool:
    """Return whether an earlier answer has made the question idle."""
    if item.name == "instance":
        return not answers["multi-instance"]
    return item.name == "refresh-timeout" and answers["refresh"] is None


def _ask_one(item: Item) -> Any:
    """Return an answer that can be used, or None."""
    example = f", such as {item.example}" if item.example and item.default is None else ""
    default = f" [{item.default}]" if item.default is not None else ""
    while True:
        print(f"{item.question}{example}{default}: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            print(file=sys.stderr)
            raise _QuitError
        text = line.strip() or item.default
        if text is None:
            if not item.required:
                return None
            print("  this one needs an answer", file=sys.stderr)
            continue
        try:
            return item.read(text)
        except AnswerError as error:
            print(f"  {error}", file=sys.stderr)


def _make(answers: dict[str, Any], output: Path | None) -> int:
    try:
        text = to_xml(build(answers))
    except AnswerError as error:
        return _refuse(str(error))
    if faults := check(text):
        return _refuse(*(fault.message for fault in faults))
    if output is None:
        show(text)
        return 0
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        return _refuse(f"{output}: {error.strerror}; name a file that can be written")
    return 0


def _check(paths: list[Path]) -> int:
    failed = False
    for path in paths:
        try:
            text = path.read_text("utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
            show(f"{path}: {reason}; name an SMF manifest\n")
            failed = True
            continue
        for fault in check(text):
            line = f"{path}:{fault.line}" if fault.line else str(path)
            show(f"{line}: {fault.message}\n")
            failed = True
    return 2 if failed else 0


def _refuse(*problems: str) -> int:
    for problem in problems:
        print(f"carpool manifest: {problem}", file=sys.stderr)
    return 2
