"""Where a daemon of this host can be reached: a directory with a socket and a lock for each node.

NODE.sock is what `carpool status` and its like connect to. NODE.lock is held as long as the daemon
lives, over an `exec` too, and tells a socket that a killed daemon left from one that is in use.
"""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LONGEST_PATH = 103  # bytes: sun_path of the BSDs and macOS, with a zero byte; Linux has 108
_BACKLOG = 64
"""Clients that wait to be let in, while there are too many: in the order in which they came."""
_FALLBACK = Path("/var/lib/carpool/run")


class RunDirectoryError(Exception):
    """A directory that cannot be used; the text says why and how to mend it."""


class AlreadyRunningError(Exception):
    """Another daemon runs the same node; the text says which."""


def default_run_directories() -> list[Path]:
    """Return where a daemon puts its socket, the first it may write to, and where clients look.

    That is systemd's RuntimeDirectory= if it made one, else /run/carpool, or /var/run/carpool
    where there is no /run. A daemon that is not root may have no more than its state directory.
    """
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    if given:
        return [Path(given)]
    run = Path("/run") if Path("/run").is_dir() else Path("/var/run")
    return [run / "carpool", _FALLBACK]


def socket_path(directory: Path, node: str) -> Path:
    """Return the path of a node's socket."""
    return directory / f"{node}.sock"


def nodes_in(directories: Iterable[Path]) -> dict[str, Path]:
    """Return the sockets in these directories by node, also those of daemons that were killed.

    Raises PermissionError for a directory that we may not read.
    """
    found: dict[str, Path] = {}
    for directory in directories:
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in sorted(directory.iterdir()):
                if path.suffix == ".sock":
                    found.setdefault(path.stem, path)
    return found


@dataclass(frozen=True, slots=True)
class Claim:
    """What a daemon holds: its listening socket, which does not block, and its lock."""

    directory: Path
    node: str
    listener: socket.socket
    lock: int

    def sign(self) -> None:
        """Write our process id into the lock, for whoever finds it taken, if the disk has room."""
        with suppress(OSError):
            os.ftruncate(self.lock, 0)
            os.pwrite(self.lock, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Remove the socket and let go of the lock."""
        with suppress(OSError):
            socket_path(self.directory, self.node).unlink()
        self.listener.close()
        os.close(self.lock)


def claim(directories: Sequence[Path], node: str) -> Claim:
    """Claim `node` in the first of these directories that can be used.

    Raises AlreadyRunningError, and RunDirectoryError if none can be used.
    """
    problems = []
    for directory in directories:
        try:
            return _claim(directory.absolute(), node)
        except OSError as error:
            problems.append(f"{directory}: {error.strerror or error}")
    raise RunDirectoryError("; ".join(problems))


def adopt(directory: Path, node: str, listener: int, lock: int) -> Claim:
    """Return the claim that this process held before it replaced its program. Raises OSError."""
    for fd in (listener, lock):
        os.set_inheritable(fd, False)
    adopted = socket.socket(fileno=listener)
    adopted.setblocking(False)
    return Claim(directory, node, adopted, lock)


def _claim(directory: Path, node: str) -> Claim:
    path = socket_path(directory, node)
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, f"{path} is too long for a socket")
    _make(directory)
    lock = _lock(directory, node)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)  # we hold the lock: a killed daemon left it
        listener.bind(os.fspath(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        os.close(lock)
        raise
    claimed = Claim(directory, node, listener, lock)
    claimed.sign()
    return claimed


def _make(directory: Path) -> None:
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700, parents=True)
    status = directory.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if status.st_uid not in {0, os.geteuid()}:
        raise PermissionError(errno.EPERM, "it belongs to another user")
    if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != 0o700:
        directory.chmod(0o700)


def _lock(directory: Path, node: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    lock = os.open(directory / f"{node}.lock", flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 32, 0).decode(errors="replace").strip()
        os.close(lock)
        raise AlreadyRunningError(
            f"process {owner or 'unknown'} runs node {node} on this host already; stop it first, "
            "or give this one a directory of its own with --run-dir"
        ) from None
    except OSError:
        os.close(lock)
        raise
    return lock
