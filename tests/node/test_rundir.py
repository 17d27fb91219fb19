"""The run directory: who may use it, and whose node it is."""

import os
import signal
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from carpool.node.rundir import (
    AlreadyRunningError,
    RunDirectoryError,
    adopt,
    claim,
    default_run_directories,
    nodes_in,
    socket_path,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="carpool-") as made:
        yield Path(made)


def can_connect(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def test_only_its_owner_can_come_near(folder: Path) -> None:
    directory = folder / "a" / "run"
    claimed = claim([directory], "left")
    path = socket_path(directory, "left")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert can_connect(path)
    assert nodes_in([folder / "none", directory]) == {"left": path}
    claimed.release()
    assert not path.exists()


def test_a_directory_that_is_too_open_is_closed(folder: Path) -> None:
    directory = folder / "run"
    directory.mkdir(mode=0o755)
    claim([directory], "left").release()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_second_daemon_is_refused_and_told_of_the_first(folder: Path) -> None:
    claimed = claim([folder / "run"], "left")
    with pytest.raises(AlreadyRunningError, match=rf"process {os.getpid()} runs node left"):
        claim([folder / "run"], "left")
    assert can_connect(socket_path(folder / "run", "left"))
    claim([folder / "run"], "right").release()
    claimed.release()
    claim([folder / "run"], "left").release()


def test_a_disk_without_room_for_a_process_id_is_no_obstacle(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    claimed = claim([folder / "run", folder / "other"], "left")
    assert claimed.directory == folder / "run"
    with pytest.raises(AlreadyRunningError, match="process unknown runs node left"):
        claim([folder / "run"], "left")
    claimed.release()


def test_what_a_killed_daemon_left_is_replaced(folder: Path) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        claim([folder / "run"], "left")
        os.write(writer, b"!")
        signal.pause()
    os.read(reader, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    path = socket_path(folder / "run", "left")
    assert path.exists()
    assert not can_connect(path)
    claimed = claim([folder / "run"], "left")
    assert can_connect(path)
    claimed.release()
    os.close(reader)
    os.close(writer)


def test_the_first_directory_that_can_be_used_is(folder: Path) -> None:
    (folder / "file").touch()
    claimed = claim([folder / "file", folder / "run"], "left")
    assert claimed.directory == folder / "run"
    claimed.release()
    with pytest.raises(RunDirectoryError, match=r"file: .*; .*: .*too long"):
        claim([folder / "file", folder / ("long" * 30)], "left")


def test_a_directory_of_another_user_is_not_trusted(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make one")
    directory = folder / "run"
    directory.mkdir()
    os.chown(directory, 65534, 65534)
    with pytest.raises(RunDirectoryError, match="belongs to another user"):
        claim([directory], "left")


def test_a_claim_is_adopted_by_its_descriptors(folder: Path) -> None:
    first = claim([folder / "run"], "left")
    adopted = adopt(first.directory, "left", first.listener.detach(), first.lock)
    assert not adopted.listener.getblocking()
    with pytest.raises(AlreadyRunningError):
        claim([folder / "run"], "left")
    assert can_connect(socket_path(folder / "run", "left"))
    adopted.release()


def test_systemd_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/a:/run/b")
    assert default_run_directories() == [Path("/run/a")]
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    assert default_run_directories()[0].name == "carpool"
