"""The bytecode that one start of the archive leaves to the next, and when it is not used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.program import built

from carpool.cli import bytecode
from carpool.node import state

START = """
import sys
archive = sys.argv[1]
sys.path.insert(0, archive)
from carpool.cli import bytecode
bytecode.use(archive)
import carpool.cluster.load
print(*bytecode.compiled)
sys.stdout.flush()
sys.stdout.buffer.write(bytecode.to_keep() or b"")
"""


class Place:
    """An archive and a state directory."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.archive = folder / "carpool.pyz"
        self.archive.write_bytes(built())
        self.file = folder / bytecode.NAME

    def start(self) -> tuple[list[str], bytes]:
        """Import as a daemon does; return what had to be compiled, and what is to be kept."""
        done = subprocess.run(
            [sys.executable, "-IS", "-W", "error", "-c", START, str(self.archive)],
            env={"STATE_DIRECTORY": str(self.file.parent)},
            capture_output=True,
            check=True,
        )
        compiled, _, kept = done.stdout.partition(b"\n")
        return compiled.decode().split(), kept

    def keep(self, content: bytes) -> None:
        self.file.touch(mode=0o600)
        self.file.write_bytes(content)


def used(folder: Path) -> Place:
    """Return a place where a start has left its bytecode."""
    place = Place(folder)
    compiled, kept = place.start()
    assert "carpool.cluster.load" in compiled
    place.keep(kept)
    return place


def test_what_was_kept_is_not_compiled_again(tmp_path: Path) -> None:
    assert used(tmp_path).start() == ([], b"")


def damage(place: Place) -> None:
    content = place.file.read_bytes()
    place.keep(content[:-1] + bytes([content[-1] ^ 1]))


def cut(place: Place) -> None:
    place.keep(place.file.read_bytes()[:-1000])


def replace_archive(place: Place) -> None:
    status = place.archive.stat()
    os.utime(place.archive, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def let_others_write(place: Place) -> None:
    place.file.chmod(0o620)


def give_away(place: Place) -> None:
    if os.geteuid() == 0:
        os.chown(place.file, 65534, 65534)
    else:  # Only root gives files away.
        place.file.unlink()


def link(place: Place) -> None:
    place.file.rename(place.file.with_name("elsewhere"))
    place.file.symlink_to("elsewhere")


def pipe(place: Place) -> None:
    place.file.unlink()
    os.mkfifo(place.file, 0o600)


SPOILS = (damage, cut, replace_archive, let_others_write, give_away, link, pipe)


def test_what_is_not_surely_ours_is_as_good_as_nothing(tmp_path: Path) -> None:
    for spoil in SPOILS:
        place = used(tmp_path / spoil.__name__)
        spoil(place)
        compiled, kept = place.start()
        assert "carpool.cluster.load" in compiled, spoil.__name__
        assert kept, spoil.__name__


def test_it_is_kept_where_the_daemon_keeps_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    for given in (None, "/run/one", "/run/one:/run/two"):
        monkeypatch.delenv("STATE_DIRECTORY", raising=False)
        if given is not None:
            monkeypatch.setenv("STATE_DIRECTORY", given)
        assert Path(bytecode.directory()) == state.default_state_directory()
