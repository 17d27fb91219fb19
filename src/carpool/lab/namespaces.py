"""Linux namespaces without privilege and without names.

Everything lives in anonymous namespaces held by descriptors and processes, never in `ip netns`
names, so that the kernel itself removes all of it when the lab's process ends, even by SIGKILL.
Sources: namespaces(7), user_namespaces(7), pid_namespaces(7), network_namespaces(7).
"""

import gc
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from os.path import samestat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NoReturn, Self

from carpool.lab.libc import call
from carpool.netlink import Route

_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWPID: Final = 0x20000000
_CLONE_NEWNET: Final = 0x40000000
_PR_SET_PDEATHSIG: Final = 1
_MS_NOSUID_NODEV_NOEXEC: Final = 2 | 4 | 8
_MS_REC_PRIVATE: Final = 0x4000 | 0x40000

_FORWARDED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_HINTS: Final = (
    ("kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
    ("user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)


class LabError(Exception):
    """The lab cannot do what was asked; the text says what, why, and the mend if there is one."""


@cache
def why_unsupported() -> str | None:
    """Return why this machine can have no lab and what would mend it; None if it can.

    Tries it for real, since there are many ways to forbid namespaces and no single place to ask.
    """
    if not sys.platform.startswith("linux"):
        return f"the lab is made of Linux network namespaces; this is {sys.platform}"
    with os.fdopen(os.memfd_create("reason"), "w+b", buffering=0) as reason:

        def attempt() -> int:
            try:
                with Route() as route:
                    route.add_bridge("bridge0")
                    route.add_veth("port0", "port1")
            except OSError as error:
                reason.write(f"{error.strerror}; {_mend()}".encode())
            return 0

        try:
            inside(attempt)
        except LabError as error:
            return str(error)
        reason.seek(0)
        return reason.read().decode() or None


def inside(main: Callable[[], int]) -> int:
    """Run `main` in namespaces of its own (network, processes, mounts) and return its exit status.

    `main` runs in a child as process 1 of its process namespace, as root (of a user namespace, if
    the caller is not root). When it ends, and also when the caller dies of whatever cause, the
    kernel kills every process in there, and with the last one its networks go. SIGINT, SIGTERM,
    SIGHUP and SIGQUIT sent to the caller reach `main` as KeyboardInterrupt or SystemExit. A death
    by signal N counts as status 128 + N. Raises LabError if namespaces are not to be had. The
    caller should have no other thread.
    """
    reader, writer = os.pipe()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*_FORWARDED, signal.SIGCHLD))
    # A terminal's Ctrl-Z would stop us, but never process 1: the lab would go on by itself.
    suspend = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        child = os.fork()
        if child == 0:
            os.close(reader)
            _run_and_exit(lambda: _separate(main, writer, mask))
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as failure:
            reason = failure.read()
        status = _shepherd(child)
    finally:
        signal.signal(signal.SIGTSTP, suspend)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if reason:
        raise LabError(reason)
    return status


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield an empty folder; to be called within `inside`, once.

    It is in a file system in memory that nobody else sees, mounted on /dev/shm, and goes with the
    namespaces. Where mounting is forbidden it is a temporary folder, which SIGKILL leaves behind.
    """
    shared = Path("/dev/shm")  # noqa: S108 - in a mount namespace of our own
    try:
        call("mount", b"none", b"/", None, _MS_REC_PRIVATE, None)
        call("mount", b"carpool", bytes(shared), b"tmpfs", _MS_NOSUID_NODEV_NOEXEC, b"mode=0700")
    except OSError:
        with TemporaryDirectory(prefix="carpool-lab-") as folder:
            yield Path(folder)
    else:
        yield shared


class Namespace:
    """A network namespace, which lives as long as this object is open or a process runs in it.

    Only for a process that is root over it: within `inside`, or as root.
    """

    def __init__(self) -> None:
        """Make a new one, with nothing in it but a loopback that is down."""
        home = _open_current()
        try:
            _unshare(_CLONE_NEWNET)
            self.fd = _open_current()
            _setns(home)
        finally:
            os.close(home)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it; twice is harmless."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be in this namespace for a while: sockets opened and programs started are of it."""
        home = _open_current()
        try:
            _setns(self.fd)
            yield
        finally:
            _setns(home)
            os.close(home)

    def popen(self, arguments: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a program in here; `options` are those of subprocess.Popen."""
        with self.entered():
            return subprocess.Popen(arguments, **options)

    def processes(self) -> list[int]:
        """Return the ids of all processes that are in this namespace now, also of daemons.

        As they are called in the process namespace of the caller.
        """
        ours = os.fstat(self.fd)
        found = []
        for entry in Path("/proc").iterdir():
            # A process that ends meanwhile, or is of someone else, is none of ours.
            with suppress(OSError):
                if entry.name.isdecimal() and samestat((entry / "ns/net").stat(), ours):
                    found.append(_innermost_pid(entry))
        return found


def _separate(main: Callable[[], int], failure: int, mask: set[int | signal.Signals]) -> int:
    """Move into new namespaces and run `main` there; write to `failure` why it cannot be."""
    try:
        _die_with_parent()
        _unshare_all()
        child = os.fork()
    except OSError as error:
        os.write(failure, f"namespaces: {error.strerror}; {_mend()}".encode())
        return 1
    if child == 0:
        os.close(failure)
        _run_and_exit(lambda: _as_first_process(main, mask))
    os.close(failure)
    return _shepherd(child)


def _as_first_process(main: Callable[[], int], mask: set[int | signal.Signals]) -> int:
    _die_with_parent()
    # Without a handler, process 1 never hears these signals: pid_namespaces(7).
    for number in _FORWARDED[1:]:
        signal.signal(number, _exit_on_signal)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    _mount_proc()
    return main()


def _exit_on_signal(number: int, _: object) -> None:
    for again in _FORWARDED:  # nothing interrupts the cleaning up; SIGKILL remains
        signal.signal(again, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _run_and_exit(main: Callable[[], int]) -> NoReturn:
    """End this forked process with the status of `main`, whatever it raises, and never return."""
    status = 1
    # What was there before the fork is not this process's to collect; looking at it copies it.
    gc.freeze()
    try:
        status = main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except BaseException:  # noqa: BLE001  nothing may return into the caller's frames, twice run
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(status)


def _shepherd(child: int) -> int:
    """Wait for the child, passing on the signals (blocked by the caller), and return its status."""
    reaped = False
    try:
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                reaped = True
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            news = signal.sigwaitinfo((*_FORWARDED, signal.SIGCHLD))
            # What the terminal sends (a positive code: the kernel) the child gets by itself.
            if news.si_signo != signal.SIGCHLD and news.si_code <= 0:
                os.kill(child, news.si_signo)
    finally:
        if not reaped:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _unshare_all() -> None:
    flags = _CLONE_NEWNET | _CLONE_NEWPID | _CLONE_NEWNS
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        # Root of a container may be forbidden this and still be allowed a user namespace.
        with suppress(PermissionError):
            _unshare(flags)
            return
    _unshare(flags | _CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")


def _mount_proc() -> None:
    """Show in /proc the processes of the lab alone, where the system lets us."""
    with suppress(OSError):
        call("mount", b"none", b"/", None, _MS_REC_PRIVATE, None)
        call("mount", b"proc", b"/proc", b"proc", _MS_NOSUID_NODEV_NOEXEC, None)


def _mend() -> str:
    for name, forbids, mend in _HINTS:
        with suppress(OSError):
            if Path("/proc/sys", name).read_text(encoding="ascii").strip() == forbids:
                return f"run as root, or allow user namespaces: {mend}"
    return "run as root; in a container, one that may make namespaces (--privileged)"


def _innermost_pid(process: Path) -> int:
    """Return a process's id in its own namespace, should /proc be of an outer one."""
    for line in (process / "status").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return int(process.name)


def _open_current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _die_with_parent() -> None:
    call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _unshare(flags: int) -> None:
    call("unshare", flags)


def _setns(fd: int) -> None:
    call("setns", fd, _CLONE_NEWNET)
