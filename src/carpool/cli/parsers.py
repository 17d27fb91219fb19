"""The argument parsers of all commands: what manual pages and shell completion are made from."""

import argparse
from collections.abc import Iterator
from importlib import import_module
from keyword import iskeyword

from carpool.cli import COMMANDS


def parsers() -> Iterator[tuple[str, dict[str, argparse.ArgumentParser]]]:
    """Yield each command that is installed and its parsers, in the order of carpool --help.

    A command that does several things has a parser for each, by the word that asks for it; that of
    any other is named "".
    """
    for command in COMMANDS:
        made = parsers_of(command)
        if made:
            yield command, made


def parsers_of(command: str) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a command; none where carpool is installed without it."""
    name = f"carpool.cli.{command}{'_' * iskeyword(command)}"
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return {}
    made: dict[str, argparse.ArgumentParser]
    made = module.parsers() if hasattr(module, "parsers") else {"": module.parser()}
    return made
