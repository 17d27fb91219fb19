"""Every command that the documentation tells a reader to type is parsed, and run.

What is run as something else, or not at all, stands in a table here, each with its reason. A new
command on a page needs nothing here: it is run, and must succeed. See `tests.support.documents`
for what counts as a command.
"""

import os
import re
import shutil
import signal
import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from tests.support.documents import PAGES, PROGRAMS, ROOT, Command, commands, inline, words
from tests.support.lan import Lan, carpool

from carpool.cli import COMMANDS
from carpool.cli.parsers import parsers_of
from carpool.cli.ucarp_options import parse as parse_ucarp
from carpool.lab.zone import Zone

SIMULATED = "it takes minutes; the same with smaller numbers"
OPTIONS = "--yes --node web1=192.168.0.201/24 --node web2=192.168.0.202/24 --address 192.168.0.200"
REPLACED = {
    # what a page says: (what is run instead, why)
    "carpool init web.toml": (f"carpool init web.toml {OPTIONS}", "it asks on a terminal"),
    "carpool restart": ("carpool restart --force", "on a busy machine it refuses, as it should"),
    "web2-20261123T031209Z.trace": ("web1-*.trace", "the name has the node and the time in it"),
    "--runs 10000": ("--runs 20", SIMULATED),
    "--explore 12": ("--explore 3", SIMULATED),
    "/run/carpool/": ("$RUNTIME_DIRECTORY/", "the tests have a directory of their own"),
    "/var/lib/node_exporter/": ("", "it writes outside of the test's folder"),
    "make ": ("make -n -C $ROOT ", "each target has tests of its own: only that make knows it"),
}

NOT_RUN = {
    # a pattern of what a page says, with its name before it: why
    r"docs/check\.md: carpool check FILE\.\.\.": "FILE... stands for the reader's own",
    r".*: (sudo )?(apt|pip) install .*": "it installs from a network",
    r"docs/(deploy|tutorial-smartos)\.md: (carpool (plan|apply|status|destroy)|vmadm|echo) .*": (
        "it needs hypervisors: tests/deploy plays it on stand-ins"
    ),
    r"README\.md: carpool (plan|apply|status|destroy) web\.toml.*": "the same",
    r".*: python3? carpool\.pyz .*": "tests/pyz makes the archive and runs it",
    r".*: python -m carpool\.sim never-two-1890\.jsonl.*": "a failure found once, and mended",
    r"docs/notify\.md: carpool notify .*": "tests/cli/test_notify.py runs it beside real servers",
    r"docs/lab\.md: carpool lab demo": "tests/cli/test_lab_demo.py plays it",
}

NOT_COMPARED = {
    # a pattern of what shows something else each time: why
    r"docs/control\.md: carpool reload": "it tells what is new in the reader's own file",
    r"docs/recorder\.md: carpool (trace|replay) ?.*": "it is of another node, and another day",
}

SLOW = r"(?!.*lab demo).*: carpool lab .*"
"""What takes ten seconds and more; run by make test-slow."""

SERVES = r"carpool (run|web|metrics --listen|events --follow|watch \w)"
"""What goes on until it is stopped."""

CODES: dict[str, tuple[int, ...]] = {
    # what begins so may end with these, where others with 0 alone
    "carpool status": (0, 1, 5),  # it says who is master, and a busy machine may have moved it
    "carpool doctor": (0, 1),  # it may find that the machine is too busy
}

PROMPT = "lab> "
"""Of a command that reads more from the user, as a page shows it."""

ASKS_A_DAEMON = (
    r"carpool (yield|demote|promote|maintenance|restart|reload|trace|metrics|watch|scan|events|"
    r"doctor|web|notify|status(?! +\w+\.toml))"
)

CLUSTER = """
[nodes.web1]
address = "192.168.0.201/24"
interface = "net0"
[nodes.web2]
address = "192.168.0.202/24"
interface = "net0"
[groups.www]
vhid = 42
addresses = ["192.168.0.200/24"]
password_file = "www.key"
"""

EVERY = [command for page in PAGES for command in commands(page)]


def named(command: Command) -> str:
    """Return what the tables look at: page and command, without its comment."""
    return f"{command.page}: {re.sub(r'  +# .*', '', command.text)}"


def why_not(command: Command) -> str | None:
    return next(
        (why for pattern, why in NOT_RUN.items() if re.fullmatch(pattern, named(command))), None
    )


def is_slow(command: Command) -> bool:
    return re.fullmatch(SLOW, named(command)) is not None


def instead(text: str) -> str:
    """Return what is run for what a page says."""
    bare = re.sub(r" +# .*", "", text)
    for said, (run, _) in REPLACED.items():
        if bare == said or not said.startswith("carpool"):
            bare = bare.replace(said, run)
    return bare


def test_there_are_commands() -> None:
    assert {command.page for command in EVERY} >= {"README.md", "docs/lab.md", "docs/deploy.md"}


@pytest.mark.parametrize("pattern", NOT_RUN)
def test_no_entry_of_the_table_is_idle(pattern: str) -> None:
    assert any(re.fullmatch(pattern, named(command)) for command in EVERY)


@pytest.mark.parametrize("said", REPLACED)
def test_nothing_is_replaced_that_no_page_says(said: str) -> None:
    assert any(said in command.text for command in EVERY)


@pytest.mark.parametrize("command", EVERY, ids=str)
def test_a_command_parses(command: Command) -> None:
    for said in words(re.sub(r" +# .*", "", command.text)):
        program, *arguments = said[1:] if said[0] == "sudo" else said
        assert program in PROGRAMS, f"{command}: add {program} to PROGRAMS"
        problem = parse(arguments) if program == "carpool" else None
        assert problem is None, f"{command}: {problem}"


def parse(arguments: list[str]) -> str | None:
    """Return what a parser says about arguments; None if it takes them."""
    name, *rest = arguments
    if name in ("--help", "--version"):
        return None
    if name not in COMMANDS:
        return f"there is no command {name}"
    if name == "ucarp":
        return "; ".join(parse_ucarp(rest).errors) or None
    made = parsers_of(name)
    if rest and rest[0] in made:
        tried = [made[rest[0]]]
        rest = rest[1:]
    else:
        tried = list(made.values())
    said = ""
    for parser in tried:
        complaint = StringIO()
        try:
            with redirect_stderr(complaint):
                parser.parse_known_args(rest) if rest == ["--help"] else parser.parse_args(rest)
        except SystemExit as error:
            if not error.code:
                return None
            said = complaint.getvalue().splitlines()[-1]
        else:
            return None
    return said


def examples() -> list[Command]:
    """Return the commands that stand in the --help of others, and in example files."""
    found = []
    for name in COMMANDS:
        for parser in parsers_of(name).values():
            text = re.sub(r"\\\n *", "", parser.epilog or "")
            found += [(f"{name} --help", line) for line in text.splitlines() if line[:1] == " "]
    for path in sorted((ROOT / "examples").glob("*.toml")):
        lines = path.read_text("utf-8").splitlines()
        found += [(path.name, line[1:]) for line in lines if line.startswith("#   ")]
    return [
        Command(place, 0, line.strip())
        for place, line in found
        if line.strip().startswith("carpool ")
    ]


@pytest.mark.parametrize("command", examples(), ids=str)
def test_an_example_parses(command: Command) -> None:
    (said, *_) = words(re.sub(r" +# .*", "", command.text))
    assert parse(said[1:]) is None, command


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_the_text_names_is_there(path: Path) -> None:
    """A command in running text may be cut short; but command and options are there."""
    for command in inline(path):
        name, *rest = command.text.split()[1:]
        name = re.sub(r"\W+$", "", name)
        if name.startswith("-") or name.isupper():
            continue
        assert name in COMMANDS, command
        known = {
            option
            for parser in parsers_of(name).values()
            for option in parser._option_string_actions
        }
        given = {re.sub(r"[=,.;:\]].*", "", word.lstrip("[")) for word in rest}
        assert {word for word in given if word.startswith("-")} <= known, command


def asks(command: Command) -> bool:
    return re.search(ASKS_A_DAEMON, command.text) is not None


def chosen(page: str, *, slow: bool) -> list[Command]:
    """Return the commands of a page that are run; with the slow ones, what they may build on."""
    kept = [one for one in EVERY if one.page == page and why_not(one) is None]
    if slow:
        return [one for one in kept if is_slow(one) or not asks(one)]
    return [one for one in kept if not is_slow(one)]


def sessions(*, slow: bool) -> list[ParameterSet]:
    """Return the pages that have commands to run, and which programs they need."""
    pages = {
        one.page: chosen(one.page, slow=slow)
        for one in EVERY
        if why_not(one) is None and is_slow(one) is slow
    }
    return [
        pytest.param(page, marks=pytest.mark.peer(*sorted(programs(kept))))
        for page, kept in pages.items()
    ]


def programs(kept: list[Command]) -> set[str]:
    """Return the programs that commands need, but for those that are made for them."""
    needed = {said[0] for one in kept for said in words(re.sub(r" +# .*", "", one.text))}
    return needed - {"carpool", "python"}


@pytest.mark.namespaces
@pytest.mark.parametrize("page", sessions(slow=False))
def test_the_commands_of_a_page_do_what_it_says(page: str, tmp_path: Path) -> None:
    play(page, tmp_path, slow=False)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.namespaces
@pytest.mark.parametrize("page", sessions(slow=True))
def test_and_so_do_the_longer_ones(page: str, tmp_path: Path) -> None:
    play(page, tmp_path, slow=True)


def play(page: str, folder: Path, *, slow: bool) -> None:
    """Run a page's commands one after another, in a zone of a network with two nodes."""
    kept = chosen(page, slow=slow)
    with Lan(folder) as lan:
        here, environment = stage(lan)
        zones = [
            lan.zone(name, f"192.168.0.20{number}/24")
            for number, name in enumerate(("web1", "web2"), 1)
        ]
        if any(map(asks, kept)):
            web1, web2 = zones
            daemon = lan.run(web1, here / "cluster.toml")
            lan.until_logged(daemon, "to state: MASTER")
            own = {"RUNTIME_DIRECTORY": str(folder / "web2")}  # as on a machine of its own
            other = lan.start(
                web2, carpool("run", str(here / "cluster.toml")), {**environment, **own}
            )
            lan.until_logged(other, "to state: BACKUP")
        for command in kept:
            run(lan, zones[0], command, environment)


def stage(lan: Lan) -> tuple[Path, dict[str, str]]:
    """Make the folder that the commands run in. Return it, and the environment."""
    here, programs = lan.folder / "here", lan.folder / "bin"
    here.mkdir()
    programs.mkdir()
    (here / "cluster.toml").write_text(CLUSTER)
    (here / "www.key").touch(mode=0o600)
    (here / "www.key").write_text("two words or so\n")
    (here / "commands").write_text("status\n")
    shutil.copytree(ROOT / "examples", here / "examples")
    for name in ("carpool", "python"):
        program = programs / name
        module = "-P -m carpool " if name == "carpool" else ""
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {module}"$@"\n')
        program.chmod(0o755)
    return here, {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "ROOT": str(ROOT),
        "STATE_DIRECTORY": str(lan.folder / "state"),
        "RUNTIME_DIRECTORY": str(lan.run_directory),
    }


def run(lan: Lan, zone: Zone, command: Command, environment: dict[str, str]) -> None:
    """Run one command to its end, or until it is up; hold its code and output against the page."""
    text, shown = instead(command.text), command.shown
    typed = [line.removeprefix(PROMPT) for line in shown if line.startswith(PROMPT)]
    if typed:  # what stands before the first prompt is for a terminal
        text += "".join(f"\n{line}" for line in ("<<'END'", *typed, "END")).replace("\n", " ", 1)
        begin = next(index for index, line in enumerate(shown) if line.startswith(PROMPT))
        shown = tuple(line for line in shown[begin:] if not line.startswith(PROMPT))
    serves = re.match(SERVES, text) is not None
    line = f"set -o pipefail; cd {lan.folder / 'here'}; {'exec ' if serves else ''}{text}"
    arguments = ["bash", "-c", line]
    if text.startswith("carpool run"):  # beside the one that all others ask
        own = ("RUNTIME_DIRECTORY", "STATE_DIRECTORY")
        environment = environment | {name: str(lan.folder / f"own-{name}") for name in own}
    daemon = lan.start(zone, arguments, environment=environment)
    if serves:
        up = "to state: BACKUP" if text.startswith("carpool run") else "\n"
        lan.until(lambda: up in daemon.text() or daemon.process.poll() is not None)
        assert daemon.process.poll() is None, f"{command}: ended: {daemon.text()}"
        daemon.send(signal.SIGTERM)
    code = daemon.process.wait(60)
    allowed = next((codes for start, codes in CODES.items() if text.startswith(start)), (0,))
    if serves and "run" not in text:
        allowed = (0, -signal.SIGTERM)
    assert code in allowed, f"{command}: exit code {code}: {daemon.text()}"
    if any(re.fullmatch(pattern, named(command)) for pattern in NOT_COMPARED):
        return
    missing = lacking(shown, daemon.text())
    assert not missing, f"{command}: shows {missing}, but it was: {daemon.text()}"


def lacking(shown: tuple[str, ...], said: str) -> list[str]:
    """Return the lines that a page shows and that a command did not say.

    Times, numbers and widths differ from run to run, and so they do not count.
    """
    there = {shape(line) for line in said.splitlines()}
    return [line for line in shown if line.strip() not in ("", "...") and shape(line) not in there]


def shape(line: str) -> str:
    text = re.sub(r"\b[0-9a-f]{16,}\b", "0", line)
    text = re.sub(r"\d[\d,.:]*", "0", text)
    text = re.sub(r"\b0 (ms|s|us)\b", "0 s", text)
    return " ".join(text.split())


def test_shapes() -> None:
    assert lacking(("a  1.2 s b", "..."), "x\na 15 ms b\n") == []
    assert lacking(("a 1 b",), "a 1 c") == ["a 1 b"]
