"""Every command's parser can be had without running it, and is the one that it uses."""

import pytest

from carpool.cli import COMMANDS
from carpool.cli.parsers import parsers, parsers_of
from carpool.cli.ucarp_options import USAGE
from carpool.cluster.ucarp_words import WITH_VALUE, WITHOUT_VALUE


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_parser_named_as_it_is(command: str) -> None:
    made = parsers_of(command)
    assert made, f"carpool.cli.{command} has no parser()"
    for word, parser in made.items():
        assert parser.prog in (f"carpool {command}", f"carpool {command} {word}")
        assert parser.description


def test_they_come_in_the_order_of_the_help() -> None:
    assert [command for command, _ in parsers()] == list(COMMANDS)


def test_a_command_that_is_not_installed_has_none() -> None:
    assert parsers_of("no_such_command") == {}


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "ucarp"])
def test_help_fits_a_narrow_terminal_and_tells_the_exit_codes(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for parser in parsers_of(command).values():
        text = parser.format_help()
        # What is indented is an example, to be copied.
        long = [line for line in text.splitlines() if len(line) > 80 and line[:1] != " "]
        assert long == []
        assert "exit codes" in text


def test_examples_stay_as_they_are() -> None:
    (parser,) = parsers_of("init").values()
    examples = (parser.epilog or "").partition("examples:\n")[2].partition("\n\n")[0]
    assert examples in parser.format_help()


def test_ucarps_parser_has_its_22_options() -> None:
    parser = parsers_of("ucarp")[""]
    listed = {
        tuple(action.option_strings): action.nargs is None
        for action in parser._actions
        if action.option_strings
    }
    spelled = {"mcastip": "mcast"}
    wanted = {
        (f"-{letter}", f"--{spelled.get(name, name)}"): name in WITH_VALUE
        for name, letter in (WITH_VALUE | WITHOUT_VALUE).items()
    }
    assert listed == wanted
    assert len(listed) == 22
    assert all(str(action.help) in USAGE for action in parser._actions if action.option_strings)
