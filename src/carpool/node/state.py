"""What must survive a restart of the daemon: a directory of small files that only it can read."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from carpool.node.log import Log

DEFAULT = Path("/var/lib/carpool")


def default_state_directory() -> Path:
    """Return systemd's StateDirectory= if it made one, else /var/lib/carpool."""
    return Path(os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or DEFAULT)


class StateDirectory:
    """A directory of mode 0700. Nodes may share one: put the node's name into a file's name."""

    def __init__(self, path: Path) -> None:
        """Use the directory at `path`, made if it is missing. Raises OSError if it cannot be."""
        self.path = path.absolute()
        with suppress(FileExistsError):
            self.path.mkdir(mode=0o700, parents=True)
        status = self.path.stat()
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if status.st_uid not in {0, os.geteuid()} or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(errno.EPERM, "others than carpool can write to it")
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def read(self, name: str, limit: int = 65536) -> bytes | None:
        """Return the first `limit` bytes of a file, None if there is none. Raises OSError."""
        try:
            with (self.path / name).open("rb") as file:
                return file.read(limit)
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Replace a file as a whole, or not at all. Raises OSError."""
        new = self.path / f"{name}.new"
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        new.replace(self.path / name)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there. Raises OSError."""
        (self.path / name).unlink(missing_ok=True)


def open_state_directory(path: Path, log: Log) -> StateDirectory | None:
    """Open the directory, or warn, once, that there will be no memory of this run."""
    try:
        return StateDirectory(path)
    except OSError as error:
        log.warning(
            f"cannot keep state in {path}: {error.strerror}; a restart will forget which "
            "advertisements were heard. Make a directory of mode 0700, or name one: --state-dir"
        )
        return None
