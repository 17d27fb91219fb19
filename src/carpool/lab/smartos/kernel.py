"""System calls that Python 3.11 does not wrap: namespaces, mounts, and privileges kept by a user.

Sources: unshare(2), setns(2), mount(2), pivot_root(2), capabilities(7), prctl(2).
"""

import ctypes
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from carpool.lab.libc import call

NEW_MOUNTS: Final = 0x00020000
NEW_HOSTNAME: Final = 0x04000000
NEW_IPC: Final = 0x08000000
NEW_PROCESSES: Final = 0x20000000
NEW_NETWORK: Final = 0x40000000

CAP_NET_BIND_SERVICE: Final = 10
CAP_NET_ADMIN: Final = 12
CAP_NET_RAW: Final = 13

_MS_RDONLY: Final = 1
_MS_REMOUNT: Final = 32
_MS_BIND: Final = 4096
_MS_REC: Final = 16384
_MS_PRIVATE: Final = 1 << 18
_MNT_DETACH: Final = 2
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_KEEPCAPS: Final = 8
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CAPABILITY_VERSION_3: Final = 0x20080522


def unshare(flags: int) -> None:
    """Move this process (its children, for NEW_PROCESSES) into new namespaces. Raises OSError."""
    call("unshare", flags)


def setns(fd: int, kind: int) -> None:
    """Move this process (its children, for NEW_PROCESSES) into a namespace. Raises OSError."""
    call("setns", fd, kind)


def enter(process: Path) -> None:
    """Move this process into the namespaces of another, of which that is the directory in /proc.

    Of its process namespace only our children will be: setns(2).
    """
    kinds = {
        "net": NEW_NETWORK,
        "uts": NEW_HOSTNAME,
        "ipc": NEW_IPC,
        "pid": NEW_PROCESSES,
        "mnt": NEW_MOUNTS,
    }
    fds = {name: os.open(process / "ns" / name, os.O_RDONLY | os.O_CLOEXEC) for name in kinds}
    for name, fd in fds.items():
        setns(fd, kinds[name])
        os.close(fd)


def fork_first() -> int:
    """Fork like os.fork; the child is process 1 of a new process namespace."""
    home = os.open("/proc/thread-self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(NEW_PROCESSES)
        child = os.fork()
        if child:
            setns(home, NEW_PROCESSES)
        return child
    finally:
        os.close(home)


def mount(kind: str, target: Path, options: str = "", source: str = "none") -> None:
    """Mount a file system of that kind."""
    call("mount", source.encode(), bytes(target), kind.encode(), 0, options.encode())


def bind(source: Path, target: Path, *, writable: bool = False) -> None:
    """Show a file or directory (with what is mounted below it) at another place too."""
    call("mount", bytes(source), bytes(target), None, _MS_BIND | _MS_REC, None)
    if not writable:
        flags = _MS_REMOUNT | _MS_BIND | _MS_RDONLY
        call("mount", None, bytes(target), None, flags, None)


def make_mounts_private() -> None:
    """Keep what is mounted from now on to this mount namespace."""
    call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)


def unmount(target: Path) -> None:
    """Unmount, at once for newcomers, for the rest when the last file there is closed."""
    call("umount2", bytes(target), _MNT_DETACH)


def change_root(root: Path) -> None:
    """Make a mount point the root, and let go of all that was mounted outside of it."""
    os.chdir(root)
    # The old root goes on top of the new one and from there away: pivot_root(2), "NOTES".
    call("pivot_root", b".", b".")
    call("umount2", b".", _MNT_DETACH)
    os.chdir("/")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent ends."""
    call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def hang_up_with_parent() -> None:
    """Get SIGHUP when the parent ends."""
    call("prctl", _PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)


def become(user: int, group: int, groups: Iterable[int], capabilities: Iterable[int]) -> None:
    """Become a user for good, keeping capabilities, also for the programs that are executed."""
    call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups(list(groups))
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    if user == 0:
        return
    kept = list(capabilities)
    mask = sum(1 << capability for capability in kept)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    call("capset", header, data)
    for capability in kept:
        call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)
