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

from carpool.lab.smartos import faults

SOCKET: Final = Path("/.lab/stage")
LOG: Final = 3
"""The descriptor of the hypervisor's log, in its first process and in all that are forked of it."""

_BACKLOG: Final = 128
_READ_BYTES: Final = 65536
_CREDENTIALS: Final = struct.Struct("=iII")  # process, user, group: SO_PEERCRED, unix(7)

_caller: list[socket.socket] = []
"""In a worker: the connection with whom it works for."""

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
        self._deaths, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.watch(self._deaths, self._bury)

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        """Call back whenever the file has something to read, or has ended."""
        self._watched[fd] = callback
        self._poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        """Watch the file no longer."""
        del self._watched[fd]
        self._poll.unregister(fd)

    def turn(self, deadline: int | None) -> None:
        """Wait for events until the deadline (ns; None: none) and call back."""
        patience = None if deadline is None else max(0, deadline - time.monotonic_ns()) / 1e6 + 1
        for fd, _ in self._poll.poll(patience):
            if fd in self._watched:
                self._watched[fd]()

    def _bury(self) -> None:
        """Wait for the children that ended, and for the orphans that came to us."""
        os.read(self._deaths, _READ_BYTES)
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


def caller_has(capability: int) -> bool:
    """Return, for a command, whether its caller has a capability in effect (as root does)."""
    process, _, _ = _credentials(_caller[0])
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> capability & 1)
    return False


def wait_for(child: int) -> int:
    """Wait, for a command, for a child of it, and return its status, as a shell's `$?`.

    If the caller goes away meanwhile, the child is killed.
    """
    poll = select.poll()
    end = os.pidfd_open(child)
    poll.register(end, select.POLLIN)
    poll.register(_caller[0], 0)  # tells when the other side is closed
    while end not in dict(poll.poll()):
        os.kill(child, signal.SIGKILL)
        poll.unregister(_caller[0])
    os.close(end)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def worker(main: Callable[[], int]) -> NoReturn:
    """End this forked process with the status of `main`, whatever it raises, and never return."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        status = main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  nothing may return into the caller's frames, twice run
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)


def _ignore(*_: object) -> None:
    """Take a signal: its number in the wakeup descriptor is all that is wanted."""


def _serve(caller: socket.socket, commands: Mapping[str, Command]) -> int:
    where, name, *words = _read(caller)
    _caller.append(caller)
    with suppress(OSError):
        os.chdir(where)
    name = Path(name).name
    sys.stdin = os.fdopen(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    code = 1
    try:
        refused = faults.meet([name, *words])
        _become(caller)
        code = commands[name](words) if refused is None else refused
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


def _become(caller: socket.socket) -> None:
    """Be the user that the caller is; the way back is left open, for those who check more."""
    _, user, group = _credentials(caller)
    if user:
        os.setgroups([])
        os.setegid(group)
        os.seteuid(user)


def _credentials(caller: socket.socket) -> tuple[int, int, int]:
    credentials = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, group = _CREDENTIALS.unpack(credentials)
    return process, user, group


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
