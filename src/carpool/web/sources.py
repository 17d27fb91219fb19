"""Where a page gets its news: daemons of this machine, over their control sockets.

A source blocks the thread that asks it. `carpool.web.zones` has the daemons in zones, over SSH.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from carpool.node.client import AskError, Connection, NotRunningError, RefusedError
from carpool.node.rundir import nodes_in

_SECONDS = 5.0
_LAB = Path("dev/shm/run")  # carpool.lab.namespaces.private_folder, and ClusterLab.run_directory


class SourceError(Exception):
    """A node that cannot be asked; the text says why. `gone`: no daemon runs there."""

    def __init__(self, text: str, *, gone: bool = False) -> None:
        super().__init__(text)
        self.gone = gone


class RefusalError(SourceError):
    """A node that says no; the text is its reason."""


class Source(Protocol):
    """One daemon, wherever it runs."""

    node: str
    place: str
    """Where it is asked, for people."""
    pause: float
    """Seconds between questions; events do not wait for it."""

    def ask(self) -> Mapping[str, Any]:
        """Return its status, as the control socket tells it. Raises SourceError."""
        ...

    def act(self, command: str, arguments: Mapping[str, Any]) -> None:
        """Tell it to do something, as the control socket takes it. Raises SourceError."""
        ...

    def follow(self) -> Iterator[Mapping[str, Any] | None]:
        """Yield its events, those that it has kept first, then None, then what happens.

        Raises SourceError when that ends, also because of `close`.
        """
        ...

    def close(self) -> None:
        """Let what waits end soon; from any thread."""
        ...


class SocketSource:
    """A daemon of this machine."""

    pause = 1.0

    def __init__(self, node: str, path: Path) -> None:
        self.node = node
        self.place = str(path)
        self._path = path
        self._connection: Connection | None = None
        self._epoch: str | None = None
        self._last: int | None = None

    def ask(self) -> Mapping[str, Any]:
        """Return its status; see Source."""
        return self._ask("status", {})

    def act(self, command: str, arguments: Mapping[str, Any]) -> None:
        """Tell it to do something; see Source."""
        self._ask(command, arguments)

    def follow(self) -> Iterator[Mapping[str, Any] | None]:
        """Yield its events; see Source."""
        try:
            with Connection(self._path, _SECONDS) as connection:
                self._connection = connection
                head = connection.ask("events", since=self._last, epoch=self._epoch, follow=True)
                self._epoch, last = head["epoch"], head["last"]
                if head["anew"]:
                    self._last = None
                caught_up = (self._last or 0) >= last
                if caught_up:
                    yield None
                for event in connection.stream():
                    if "seq" not in event:
                        continue
                    self._last = event["seq"]
                    yield event
                    if not caught_up and event["seq"] >= last:
                        caught_up = True
                        yield None
        except NotRunningError:
            raise SourceError("no daemon runs there", gone=True) from None
        except AskError as error:
            raise SourceError(str(error)) from None
        finally:
            self._connection = None

    def close(self) -> None:
        """Hang up, under the feet of the thread that follows."""
        if self._connection is not None:
            self._connection.hang_up()

    def _ask(self, command: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            with Connection(self._path, _SECONDS) as connection:
                return connection.ask(command, **arguments)
        except NotRunningError:
            raise SourceError("no daemon runs there", gone=True) from None
        except RefusedError as error:
            raise RefusalError(str(error)) from None
        except AskError as error:
            raise SourceError(str(error)) from None


def local_sockets(directories: Iterable[Path]) -> dict[str, Path]:
    """Return the sockets of daemons in these directories, by node.

    Raises SourceError for a directory that may not be read.
    """
    try:
        return nodes_in(directories)
    except PermissionError as error:
        raise SourceError(f"{error.filename}: {error.strerror}; run it as root") from None


def lab_directories(proc: Path = Path("/proc")) -> Sequence[Path]:
    """Return where daemons of running labs have their sockets: a directory for each zone.

    A lab has its files in a file system that it sees alone; its processes lead there.
    """
    ours = _mounts(proc / "self")
    found: dict[str, list[Path]] = {}
    # By number: the lab itself, which lasts, is older than its zones' daemons.
    for process in sorted(proc.glob("[0-9]*"), key=lambda process: int(process.name)):
        mounts = _mounts(process)
        if mounts in (None, ours) or mounts in found:
            continue
        directory = process / "root" / _LAB
        with suppress(OSError):
            if zones := sorted({entry.parent for entry in directory.glob("*/*.sock")}):
                found[mounts or ""] = zones
    return [zone for zones in found.values() for zone in zones]


def _mounts(process: Path) -> str | None:
    try:
        return str((process / "ns" / "mnt").readlink())
    except OSError:
        return None
