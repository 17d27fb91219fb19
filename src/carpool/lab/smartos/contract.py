"""Running a method so that all it leaves behind is known and can be killed: a process contract.

A holder is the parent of the method and adopts its orphans; the contract is empty when the holder
has no child left and ends. Source of the idea: contract(5); of adoption: prctl(2),
PR_SET_CHILD_SUBREAPER.
"""

import grp
import os
import pwd
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from carpool.lab.smartos import kernel
from carpool.lab.smartos.smf import Method
from carpool.lab.smartos.stage import worker
from carpool.smartos.smf_values import privileges

EXIT_CONFIG: Final = 96
"""SMF_EXIT_ERR_CONFIG, smf_method(7)."""

_CAPABILITIES: Final = (
    ({"net_rawaccess", "net_icmpaccess"}, kernel.CAP_NET_RAW),
    ({"sys_ip_config"}, kernel.CAP_NET_ADMIN),
    ({"net_privaddr"}, kernel.CAP_NET_BIND_SERVICE),
)
"""What of Linux the privileges of illumos come to; all of a set are needed."""


class Contract:
    """A method that runs, and all processes that came of it.

    `fd` can be read when `status` is known, and again when the contract is empty.
    """

    def __init__(self, method: Method, log: str) -> None:
        """Start the method. Its exit status is later in `status`."""
        self.status: int | None = None
        self.empty = False
        self.fd, writer = os.pipe()
        self._holder = os.fork()
        if self._holder == 0:
            worker(lambda: _hold(method, log, writer))
        os.close(writer)

    def read(self) -> None:
        """Take the news at `fd`."""
        news = os.read(self.fd, 1)
        if news:
            self.status = news[0]
        else:
            self.empty = True

    def close(self) -> None:
        """Ask for no more news."""
        os.close(self.fd)

    def processes(self) -> list[int]:
        """Return the ids of the contract's processes."""
        parents = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdecimal():
                    # The name, in parentheses, may have anything in it: proc(5).
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if fields[0] != "Z":
                        parents[int(entry.name)] = int(fields[1])
        members = {self._holder}
        while more := {one for one, parent in parents.items() if parent in members} - members:
            members |= more
        return sorted(members - {self._holder})

    def kill(self, number: int = signal.SIGKILL, *, first_only: bool = False) -> None:
        """Send a signal to every process of the contract, or to the one that came first.

        SIGKILL also reaches those that are forked meanwhile.
        """
        reached: set[int] = set()
        while found := set(self.processes()[: 1 if first_only else None]) - reached:
            for process in found:
                with suppress(ProcessLookupError):
                    os.kill(process, number)
            reached |= found
            if number != signal.SIGKILL:
                break


def _hold(method: Method, log: str, writer: int) -> int:
    os.setsid()
    kernel.adopt_orphans()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(writer, 3)
    os.closerange(4, 1 << 16)
    child = os.fork()
    if child == 0:
        os.close(3)
        worker(lambda: _execute(method))
    while True:
        try:
            process, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return 0
        if process == child:
            code = os.waitstatus_to_exitcode(status)
            os.write(3, bytes([code if code >= 0 else 128 - code]))


def _execute(method: Method) -> int:
    try:
        account = pwd.getpwuid(int(method.user)) if method.user.isdecimal() else None
        account = account or pwd.getpwnam(method.user)
        named = method.group and not method.group.startswith(":")
        group = grp.getgrnam(method.group).gr_gid if named else account.pw_gid
    except KeyError as error:
        print(f"[ Could not set context for method: {error} ]", flush=True)
        return EXIT_CONFIG
    if method.privileges and (wrong := privileges(",".join(method.privileges))):
        print(f"[ Could not set context for method: {wrong} ]", flush=True)
        return EXIT_CONFIG
    granted = [bit for needed, bit in _CAPABILITIES if needed <= set(method.privileges)]
    directory = account.pw_dir if method.directory == ":default" else method.directory
    os.chdir(directory)
    kernel.become(account.pw_uid, group, os.getgrouplist(account.pw_name, group), granted)
    environment = {"LOGNAME": account.pw_name, "HOME": account.pw_dir}
    environment |= dict(method.environment)
    return os.execve("/bin/sh", ["/bin/sh", "-c", f"exec {method.exec}"], environment)  # noqa: S606
