from __future__ import annotations

import os
from pathlib import Path

import pytest

from carpool.cluster.password import PasswordError, is_stream, read_password


def key_file(directory: Path, content: bytes, mode: int = 0o600) -> Path:
    path = directory / "www.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"secret\n", b"secret"),
        (b"secret", b"secret"),
        (b"first\nsecond\n\0", b"first"),
        (b"with blanks \n", b"with blanks "),
        (b"x" * 20, b"x" * 20),
        (b"x" * 20 + b"\n" + b"y" * 5000, b"x" * 20),
        ("ü\n".encode(), "ü".encode()),
    ],
)
def test_the_first_line(tmp_path: Path, content: bytes, password: bytes) -> None:
    assert read_password(key_file(tmp_path, content)) == password


@pytest.mark.parametrize(
    ("content", "code", "problem"),
    [
        (b"", "CP303", "empty"),
        (b"\nsecret", "CP303", "empty"),
        (b"secret" * 4, "CP303", "longer than 20 bytes"),
        (b"secret" * 4000, "CP303", "longer than 20 bytes"),
        (b"sec\0ret\n", "CP303", "NUL"),
    ],
)
def test_unusable_content(tmp_path: Path, content: bytes, code: str, problem: str) -> None:
    path = key_file(tmp_path, content)
    with pytest.raises(PasswordError, match=problem) as caught:
        read_password(path)
    assert caught.value.rule.code == code
    assert str(path) in str(caught.value)
    assert "sec" not in str(caught.value).replace(str(path), "")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o666])
def test_open_to_everybody(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, b"secret\n", mode)
    with pytest.raises(PasswordError, match="every user") as caught:
        read_password(path)
    assert caught.value.rule.code == "CP302"
    assert caught.value.mend == f"run: chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o640, 0o660, 0o400])
def test_the_group_may_read(tmp_path: Path, mode: int) -> None:
    assert read_password(key_file(tmp_path, b"secret\n", mode)) == b"secret"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (".", "is a directory"),
        ("none", "does not exist"),
        ("www.key/none", "Not a directory"),
        ("n" * 300, "File name too long"),
        ("a\0b", "null byte"),
    ],
)
def test_unreadable(tmp_path: Path, name: str, problem: str) -> None:
    path = key_file(tmp_path, b"secret\n").parent / name
    assert not is_stream(path)
    with pytest.raises(PasswordError, match=problem) as caught:
        read_password(path)
    assert caught.value.rule.code == "CP301"
    assert caught.value.mend


def test_a_named_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o666)
    assert is_stream(path)
    # Read and write, so that neither end waits for the other.
    fd = os.open(path, os.O_RDWR)
    try:
        os.write(fd, b"secret\n")
        assert read_password(path) == b"secret"
    finally:
        os.close(fd)


def test_an_inherited_pipe() -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"secret\n")
        assert read_password(Path(f"/dev/fd/{reader}")) == b"secret"
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs memfd_create")
def test_an_inherited_file_has_no_mode_that_counts() -> None:
    fd = os.memfd_create("key")
    try:
        os.write(fd, b"secret\n")
        assert read_password(Path(f"/dev/fd/{fd}")) == b"secret"
    finally:
        os.close(fd)
