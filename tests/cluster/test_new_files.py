from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from carpool.cluster.new_files import CannotWriteError, write_files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0])
def test_passwords_are_closed(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        keys = {tmp_path / "a.key": b"one", tmp_path / "b.key": b"two"}
        write_files("text\n", tmp_path / "a.toml", keys, force=False)
    finally:
        os.umask(before)
    assert [(path.name, path.read_text(), mode(path)) for path in sorted(tmp_path.iterdir())] == [
        ("a.key", "one\n", 0o600),
        ("a.toml", "text\n", 0o644 & ~mask),
        ("b.key", "two\n", 0o600),
    ]


@pytest.mark.parametrize("existing", ["a.key", "a.toml"])
def test_all_or_nothing(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).symlink_to(tmp_path / "nowhere")
    with pytest.raises(CannotWriteError, match=f"{existing}: exists already; .*--force"):
        write_files("text", tmp_path / "a.toml", {tmp_path / "a.key": b"one"}, force=False)
    assert [path.name for path in tmp_path.iterdir()] == [existing]


def test_force_replaces_what_there_is(tmp_path: Path) -> None:
    """An open file is replaced, not filled; what a link leads to is left alone."""
    other = tmp_path / "other"
    other.write_text("old")
    (tmp_path / "a.toml").symlink_to(other)
    (tmp_path / "a.key").write_text("old")
    (tmp_path / "a.key").chmod(0o666)
    write_files("text", tmp_path / "a.toml", {tmp_path / "a.key": b"one"}, force=True)
    assert other.read_text() == "old"
    assert (tmp_path / "a.toml").read_text() == "text"
    assert not (tmp_path / "a.toml").is_symlink()
    assert mode(tmp_path / "a.key") == 0o600
    assert len(list(tmp_path.iterdir())) == 3


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(CannotWriteError, match="No such file or directory; "):
        write_files("text", tmp_path / "none" / "a.toml", {}, force=False)
