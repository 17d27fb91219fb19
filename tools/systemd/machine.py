"""A Debian with systemd as its first process, in a container of systemd-nspawn on the lab's LAN.

It has a network namespace that is a zone of the lab, a root of its own over a shared image, and
the cgroups of a machine. What it lacks of one is a kernel.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from carpool.lab.zone import Zone

MIRROR = "http://deb.debian.org/debian"
_FIRST = "systemd,systemd-sysv,dbus,ca-certificates"
_PACKAGES = (
    *("python3", "iproute2", "procps", "util-linux"),
    *("polkitd", "rsyslog", "apache2", "nagios4-core", "msmtp-mta"),
)
_NO_START = "usr/sbin/policy-rc.d"
_HIERARCHIES = ("", "unified", "systemd")
_CGROUPS = Path("/sys/fs/cgroup")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_REBOOT = 133
"""systemd-nspawn's exit code for: start me again."""


class TrialError(Exception):
    """Something is not as it should be; the text says what was seen."""


def missing() -> list[str]:
    """Return what this machine lacks, as Debian's packages."""
    needed = {
        "debootstrap": "debootstrap",
        "systemd-nspawn": "systemd-container",
        "nsenter": "util-linux",
    }
    return [package for program, package in needed.items() if shutil.which(program) is None]


def make_image(root: Path, release: str) -> None:
    """Install a release of Debian into `root`, once, from the network: 600 MB.

    Raises CalledProcessError.
    """
    if root.exists():
        return
    new = root.with_name(f"{root.name}.new")
    if new.exists():
        shutil.rmtree(new)
    new.parent.mkdir(parents=True, exist_ok=True)
    arguments = ("--variant=minbase", f"--include={_FIRST}", release, str(new), MIRROR)
    subprocess.run(("debootstrap", *arguments), check=True)
    no_start = new / _NO_START
    no_start.write_text("#!/bin/sh\nexit 101\n")
    no_start.chmod(0o755)
    shutil.copy("/etc/resolv.conf", new / "etc/resolv.conf")
    environment = {"PATH": _PATH, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *_PACKAGES)
    for words in (("apt-get", "update", "-qq"), install, ("apt-get", "clean")):
        subprocess.run(("chroot", str(new), *words), check=True, env=environment)
    for service in ("apache2", "nagios4"):
        subprocess.run(("chroot", str(new), "systemctl", "disable", service), check=True)
    for name in (_NO_START, "etc/resolv.conf", "etc/hostname"):
        (new / name).unlink(missing_ok=True)
    (new / "etc/machine-id").write_text("")
    (new / "var/log/journal").mkdir(exist_ok=True)
    new.rename(root)


class Machine:
    """One machine. `start` boots it, and it boots again by itself when it has been told to."""

    def __init__(self, name: str, zone: Zone, image: Path, folder: Path) -> None:
        """Mount its root below `folder`, which must be on a file system that overlayfs takes."""
        self.name = name
        self.zone = zone
        self.root = folder / name / "root"
        self._console = folder / name / "console"
        self._cgroup = f"carpool-{folder.name}-{name}"
        self._process: subprocess.Popen[bytes] | None = None
        upper, work = folder / name / "upper", folder / name / "work"
        for path in (self.root, upper, work):
            path.mkdir(parents=True)
        layers = f"lowerdir={image},upperdir={upper},workdir={work}"
        mount = ("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        if subprocess.run(mount, check=False).returncode:
            raise TrialError(
                f"{folder}: cannot be the upper layer of an overlay; check carpool out on a file "
                "system that can (ext4, xfs), not in a container's own"
            )

    def start(self) -> None:
        """Boot it."""
        join = "".join(
            f"mkdir -p {path} && echo $$ > {path}/cgroup.procs && " for path in self._cgroups()
        )
        nspawn = (
            *("systemd-nspawn", "--quiet", "--boot", "--keep-unit", "--register=no"),
            *(f"--directory={self.root}", f"--machine={self.name}", f"--hostname={self.name}"),
            *("--network-namespace-path=/proc/self/ns/net", "--console=pipe"),
            *("--link-journal=no", "--resolv-conf=off", "--timezone=off"),
            "--capability=CAP_NET_ADMIN,CAP_IPC_LOCK,CAP_SYS_NICE",
        )
        self._process = self.zone.start(
            ("sh", "-c", f'{join} exec "$@"', "sh", *nspawn),
            log=self._console,
            environment={"PATH": _PATH, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )

    def wait_until_booted(self) -> None:
        """Wait until it has started all it wants to. Raises TrialError."""
        state = "systemctl is-system-running"
        wait(
            lambda: self.try_shell(state).stdout.strip() in ("running", "degraded"), 60, "it boots"
        )

    def turn(self) -> None:
        """Boot it again if it has asked for that; to be called now and then."""
        if self._process is not None and self._process.poll() == _REBOOT:
            self.start()

    def close(self) -> None:
        """End it, as by pulling its plug, and remove its cgroups."""
        if leader := self._leader():
            os.kill(leader, signal.SIGKILL)  # and with it the kernel kills all in there
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        deadline = time.monotonic() + 5
        while any(map(_is_busy, self._cgroups())) and time.monotonic() < deadline:
            time.sleep(0.05)

    def shell(self, script: str, seconds: float = 60) -> str:
        """Run a script of sh as root in it and return its output. Raises TrialError if it fails."""
        done = self.try_shell(script, seconds)
        if done.returncode:
            raise TrialError(f"{self.name}: {script}: exit code {done.returncode}: {done.stdout}")
        return done.stdout

    def try_shell(self, script: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a script likewise; it may fail, and does where the machine does not run."""
        try:
            return subprocess.run(
                ("nsenter", "-t", str(self._leader()), "-a", "sh", "-c", script),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=seconds,
                check=False,
                env={"PATH": _PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"},
            )
        except subprocess.TimeoutExpired:
            raise TrialError(f"{self.name}: not done after {seconds:g} s: {script}") from None

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Put a file into it, with its folders."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(mode)

    def console(self) -> str:
        """Return what it has printed so far."""
        return self._console.read_text(errors="replace") if self._console.exists() else ""

    def _leader(self) -> int:
        """Return the id of its first process, 0 for none."""
        if self._process is None:
            return 0
        pid = self._process.pid
        with suppress(OSError, IndexError):
            return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return 0

    def _cgroups(self) -> list[Path]:
        """Return its own cgroup in each hierarchy that systemd may use."""
        found = (_CGROUPS / name for name in _HIERARCHIES)
        return [one / self._cgroup for one in found if (one / "cgroup.procs").exists()]


def wait(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Return once the condition holds. Raises TrialError if it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TrialError(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


def _is_busy(cgroup: Path) -> bool:
    """Remove a cgroup and all below it; return whether that was not possible."""
    if not cgroup.exists():
        return False
    folders = [Path(folder) for folder, _, _ in os.walk(cgroup, topdown=False)]
    try:
        for folder in folders:
            folder.rmdir()
    except OSError:
        return True
    return False
