"""The other end of the control socket: asks a daemon of this host, and waits for its answer."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from carpool.node.control import VERSION
from carpool.node.rundir import nodes_in

_CHUNK = 65536
_PAUSE_SECONDS = 0.02
_MOST_BYTES = 16 << 20  # of an answer: no daemon has so many groups
_START = "; start one by its service, or with: carpool run FILE"


class NotRunningError(Exception):
    """No daemon answers there: it has not been started, or has ended."""


class AskError(Exception):
    """A daemon that cannot be asked; the text says why."""


class RefusedError(AskError):
    """A daemon that says no; the text is its reason."""


class Connection:
    """A connection to one daemon. A context manager."""

    def __init__(self, path: Path, seconds: float = 10.0) -> None:
        """Connect; each answer may take `seconds`. Raises NotRunningError and AskError."""
        self._seconds = seconds
        self._rest = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(seconds)
        try:
            self._connect(str(path), time.monotonic() + seconds)
        except (FileNotFoundError, ConnectionRefusedError):
            self._socket.close()
            raise NotRunningError(f"no daemon listens at {path}") from None
        except OSError as error:
            self._socket.close()
            raise AskError(f"{path}: {error.strerror or error}") from None

    def _connect(self, path: str, deadline: float) -> None:
        """Connect, as soon as the daemon has room for one more."""
        while True:
            try:
                self._socket.connect(path)
            except BlockingIOError:  # So many wait to be let in: Linux says so at once.
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def hang_up(self) -> None:
        """End a wait for what the daemon says; from any thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def ask(self, command: str, seconds: float | None = None, **arguments: Any) -> dict[str, Any]:
        """Return the answer to a command, which may take `seconds`. Raises AskError.

        RefusedError, which is one, if the daemon says no.
        """
        request = {"version": VERSION, "command": command, **arguments}
        deadline = time.monotonic() + (seconds or self._seconds)
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(self._line(deadline))
        except TimeoutError:
            raise AskError("the daemon does not answer: is it frozen?") from None
        except (OSError, ValueError) as error:
            raise AskError(f"the daemon breaks off: {error}") from None
        if not isinstance(answer, dict) or answer.get("version") != VERSION:
            raise AskError("the daemon speaks another version; use the carpool that it runs")
        if not answer.get("ok"):
            raise RefusedError(str(answer.get("error")))
        return answer

    def stream(self, seconds: float | None = None) -> Iterator[dict[str, Any]]:
        """Yield what follows an answer. Raises AskError when it breaks.

        Each line may take `seconds`; without them, as long as it likes.
        """
        while True:
            deadline = None if seconds is None else time.monotonic() + seconds
            try:
                document = json.loads(self._line(deadline))
            except TimeoutError:
                raise AskError("the daemon does not answer: is it frozen?") from None
            except (OSError, ValueError) as error:
                raise AskError(f"the daemon breaks off: {error}") from None
            if not isinstance(document, dict):
                raise AskError("the daemon speaks another version; use the carpool that it runs")
            yield document

    def _line(self, deadline: float | None) -> bytes:
        while b"\n" not in self._rest:
            left = None if deadline is None else max(0.001, deadline - time.monotonic())
            self._socket.settimeout(left)
            data = self._socket.recv(_CHUNK)
            if not data:
                raise ConnectionError("it hung up")
            self._rest += data
            if len(self._rest) > _MOST_BYTES:
                raise ConnectionError("it does not end")
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def find(directories: Sequence[Path], node: str | None) -> dict[str, Path]:
    """Return the sockets to ask, by node: that of `node`, or of each daemon that runs here.

    Raises NotRunningError if there is none, and AskError for a directory that may not be read.
    """
    places = " or ".join(map(str, directories))
    try:
        there = nodes_in(directories)
    except PermissionError as error:
        raise AskError(f"{error.filename}: {error.strerror}; ask as root") from None
    if node is not None:
        if node not in there:
            others = f"; here run {', '.join(there)}" if there else _START
            raise NotRunningError(f"no daemon of node {node} has a socket in {places}{others}")
        return {node: there[node]}
    if not there:
        raise NotRunningError(f"no daemon has a socket in {places}{_START}")
    return there
