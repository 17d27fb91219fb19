"""What all commands have in common."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from carpool import __version__, cli


def list_into(output: BinaryIO) -> "subprocess.CompletedProcess[bytes]":
    """Have the listing of all findings written there; return how that ended."""
    command = [sys.executable, "-P", "-m", "carpool", "explain"]
    return subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=False)


def test_a_reader_that_has_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as left:
        listing = list_into(left)
    assert listing.stderr == b""
    assert listing.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        listing = list_into(full)
    assert listing.stderr == b"carpool explain: cannot write: No space left on device\n"
    assert listing.returncode == 2


def test_closed_standard_files_are_no_error() -> None:
    command = f"exec {sys.executable} -P -m carpool"
    for words, code in (("explain >&-", 0), ("--help <&- >&- 2>&-", 0), ("nonsense 2>&-", 2)):
        shell = ["/bin/sh", "-c", f"{command} {words}"]
        done = subprocess.run(shell, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what the command line says, on standard output and then standard error."""
    monkeypatch.setattr(sys, "argv", ["carpool", *words])
    with suppress(SystemExit):
        cli.main()
    return "".join(capsys.readouterr())


def test_help_is_a_word_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*words: str) -> str:
        return said(monkeypatch, capsys, *words)

    assert told("help") == told() == told("--help") == told("-h") == told("help", "help")
    assert told("help", "yield") == told("yield", "--help")
    assert told("help", "lab", "run") == told("lab", "run", "--help")
    assert told("help", "yeild").endswith("there is no command 'yeild'; did you mean yield?\n")
    assert told("version") == told("--version") == f"carpool {__version__}\n"


@pytest.mark.parametrize("ignored", [False, True])
def test_an_interrupt_is_not_lost_in_an_import(
    monkeypatch: pytest.MonkeyPatch, *, ignored: bool
) -> None:
    seen = []

    def import_module(name: str) -> SimpleNamespace:
        seen.append(signal.getsignal(signal.SIGINT))
        return SimpleNamespace(main=main)

    def main(arguments: list[str]) -> int:
        seen.append(signal.getsignal(signal.SIGINT))
        return 0

    monkeypatch.setattr(cli, "import_module", import_module)
    monkeypatch.setattr(sys, "argv", ["carpool", "explain"])
    usual = signal.SIG_IGN if ignored else signal.default_int_handler
    before = signal.signal(signal.SIGINT, usual)
    try:
        assert cli.main() == 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [usual if ignored else signal.SIG_DFL, usual]


def test_a_file_whose_name_is_not_utf_8_is_told_by_the_daemon(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "carpool", "run", b"web\xff.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("web\\udcff.toml: error: cannot be read: No such file")
    assert "Traceback" not in done.stderr
