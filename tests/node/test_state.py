"""The directory for what survives a restart."""

import stat
from pathlib import Path

import pytest
from tests.support.written import Written

from carpool.node.log import Level, Log
from carpool.node.state import StateDirectory, default_state_directory, open_state_directory


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    made = StateDirectory(tmp_path / "var" / "carpool")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o700
    made.write("node.mode", b"secret")
    assert stat.S_IMODE((made.path / "node.mode").stat().st_mode) == 0o600


def test_what_is_written_is_there_for_the_next(tmp_path: Path) -> None:
    StateDirectory(tmp_path / "state").write("file", b"first")
    again = StateDirectory(tmp_path / "state")
    assert again.read("file") == b"first"
    again.write("file", b"second")
    assert again.read("file") == b"second"
    assert again.read("file", limit=3) == b"sec"
    assert [one.name for one in again.path.iterdir()] == ["file"]
    again.remove("file")
    again.remove("file")
    assert again.read("file") is None


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    (state.path / "file.new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        state.write("file", b"x")
    assert not (tmp_path / "elsewhere").exists()


def test_one_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    with pytest.raises(PermissionError, match="others than carpool"):
        StateDirectory(tmp_path / "state")


@pytest.mark.parametrize("kind", ["a file", "below a file"])
def test_without_one_there_is_a_warning_and_no_more(
    tmp_path: Path, lines: Written, kind: str
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" if kind == "a file" else tmp_path / "file" / "state"
    assert open_state_directory(path, Log(lines)) is None
    [(level, text)] = lines
    assert level is Level.WARNING
    assert text.startswith(f"cannot keep state in {path}: Not a directory; ")
    assert "--state-dir" in text


def test_the_default_is_systemds_if_it_made_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert default_state_directory() == Path("/var/lib/carpool")
    monkeypatch.setenv("STATE_DIRECTORY", "/srv/state:/srv/other")
    assert default_state_directory() == Path("/srv/state")
