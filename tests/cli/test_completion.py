"""The shells complete what the parsers take: asked of the real shells."""

import os
import pty
import select
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest
from tests.support.status import document, group

import carpool
from carpool.cli import COMMANDS, completion, daemons
from carpool.cli.parsers import parsers
from carpool.cli.shells import SHELLS, forms

ASKED = r"""
source "$SCRIPT"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_carpool
printf '%s\n' "${COMPREPLY[@]}"
"""


@cache
def script(shell: str) -> str:
    return SHELLS[shell]()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder to complete in, with a carpool on the PATH that lists groups of its own."""
    for shell in SHELLS:
        (tmp_path / f"script.{shell}").write_text(script(shell))
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/carpool"
    command.write_text('#!/bin/sh\n[ "$*" = "completion --list groups" ] && echo www && echo db\n')
    command.chmod(0o755)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "web one.toml").touch()
    (tmp_path / "here" / "web two").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def bash(folder: Path, *words: str) -> list[str]:
    done = subprocess.run(
        ["bash", "--norc", "-c", ASKED, "bash", "carpool", *words],
        env={**os.environ, "SCRIPT": str(folder / "script.bash")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return sorted(done.stdout.split("\n")[:-1]) if done.stdout != "\n" else []


CASES = [
    (("pro",), ["promote"]),
    (("--v",), ["--version"]),
    (("check", "--fo"), ["--format"]),
    (("check", "--format", ""), ["github", "json", "text"]),
    (("check", "--format", "=", "g"), ["github"]),
    (("check", "web"), ["web one.toml", "web two"]),
    (("check", "--strict", "web one.toml", "web"), ["web one.toml", "web two"]),
    (("render", "--output", "web"), ["web two"]),
    (("demote", ""), ["db", "www"]),
    (("demote", "www", "d"), ["db"]),
    (("demote", "--by", ""), []),
    (("maintenance", "o"), ["off", "on"]),
    (("maintenance", "--run-dir", "/run", "o"), ["off", "on"]),
    (("maintenance", "on", "w"), ["www"]),
    (("trace", "--group", "w"), ["www"]),
    (("lab", "demo-"), ["demo-smartos"]),
    (("lab", "web"), ["web one.toml", "web two"]),
    (("lab", "demo", "--v"), ["--virtual"]),
    (("lab", "demo", "w"), ["web one.toml", "web two"]),
    (("lab", "demo", "d"), []),
    (("lab", "run", "--no"), ["--no-scripts"]),
    (("lab", "--no"), ["--no-scripts"]),
    (("status", "--par"), ["--parallel"]),
    (("ucarp", "--down"), ["--downscript"]),
    (("completion", ""), ["bash", "fish", "zsh"]),
    (("completion", "--l"), []),
    (("no-such-command", ""), []),
]


@pytest.mark.parametrize(("words", "found"), CASES, ids=" ".join)
def test_bash(folder: Path, words: tuple[str, ...], found: list[str]) -> None:
    assert bash(folder, *words) == found


def test_bash_runs_nothing_that_a_name_has(folder: Path) -> None:
    names = ["$(touch ran)", "`touch ran`", "two words", "www"]
    listed = "\n".join(names)
    (folder / "bin/carpool").write_text(f"#!/bin/sh\ncat <<'END'\n{listed}\nEND\n")
    quoted = [r"\$\(touch\ ran\)", r"\`touch\ ran\`", r"two\ words", "www"]
    assert bash(folder, "demote", "") == sorted(quoted)
    assert not (folder / "here" / "ran").exists()


def test_bash_completes_every_option_of_every_command(folder: Path) -> None:
    for form in forms():
        wanted = {name for option in form.options for name in option.names}
        assert set(bash(folder, *form.words, "-")) == wanted


def test_shellcheck_finds_nothing_in_the_script(folder: Path) -> None:
    # COMPREPLY is split into words on purpose, as bash 3.2 has no mapfile.
    shellcheck = Path(sys.executable).parent / "shellcheck"
    if not shellcheck.exists():
        pytest.skip("there is no shellcheck")
    arguments = [str(shellcheck), "-s", "bash", "-e", "SC2207", str(folder / "script.bash")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_nothing_has_to_be_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "carpool", "completion", "bash"],
        env={**os.environ, "PYTHONPATH": str(Path(carpool.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    # What needs more than one file may be left out, as of an archive.
    assert "'check --format'" in done.stdout


def test_every_command_is_in_every_script() -> None:
    known = {form.words[0] for form in forms()}
    assert known == set(COMMANDS) == {command for command, _ in parsers()}


@pytest.mark.peer("fish")
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("carpool prom", {"promote"}),
        ("carpool check --format ", {"github", "json", "text"}),
        ("carpool check --fo", {"--format"}),
        ("carpool demote ", {"db", "www"}),
        ("carpool maintenance o", {"on", "off"}),
        ("carpool lab demo --vi", {"--virtual"}),
        ("carpool ucarp --down", {"--downscript"}),
    ],
)
def test_fish(folder: Path, line: str, found: set[str]) -> None:
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {folder}/script.fish; complete -C '{line}'"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(folder)},
    )
    assert (done.stderr, {each.split("\t")[0] for each in done.stdout.splitlines()}) == ("", found)


@pytest.mark.peer("zsh")
@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("carpool prom", "carpool promote "),
        ("carpool check --form", "carpool check --format="),
        ("carpool check --format=g", "carpool check --format=github "),
        ("carpool demote w", "carpool demote www "),
        ("carpool maintenance of", "carpool maintenance off "),
        ("carpool lab demo --vi", "carpool lab demo --virtual "),
        ("carpool check web\\ o", "carpool check web\\ one.toml "),
    ],
)
def test_zsh(folder: Path, typed: str, shown: str) -> None:
    """Type it on a terminal, press the tab key, and look at the line."""
    environment = {**os.environ, "TERM": "dumb", "HOME": str(folder), "PS1": ""}
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment)
    try:
        setup = (
            "unsetopt zle_bracketed_paste prompt_sp; PS1= ; autoload -Uz compinit; compinit -D -u; "
            f'source {folder}/script.zsh; show() {{ print -r -- "line=<$BUFFER>" }}; '
            "zle -N show; bindkey '^X' show; print re'ady'\n"
        )
        os.write(terminal, setup.encode())
        _read_until(terminal, b"\nready")
        os.write(terminal, f"{typed}\t\x18".encode())
        said = _read_until(terminal, b">\r\n")
    finally:
        os.close(terminal)
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert f"line=<{shown}>" in said.decode()


def _read_until(terminal: int, wanted: bytes) -> bytes:
    said, end = b"", time.monotonic() + 60
    while wanted not in said:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, said
        said += os.read(terminal, 4096)
    return said


def test_a_shell_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        completion.main([])
    assert "bash, zsh, fish" in capsys.readouterr().err
    assert completion.main(["fish"]) == 0
    assert capsys.readouterr().out == SHELLS["fish"]()


def test_lists(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def asked(*_: object) -> tuple[list[dict[str, object]], list[str], int]:
        groups = (group("www", "MASTER"), group("db", "BACKUP"))
        return [document(*groups)], ["node x: not running"], 3

    monkeypatch.setattr(daemons, "ask_each", asked)
    told = {}
    for listed in ("groups", "codes", "findings"):
        assert completion.main(["--list", listed]) == 0
        told[listed] = capsys.readouterr().out.splitlines()
    assert told["groups"] == ["db", "www", "all"]
    assert told["codes"][0] == told["findings"][0] == "CP001"
    assert "doctor-firewall" in {*told["findings"]} - {*told["codes"]}
    assert completion.main(["--list", "nodes"]) == 0
    capsys.readouterr()
    assert completion.main(["--list", "interfaces"]) == 0
    if sys.platform == "linux":
        assert "lo" in capsys.readouterr().out.splitlines()
