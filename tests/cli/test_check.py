"""`carpool check` and `carpool explain` as their users meet them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster.support import FILES

from carpool.cli import check, explain, render
from carpool.cluster.findings import Finding, Rule, Severity
from carpool.doctor.faults import BY_CODE

GOOD = FILES["cluster.toml"]
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with a clean file, one with a warning, and one with an error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.toml").write_text(GOOD)
    (tmp_path / "odd.toml").write_text(GOOD.replace('"gz2"', '"gz1"'))
    (tmp_path / "bad.toml").write_text(GOOD.replace("vhid = 31", "vhid = 310"))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = check.main(["--no-passwords", *arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "code", "summary"),
    [
        (["good.toml"], 0, "1 file checked: no mistake found\n"),
        (["good.toml", "--strict"], 0, "1 file checked: no mistake found\n"),
        (["odd.toml"], 0, "1 file checked: 0 errors, 1 warning\n"),
        (["odd.toml", "--strict"], 1, "1 file checked: 0 errors, 1 warning\n"),
        (["odd.toml", "--strict", "--ignore", "cp213"], 0, "1 file checked: no mistake found\n"),
        (["bad.toml"], 2, "1 file checked: 1 error, 0 warnings\n"),
        (["none.toml"], 2, "1 file checked: 1 error, 0 warnings\n"),
    ],
)
def test_exit_codes(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, summary: str
) -> None:
    found, _, errors = run(capsys, *arguments)
    assert found == code
    assert errors == summary


@pytest.mark.usefixtures("files")
def test_lines_that_editors_parse(capsys: pytest.CaptureFixture[str]) -> None:
    _, lines, _ = run(capsys, "bad.toml", "odd.toml")
    gcc = re.compile(r"(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?:error|warning): .+")
    found = [match for match in map(gcc.fullmatch, lines.splitlines()) if match]
    assert [(m["file"], m["line"], m["column"]) for m in found] == [
        ("bad.toml", "19", "1"),
        ("odd.toml", "17", "1"),
    ]
    assert len(found) == len(lines.splitlines())


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("how", [["--json"], ["--format", "json"]])
def test_json(capsys: pytest.CaptureFixture[str], how: list[str]) -> None:
    code, text, errors = run(capsys, *how, "bad.toml", "odd.toml", "none.toml")
    assert code == 2
    assert errors == ""
    found = json.loads(text)
    assert (found["errors"], found["warnings"]) == (2, 1)
    assert found["findings"][0] == {
        "code": "CP104",
        "severity": "error",
        "file": "bad.toml",
        "line": 19,
        "column": 1,
        "key": "groups.db.vhid",
        "message": "310 is out of range",
        "mend": "use 1 to 255",
    }
    assert found["findings"][2]["line"] is None


@pytest.mark.usefixtures("files")
def test_github_annotations(capsys: pytest.CaptureFixture[str]) -> None:
    _, text, _ = run(capsys, "--format", "github", "odd.toml", "bad.toml")
    warning, error = text.splitlines()
    assert error == (
        "::error file=bad.toml,line=19,col=1,title=CP104%3A number out of range"
        "::groups.db.vhid: 310 is out of range; use 1 to 255"
    )
    assert warning.startswith("::warning file=odd.toml,line=17,col=1,title=CP213%3A ")


def test_what_would_end_an_annotation_is_escaped() -> None:
    finding = Finding("CP001", Severity.ERROR, Path("a,b:c%.toml"), None, "", "100%\r\n", "x")
    [line] = check.github_lines([finding]).splitlines()
    assert line == (
        "::error file=a%2Cb%3Ac%25.toml,title=CP001%3A the file cannot be read::100%25%0D%0A; x"
    )


def test_an_unknown_code_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        check.main(["--ignore", "CP213,CP999", "x.toml"])
    assert caught.value.code == 2
    assert "there is no code 'CP999'" in capsys.readouterr().err


def test_any_locale_and_any_file_name(files: Path) -> None:
    name = b"\xff\xe9.toml"
    path = Path(str(files).encode().decode() + "/" + name.decode("utf-8", "surrogateescape"))
    path.write_text(GOOD.replace('"db"', '"dé b"'))
    result = subprocess.run(
        [sys.executable, "-m", "carpool", "check", "--no-passwords", path],
        capture_output=True,
        env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)},
        check=False,
    )
    assert result.returncode == 2
    assert b"CP105" in result.stdout
    assert b"Traceback" not in result.stderr


def test_explain_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain.main(["cp515"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("CP515 (error): a gateway that is the zone itself\n\n")
    assert all(len(line) <= 78 for line in text.splitlines())


def test_explain_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*(rule.code for rule in Rule), *BY_CODE]


def test_explain_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain.main(["--json", "CP515"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found["code"] == "CP515"
    assert found["severity"] == "error"
    assert explain.main(["--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(Rule) + len(BY_CODE)


def test_explain_an_unknown_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain.main(["CP51"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("carpool explain: there is no code 'CP51'; ")


def test_what_is_rendered_is_clean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payloads that carpool makes of its example are held against each other and the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smartos.toml").write_text((EXAMPLES / "smartos.toml").read_text())
    (tmp_path / "smartos.key").touch(0o600)
    (tmp_path / "smartos.key").write_text("0f1e2d3c4b5a6978\n")
    assert render.main(["smartos.toml", "-o", "least"]) == 0
    assert render.main(["smartos.toml", "-o", "compatible", "--compat", "ucarp"]) == 0
    for folder, codes in (("least", set()), ("compatible", {"CP509"})):
        payloads = sorted(map(str, tmp_path.glob(f"{folder}/*/payload.json")))
        assert len(payloads) == 2
        capsys.readouterr()
        assert check.main(["smartos.toml", *payloads]) == 0
        found = set(re.findall(r"\[(CP\d+)\]$", capsys.readouterr().out, re.MULTILINE))
        assert found == codes


def test_the_examples_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """Also together: nobody who tries all of them gets a clash."""
    code, _, errors = run(capsys, "--strict", *map(str, sorted(EXAMPLES.glob("*.toml"))))
    assert code == 0
    assert errors.endswith(" files checked: no mistake found\n")
