"""Pages that are made from the code are as the code is, and manual pages are mdoc."""

import re
import subprocess
from importlib import import_module
from pathlib import Path
from zipfile import ZipFile

import pytest
from docs import generate
from tools import man_pages, mdoc

from carpool.carp.election import ROWS, Action
from carpool.carp.words import ACTIONS
from carpool.cli import COMMANDS
from carpool.cli.parsers import parsers
from carpool.cluster.draft import read_document
from carpool.cluster.source import Source

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "data/share/man"


@pytest.fixture(autouse=True)
def _anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)


def test_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    status = generate.main(["--check"])
    assert (status, capsys.readouterr().err) == (0, "")


def test_a_stale_page_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    kept = (generate.ROOT / "docs/architecture.md").read_text("utf-8")
    (tmp_path / "docs/architecture.md").write_text(kept.replace("stateDiagram", "stale"))
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    assert generate.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "election.md is out of date" in said
    assert "architecture.md is out of date" in said
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_every_row_and_action_is_on_the_page() -> None:
    page = generate.election()
    assert page.count("\n| ") == len(ROWS) + 2
    assert set(ACTIONS) == set(Action)


@pytest.mark.peer("mandoc")
@pytest.mark.parametrize("page", sorted(PAGES.rglob("carpool*")), ids=lambda page: page.name)
def test_mandoc_has_nothing_to_say_about_a_page(page: Path) -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", str(page)], capture_output=True, text=True, check=False
    )
    # It looks for the other page among those that are installed.
    said = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert said == []


def test_every_command_option_and_operand_is_told_of() -> None:
    page = man_pages.commands_page()
    for command in COMMANDS:
        assert f".It Cm {command}\n" in page
    for command, made in parsers():
        for word, parser in made.items():
            section = page.partition(f".Ss carpool {command} {word}".strip() + "\n")[2]
            section = section.partition("\n.Ss ")[0]
            for action in mdoc.visible(parser):
                if "--help" in action.option_strings:
                    continue
                assert action.help, f"carpool {command}: {action.dest} has no help"
                assert f".It {mdoc.term(action)}\n" in section


def test_every_table_that_the_loader_knows_is_on_the_page() -> None:
    source = Source(None)
    read_document({"no_such_table": {}}, source)
    (finding,) = (one for one in source.findings() if one.key == "no_such_table")
    known = finding.mend.removeprefix("choose from ").split(", ")
    headers = {re.split(r"\W", table.header.lstrip("["))[0] for table in man_pages.tables()}
    assert headers == set(known)


def test_every_key_is_on_the_page() -> None:
    page = man_pages.file_page()
    for table in man_pages.tables():
        section = page.partition(f".Ss {table.header}")[2].partition("\n.S")[0]
        assert all(f".It Ic {field.name}\n" in section for field in table.fields), table.header


def test_every_kind_of_event_is_told_of_once() -> None:
    text = (ROOT / "docs/control.md").read_text("utf-8")
    table = text.partition("| kind | tells of |")[2].partition("\n\n")[0]
    listed = [
        kind for row in table.splitlines() for kind in re.findall(r"`(\w+)`", row.split("|")[1])
    ]
    sources = (path.read_text("utf-8") for path in ROOT.glob("src/carpool/**/*.py"))
    made = {kind for text in sources for kind in re.findall(r'happened\(\s*"(\w+)"', text)}
    assert len(listed) == len(set(listed))
    assert made <= set(listed)
    assert {"state", "script"} <= set(listed)


def test_what_mdoc_would_misread_is_escaped() -> None:
    assert mdoc.prose(".a 'b' --option x-y") == [r"\&.a 'b' \-\-option x-y"]
    assert mdoc.prose(r"a\b. Then `c`.") == [r"a\eb.", r"Then \(oqc\(cq."]
    assert mdoc.argument("No") == r"\&No"
    assert mdoc.argument('say "x"') == r'"say \(dqx\(dq"'


def test_pages_and_completion_are_installed(tmp_path: Path) -> None:
    flit = import_module("flit_core.wheel")  # it has no types
    wheel = flit.make_wheel_in(PAGES.parents[2] / "pyproject.toml", tmp_path).file
    held = {name.partition(".data/data/")[2] for name in ZipFile(wheel).namelist()}
    made = {name.removeprefix("data/") for name in generate.PAGES if name.startswith("data/")}
    assert made <= held
    assert len(made) == 5
