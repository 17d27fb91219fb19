"""The file systems of global zones and zones: what of the machine they see, and what is their own.

/usr is the machine's, read-only, with the stand-ins laid over it and without what a SmartOS
does not have; all else is made here and is gone with the zone.
"""

import os
import shutil
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from carpool.lab.namespaces import LabError
from carpool.lab.smartos import kernel
from carpool.lab.smartos.places import LIBRARY, LX_PYTHON, TOOLS

_PROGRAMS: Final = ("ip", "nft")
"""What stand-ins run, and zones do not see."""

NOT_OF_LX: Final = (
    *("python", "pip", "pydoc", "apt", "dpkg", "systemctl", "journalctl", "ifconfig"),
    *("ip", "nft", "ss", "bridge", "tc", "nsenter", "unshare", "sudo"),
)
"""Programs of this machine that a new lx zone does not have, or that do nothing there, by the
beginnings of their names."""
NOT_OF_ILLUMOS: Final = (
    *NOT_OF_LX,
    *("perl", "flock"),
    *("md5sum", "sha1sum", "sha224sum", "sha256sum", "sha384sum", "sha512sum", "b2sum"),
)
"""Those that a SmartOS does not have."""
_ABSENT_EXACTLY: Final = frozenset({"ip", "ss", "tc", "nft", "bridge", "flock"})

_PACKAGES: Final = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nft": "nftables",
    "ip": "iproute2",
}
"""Where Debian has programs whose packages are called otherwise."""

_SBIN_PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
_DEVICES: Final = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
_SYSTEM: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc/alternatives")
_FOLDERS: Final = (
    *("etc/ssh", "root/.ssh", "opt/local/bin", "var/log", "var/svc/log", "var/tmp", "var/empty"),
    *("tmp", "run", "dev", "proc", "usr", ".lab/bin", ".lab/library"),
)
_ACCOUNTS: Final = """\
root:*:0:0:Super-User:/root:/bin/sh
daemon:*:1:1::/:/bin/false
sshd:*:22:22:sshd privsep:/var/empty:/bin/false
nobody:*:60001:60001:NFS Anonymous Access User:/:/bin/false
"""
_GROUP: Final = "root:x:0:\ndaemon:x:1:\ntty:x:7:\nsshd:x:22:\nnobody:x:60001:\n"


def find_tool(name: str) -> str:
    """Return the path of a program of the machine; LabError if it is not installed."""
    path = shutil.which(name, path=_SBIN_PATH)
    if path is None:
        raise LabError(why_lacking([name]))
    return path


def why_lacking(names: Iterable[str]) -> str | None:
    """Return which of the programs are not installed, and what would mend it; None if all are."""
    lacking = [name for name in names if shutil.which(name, path=_SBIN_PATH) is None]
    if not lacking:
        return None
    packages = dict.fromkeys(_PACKAGES.get(name, name) for name in lacking)
    needed = ", ".join(lacking)
    return f"the SmartOS lab needs {needed}; on Debian: apt install {' '.join(packages)}"


def prepare(folder: Path) -> None:
    """Make in the lab's folder what all zones share: `tools`, with an interpreter."""
    tools = folder / "tools"
    tools.mkdir()
    for name in _PROGRAMS:
        shutil.copy2(find_tool(name), tools)
    shutil.copy2(Path(sys.executable).resolve(), tools / "python")
    _point_to_library(folder)
    shutil.copy2(Path(__file__).with_name("client.py"), tools / "client")
    (tools / "client").chmod(0o755)


def make_layer(layer: Path, paths: Iterable[str], absent: Iterable[str]) -> Path:
    """Make the layer that goes over the machine's /usr, and return it.

    It has stand-ins at `paths`, and hides the programs whose names begin as `absent` say.
    """
    for place in ("usr/bin", "usr/sbin"):
        (layer / place).mkdir(parents=True)
        _hide_absent(layer / place, Path("/", place), absent)
    link_commands(layer, [path for path in paths if path.startswith("usr/")])
    return layer / "usr"


def link_python(usr: Path) -> None:
    """Let /usr/bin/python3 of the layer be what an lx zone installs by that name."""
    (usr / "bin/python3").unlink(missing_ok=True)
    (usr / "bin/python3").symlink_to(LX_PYTHON)
    _point_to_library(usr / "bin")


def link_commands(root: Path, paths: Iterable[str]) -> None:
    """Put stand-ins at some paths below a root."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).unlink(missing_ok=True)
        (root / path).symlink_to(TOOLS / "client")


def furnish(root: Path, hostname: str) -> None:
    """Make the directories and files of a new zone in the directory `root`."""
    for folder in _FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o711)):
        (root / folder).chmod(mode)
    (root / "root/.ssh").chmod(0o700)
    _write(root / "etc/passwd", _ACCOUNTS)
    _write(root / "etc/group", _GROUP)
    _write(root / "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
    _write(root / "etc/hosts", f"127.0.0.1 localhost loghost {hostname}\n::1 localhost\n")
    _write(root / "etc/nodename", f"{hostname}\n")
    libraries = Path("/etc/ld.so.cache")
    if libraries.exists():
        shutil.copy2(libraries, root / "etc")
    for name in _SYSTEM:
        machine = Path("/", name)
        if machine.is_symlink():
            (root / name).symlink_to(machine.readlink())
        elif machine.is_dir():
            (root / name).mkdir()
    (root / "var/run").symlink_to("/run")
    if _library() == LIBRARY:
        # A shared libpython is looked for where it was installed, or beside the interpreter.
        (root / ".lab/lib").symlink_to("library/lib")
        installed = root / Path(sys.base_prefix).relative_to("/")
        installed.parent.mkdir(parents=True, exist_ok=True)
        installed.symlink_to(LIBRARY)


def mount_devices(root: Path) -> None:
    """Make /dev and /run anew, which do not outlive a boot."""
    for folder in ("dev", "run"):
        kernel.mount("tmpfs", root / folder, "mode=755")
    for folder in ("dev/pts", "dev/shm", "run/sshd"):
        (root / folder).mkdir(parents=True)
    for device, numbers in _DEVICES.items():
        os.mknod(root / "dev" / device, stat.S_IFCHR | 0o666, os.makedev(*numbers))
        (root / "dev" / device).chmod(0o666)
    for link, target in (
        *(("dev/fd", "/proc/self/fd"), ("dev/stdin", "/proc/self/fd/0")),
        *(("dev/stdout", "/proc/self/fd/1"), ("dev/stderr", "/proc/self/fd/2")),
        ("dev/ptmx", "pts/ptmx"),
    ):
        (root / link).symlink_to(target)


def enter(root: Path, usr: Path, tools: Path) -> None:
    """Make a furnished directory the root of this process, which has mounts of its own.

    `usr` is an edition of /usr and `tools` the programs of the lab. The process must be the first
    of its process namespace.
    """
    kernel.bind(usr, root / "usr")
    kernel.bind(tools, root / ".lab/bin")
    shutil.copy2(tools.parent / "pyvenv.cfg", root / ".lab")
    for name in _SYSTEM:
        if (root / name).is_dir() and not (root / name).is_symlink():
            kernel.bind(Path("/", name), root / name)
    if _library() == LIBRARY:
        source = LIBRARY if LIBRARY.is_dir() else Path(sys.base_prefix)
        kernel.bind(source, root / LIBRARY.relative_to("/"))
    kernel.mount("proc", root / "proc")
    kernel.mount("devpts", root / "dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=7")
    kernel.change_root(root)


def _point_to_library(folder: Path) -> None:
    """Let an interpreter there find its library: by the landmark of virtual environments."""
    (folder / "pyvenv.cfg").write_text(f"home = {_library() / 'bin'}\n")


def _library() -> Path:
    """Return where zones see what the interpreter needs; its home may be no one else's business."""
    prefix = Path(sys.base_prefix)
    return prefix if prefix.is_relative_to("/usr") else LIBRARY


def _hide_absent(upper: Path, machine: Path, absent: Iterable[str]) -> None:
    for name in _absent((entry.name for entry in machine.iterdir()), absent):
        # A character device 0, 0 is how an overlay says that a file below is not there:
        # filesystems/overlayfs.rst of Linux.
        os.mknod(upper / name, stat.S_IFCHR, os.makedev(0, 0))


def _absent(names: Iterable[str], absent: Iterable[str]) -> list[str]:
    exactly = _ABSENT_EXACTLY.intersection(absent)
    beginnings = tuple(set(absent) - exactly)
    return [name for name in names if name in exactly or name.startswith(beginnings)]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
