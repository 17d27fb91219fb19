import os
import subprocess
import sys
from pathlib import Path

import pytest

from carpool.cli.ucarp_secret import without_passwords

SECRET = "s3cret w0rd"

PROGRAM = """
import sys
from carpool.cli.ucarp_secret import hide_password

hide_password(sys.argv[2:], sys.orig_argv)

from carpool.cli.ucarp_options import parse

parsed = parse(sys.argv[2:])
print("ready", flush=True)
sys.stdin.readline()
if parsed.options:
    print(parsed.options.password, parsed.options.preempt, parsed.options.xparam)
print(*parsed.errors, sep="\\n")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def run(program: Path, *arguments: str) -> tuple[bytes, bytes, int, str]:
    """Return what anybody can read of a running process, its descriptors, and what it prints."""
    required = ["-s", "10.0.0.1", "-v", "1", "-a", "10.0.0.9"]
    with subprocess.Popen(
        [sys.executable, "-I", str(program), "ucarp", *required, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        proc = Path(f"/proc/{process.pid}")
        command_line = (proc / "cmdline").read_bytes()
        environment = (proc / "environ").read_bytes()
        descriptors = len(list((proc / "fd").iterdir()))
        output, _ = process.communicate("\n", timeout=20)
    return command_line, environment, descriptors, output


@pytest.mark.parametrize(
    "spelling",
    [
        ["-p", SECRET],
        [f"-p{SECRET}"],
        [f"-PDp{SECRET}"],
        ["-PDp", SECRET],
        ["--pass", SECRET],
        [f"--pass={SECRET}"],
        ["-p", SECRET + " old", "--pass", SECRET],
    ],
)
def test_no_spelling_of_a_password_shows_in_ps(program: Path, spelling: list[str]) -> None:
    command_line, environment, descriptors, output = run(program, *spelling, "-P", "-x", "-p")
    assert b"s3cret" not in command_line + environment
    assert b"--passfile=/dev/fd/" in command_line
    assert command_line.startswith(os.fsencode(sys.executable) + b"\0-I\0")
    assert command_line.endswith(b"\0-P\0-x\0-p\0")
    assert output == f"{SECRET.encode()!r} True -p\n\n"
    assert descriptors == 3, "the pipe is closed once it has been read"


def test_a_password_that_is_not_text_survives(program: Path) -> None:
    output = run(program, os.fsdecode(b"-p\xff\xfe"))[3]
    assert output == r"b'\xff\xfe' False None" + "\n\n"


def test_without_a_password_nothing_is_started_again(program: Path, tmp_path: Path) -> None:
    passfile = tmp_path / "passfile"
    passfile.write_text(SECRET)
    passfile.chmod(0o600)
    command_line, _, _, output = run(program, f"--passfile={passfile}")
    assert command_line.endswith(b"\0" + os.fsencode(f"--passfile={passfile}") + b"\0")
    assert output.startswith(repr(SECRET.encode()))


def test_a_password_that_no_node_can_use_is_refused_and_not_repeated(program: Path) -> None:
    output = run(program, "-p", "s3cret" * 4)[3]
    assert "the password has 24 bytes" in output
    assert "s3cret" not in output


@pytest.mark.parametrize(
    ("words", "hidden"),
    [
        (["-p", "a", "-v", "1"], ["--passfile=/dev/fd/7", "-v", "1"]),
        (["-v", "1", "-Pzpa"], ["-v", "1", "-Pz", "--passfile=/dev/fd/7"]),
        (["@file", "--pass=a", "x"], ["@file", "--passfile=/dev/fd/7", "x"]),
        (["-p", "a", "-pb"], ["--passfile=/dev/fd/7", "--passfile=/dev/fd/8"]),
        (["-x", "-p", "a", "--", "-p", "b"], ["-x", "-p", "a", "--", "-p", "b"]),
        (["--passfile=-p", "-o", "-p", "-i-p"], ["--passfile=-p", "-o", "-p", "-i-p"]),
        (["-p", ""], ["-p", ""]),
    ],
)
def test_only_passwords_are_replaced(words: list[str], hidden: list[str]) -> None:
    count = sum(word.startswith("--passfile=/dev/fd") for word in hidden)
    assert without_passwords(words, range(7, 7 + count)) == hidden
