"""A hypervisor of the lab, as tests and demos hold it in their hands."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import ENOSPC
from ipaddress import IPv4Interface, IPv6Interface
from os.path import samestat
from pathlib import Path
from typing import Final

from carpool.lab.namespaces import LabError
from carpool.lab.network import Lab
from carpool.lab.smartos import globalzone, kernel
from carpool.lab.smartos.faults import Fault, changing
from carpool.lab.smartos.globalzone import HostPlan
from carpool.lab.smartos.operator import make_key
from carpool.lab.smartos.places import STATE
from carpool.lab.smartos.stage import worker
from carpool.lab.zone import Zone

_BALLAST: Final = "var/tmp/ballast"
_BALLAST_TRIES: Final = 100
_CONSOLE_SECONDS: Final = 300
_HOST_KEY: Final = "etc/ssh/ssh_host_ed25519_key"


class Hypervisor:
    """A SmartOS hypervisor. Made by SmartosLab.add_hypervisor, closed by the lab.

    `zone` is its place in the lab, for faults.unplug and its like: the interface `admin0` has its
    `address` and takes SSH, `nic0` and on lead its zones to their networks. `disk` is its file
    system, and `log` what sshd and the stand-ins had to say.
    """

    def __init__(
        self, lab: Lab, zone: Zone, address: IPv4Interface | IPv6Interface, plan: HostPlan
    ) -> None:
        self.name = plan.name
        self.zone = zone
        self.address = address
        self.disk = plan.disk
        self.log = plan.log
        self._lab = lab
        self._plan = plan
        self._process: int | None = None
        self._echoes: list[subprocess.Popen[bytes]] = []
        self.renew_host_key()

    @property
    def host_key(self) -> str:
        """The public key of its SSH server."""
        return (self.disk / f"{_HOST_KEY}.pub").read_text()

    def renew_host_key(self) -> None:
        """Give its SSH server another key."""
        make_key(self.disk / _HOST_KEY)

    def run(self, command: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a shell command at its console: not by SSH, for that takes ten times as long."""
        process = Path(f"/proc/{self._process}")
        return subprocess.run(
            ["/bin/sh", "-c", command],
            input=stdin,
            env={"PATH": "/usr/bin:/usr/sbin", "HOME": "/root"},
            preexec_fn=lambda: _go_inside(process),
            capture_output=True,
            text=True,
            timeout=_CONSOLE_SECONDS,
            check=False,
        )

    @contextmanager
    def in_network_of(self, uuid: str) -> Iterator[None]:
        """Be in the network of its zone of that UUID for a while: sockets opened are of it.

        LabError if the zone does not run.
        """
        try:
            # Its first process, by the number that the hypervisor knows it by.
            process = (self.disk / "zones" / uuid / "config/running").read_text()
            zone = os.open(
                f"/proc/{self._process}/root/proc/{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC
            )
        except OSError as error:
            raise LabError(f"hypervisor {self.name}: zone {uuid} does not run") from error
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            kernel.setns(zone, kernel.NEW_NETWORK)
            yield
        finally:
            kernel.setns(home, kernel.NEW_NETWORK)
            os.close(home)
            os.close(zone)

    def start_echo(self, uuid: str, number: int) -> None:
        """Let its zone of that UUID answer carpool.lab.probe, as `number`, until it halts."""
        with self.in_network_of(uuid):
            echo = subprocess.Popen(
                [sys.executable, "-P", "-m", "carpool.lab.echo", str(number)],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._echoes.append(echo)

    def fail(self, fault: Fault, *, zone: str | None = None) -> None:
        """Make commands of the hypervisor, or of its zone of that UUID, suffer a fault."""
        with changing(self._folder(zone)) as faults:
            faults.append(fault)

    def mend(self, *, zone: str | None = None) -> None:
        """End all faults that `fail` made."""
        with changing(self._folder(zone)) as faults:
            faults.clear()

    def cut_ssh(self) -> None:
        """Break the SSH connections that there are; new ones can be made."""
        namespace = Path(f"/proc/{self._process}/ns/pid").stat()
        for entry in Path("/proc").iterdir():
            # A process that ends meanwhile has no connection to break.
            with suppress(OSError):
                ours = entry.name.isdecimal() and samestat((entry / "ns/pid").stat(), namespace)
                if ours and (entry / "comm").read_text().startswith("sshd"):
                    os.kill(int(entry.name), signal.SIGKILL)

    def fill_disk(self, *, free_bytes: int = 0) -> None:
        """Leave no more than that much room on its disk. OSError if that cannot be."""
        with (self.disk / _BALLAST).open("wb") as file:
            for left in reversed(range(_BALLAST_TRIES)):
                usage = os.statvfs(self.disk)
                size = usage.f_bavail * usage.f_frsize - free_bytes
                try:
                    if size > 0:
                        os.posix_fallocate(file.fileno(), 0, size)
                except OSError as error:  # a zone has taken some of it meanwhile, for its logs
                    if error.errno != ENOSPC or not left:
                        raise
                else:
                    break

    def empty_disk(self) -> None:
        """Give the room back that `fill_disk` took."""
        (self.disk / _BALLAST).unlink(missing_ok=True)

    def power_on(self) -> None:
        """Boot it, with the zones that are on its disk; return when it takes SSH."""
        if self._process is not None:
            raise LabError(f"hypervisor {self.name} is running")
        reader, writer = os.pipe()
        with self.zone.namespace.entered():
            self._process = kernel.fork_first()
            if self._process == 0:
                worker(lambda: globalzone.run(self._plan, writer))
        os.close(writer)
        with os.fdopen(reader, "rb") as news:
            if news.read(1) != b"+":
                raise LabError(f"hypervisor {self.name} does not start:\n{self.log.read_text()}")
        for port in self.zone.chosen(None):
            self._lab.route.set_link(port.hub_index, up=True)

    def power_off(self) -> None:
        """Take its power away: it and its zones are gone without a word; twice is harmless."""
        if self._process is None:
            return
        for port in self.zone.chosen(None):
            self._lab.route.set_link(port.hub_index, up=False)
        for echo in self._echoes:
            echo.kill()
            echo.wait()
        self._echoes.clear()
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        self._process = None

    def _folder(self, zone: str | None) -> Path:
        place = STATE.relative_to("/") if zone is None else Path("zones", zone, "config")
        return self.disk / place


def _go_inside(process: Path) -> None:
    """Go on in the namespaces of a process, and leave a waiting parent behind."""
    kernel.enter(process)
    child = os.fork()
    if child:
        os.closerange(3, 1 << 16)  # the one through which subprocess.run waits for the start
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
