"""Pages that are drawn from the code are as the code is."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from carpool.carp.election import ROWS, Action

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_up_to_date(generate: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    status = generate.main(["--check"])
    assert (status, capsys.readouterr().err) == (0, "")


def test_a_stale_page_is_told(
    generate: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(generate, "HERE", tmp_path)
    assert generate.main(["--check"]) == 1
    assert "election.md is out of date" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_every_row_and_action_is_on_the_page(generate: ModuleType) -> None:
    page = generate.election()
    assert page.count("\n| ") == len(ROWS) + 2
    assert set(generate.ACTIONS) == set(Action)
