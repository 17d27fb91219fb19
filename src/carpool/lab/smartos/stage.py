"""The process behind the stand-in commands of one zone, global or not: its first process.

It waits for events, and forks a worker for each command that is called; the worker is in the
zone's namespaces and has all modules loaded already.
"""

import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

SOCKET: Final = Path("/.lab/stage")
LOG: Final = 3
"""The descriptor of the hypervisor's log, in its first process and in all that are forked of it."""

_BACKLOG: Final = 128
_READ_BYTES: Final = 65536
_CREDENTIALS: Final = struct.Struct("=iII")  # process, user, group: SO_PEERCRED, unix(7)

Command: TypeAlias = Callable[[Sequence[str]], int]


class CommandError(Exception):
    """A stand-in command fails; the text is what it says, after its name."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class Stage:
    """An event loop: files to watch, and commands to run for those who call them."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        """Listen for callers of `commands`, which are by their paths."""
        self._commands = {Path(path).name: command for path, command in commands.items()}
        self._watched: dict[int, Callable[[], None]] = {}
        self._poll = select.poll()
        self._listener = socket.socket(socket.AF_UNIX)
        SOCKET.unlink(missing_ok=True)
        self._listener.bind(str(SOCKET))
        SOCKET.chmod(0o666)
        self._listener.listen(_BACKLOG)
        self.watch(self._listener.fileno(), self._accept)

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call back whenever the file has something to read, or has ended."""
        self._watched[fd] = callback
        self._poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        """Watch the file no longer."""
        del self._watched[fd]
        self._poll.unregister(fd)

    def turn(self, deadline: int | None) -> None:
        """Wait for events until the deadline (ns; None: none) and call back; bury the dead."""
        seconds = 1.0 if deadline is None else max(0, deadline - time.monotonic_ns()) / 1e9
        # Nobody tells of a death in time to wake poll, but the dead can wait for a second.
        for fd, _ in self._poll.poll(min(seconds, 1.0) * 1000 + 1):
            if fd in self._watched:
                self._watched[fd]()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def _accept(self) -> None:
        caller, _ = self._listener.accept()
        with caller:
            if os.fork() == 0:
                worker(lambda: _serve(caller, self._commands))


def keep_only(*fds: int) -> list[int]:
    """Close all descriptors but these and the log's, which is the standard output from now on.

    Return what `fds` are called now.
    """
    safe = [os.dup(fd) for fd in fds]  # off the numbers that they are to have
    for number, fd in enumerate((os.open(os.devnull, os.O_RDWR), LOG, LOG, LOG)):
        os.dup2(fd, number)
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 512) for fd in safe]
    os.closerange(LOG + 1, 512)
    kept = [os.dup(fd) for fd in high]
    os.closerange(512, 1 << 16)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    return kept


def worker(main: Callable[[], int]) -> NoReturn:
    """End this forked process with the status of `main`, whatever it raises, and never return."""
    status = 1
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        status = main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  nothing may return into the caller's frames, twice run
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)


def _serve(caller: socket.socket, commands: Mapping[str, Command]) -> int:
    where, name, *words = _read(caller)
    _, user, group = _CREDENTIALS.unpack(
        caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    if user:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    with suppress(OSError):
        os.chdir(where)
    name = Path(name).name
    sys.stdin = os.fdopen(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    code = 1
    try:
        code = commands[name](words)
    except CommandError as error:
        print(f"{name}: {error}", file=sys.stderr)
        code = error.code
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except OSError as error:
        print(f"{name}: {error.filename or ''}: {error.strerror}", file=sys.stderr)
    except Exception:  # noqa: BLE001  a mistake of the lab's: the caller sees it, and so do we
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        with suppress(OSError):
            caller.send(bytes([code & 0xFF]))
    return 0


def _read(caller: socket.socket) -> list[str]:
    """Return the words of the call, and make the caller's standard files our own."""
    files = array("i")
    data, ancillary, _, _ = caller.recvmsg(_READ_BYTES, socket.CMSG_SPACE(3 * files.itemsize))
    for _, _, content in ancillary:
        files.frombytes(content)
    while more := caller.recv(_READ_BYTES):
        data += more
    for number, fd in enumerate(files):
        os.dup2(fd, number)
        os.close(fd)
    return data.decode("utf-8", "surrogateescape").split("\0")
