"""svccfg: manifests in, services out, properties set."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from carpool.lab.smartos import startd
from carpool.lab.smartos.commands import words as read
from carpool.lab.smartos.smf import matching, services
from carpool.lab.smartos.stage import CommandError


def main(words: Sequence[str]) -> int:
    """Run a subcommand, of a service if one is selected with -s."""
    options, rest = read.options(words, "s:v")
    # A subcommand may be one word of several: svccfg -s x "setprop a/b = 1".
    verb, *operands = " ".join(rest).split() if "-s" in options else rest or [""]
    if "-s" in options:
        return _selected(options["-s"], verb, operands)
    match verb:
        case "validate":
            return _validate(read.one(operands, "manifest"))
        case "import":
            for path in operands:
                _import(path)
            return 0
        case "delete":
            flags, names = read.options(operands, "f")
            startd.ask({"do": "delete", "fmri": read.one(names, "FMRI"), "force": "-f" in flags})
            return 0
    raise CommandError(f'Unknown command "{verb}".', read.USAGE)


def _validate(path: str) -> int:
    try:
        services(_text(path))
    except ValueError as error:
        print(f"svccfg: couldn't parse document: {path}: {error}", file=sys.stderr)
        return 1
    return 0


def _import(path: str) -> None:
    text = _text(path)
    try:
        services(text)
    except ValueError as error:
        raise CommandError(f"couldn't import {path}: {error}") from None
    startd.ask({"do": "import", "manifest": text})


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise CommandError(f'cannot open "{path}": {error.strerror}') from None


def _selected(pattern: str, verb: str, operands: Sequence[str]) -> int:
    match verb:
        case "setprop":
            # setprop group/name = [type:] value
            name, equals, *value = operands
            if equals != "=" or not value:
                raise CommandError("Syntax error: setprop pg/name = [type:] value", read.USAGE)
            if len(value) > 1 and re.fullmatch(r"[a-z_0-9]+:", value[0]):
                value = value[1:]
            text = " ".join(value).strip("\"'")
            startd.ask({"do": "set", "fmri": pattern, "name": name, "value": text})
        case "addpg":
            pass  # a group is there as soon as it has a property
        case "refresh":
            startd.ask({"do": "refresh", "fmri": pattern})
        case "listprop":
            for known, text in sorted(_service(pattern)["properties"].items()):
                if not operands or known.startswith(operands[0]):
                    print(f"{known} astring {text}")
        case _:
            raise CommandError(f'Unknown command "{verb}".', read.USAGE)
    return 0


def _service(pattern: str) -> dict[str, dict[str, str]]:
    known = {one["fmri"]: one for one in startd.ask({"do": "list"})}
    found = matching(pattern, known)
    if not found:
        raise CommandError(f"Pattern '{pattern}' doesn't match any instances or services")
    service: dict[str, dict[str, str]] = known[found[0]]
    return service
