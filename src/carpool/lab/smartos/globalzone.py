"""The first process of a hypervisor: its file system, its SSH server, its stand-in commands."""

import gc
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from carpool.lab.smartos import boot, kernel, machines, room
from carpool.lab.smartos.commands import of_global_zone
from carpool.lab.smartos.places import LX_USR, STATE, ZONE_USR
from carpool.lab.smartos.stage import LOG, CommandError, Stage, keep_only, worker

_SSH_PORT: Final = 22
_SSH_BACKLOG: Final = 128
_SSHD_CONFIG: Final = """\
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /root/.ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PermitRootLogin prohibit-password
PidFile none
PrintMotd no
PrintLastLog no
Subsystem sftp internal-sftp
SetEnv PATH=/usr/bin:/usr/sbin
"""


@dataclass(frozen=True, slots=True)
class HostPlan:
    """A hypervisor as its first process needs to know it.

    `disk` is its root, `folder` the lab's files, `sshd` the program; `log` takes what sshd and
    the stand-ins have to say.
    """

    name: str
    folder: Path
    disk: Path
    log: Path
    sshd: str


def install(disk: Path, name: str, authorized_key: str, host_json: str) -> None:
    """Fill the empty disk of a new hypervisor, but for the keys of its SSH server."""
    room.furnish(disk, name)
    (disk / "zones").mkdir()
    state = disk / STATE.relative_to("/")
    state.mkdir(mode=0o700)
    (state / "host.json").write_text(host_json)
    for usr in (ZONE_USR, LX_USR):
        (disk / usr.relative_to("/")).mkdir()
    (disk / "etc/ssh/sshd_config").write_text(_SSHD_CONFIG)
    (disk / "root/.ssh/authorized_keys").write_text(authorized_key)


def run(plan: HostPlan, ready: int) -> int:
    """Be the hypervisor until killed; write a byte to `ready` when SSH is open.

    The process is in the hypervisor's network namespace and the first of its process namespace.
    """
    gc.disable()
    log = os.open(plan.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    if log != LOG:
        ready = os.dup(ready) if ready == LOG else ready
        os.dup2(log, LOG)
    (ready,) = keep_only(ready)
    os.setsid()
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_HOSTNAME | kernel.NEW_IPC)
    kernel.make_mounts_private()
    socket.sethostname(plan.name)
    room.mount_devices(plan.disk)
    for usr in (ZONE_USR, LX_USR):
        kernel.bind(plan.folder / usr.name, plan.disk / usr.relative_to("/"))
    room.enter(plan.disk, plan.folder / "global-usr", plan.folder / "tools")
    stage = Stage(of_global_zone.COMMANDS)
    ssh = socket.create_server(("", _SSH_PORT), backlog=_SSH_BACKLOG)
    stage.watch(ssh.fileno(), lambda: _serve_ssh(ssh, plan.sshd))
    os.write(ready, b"+")
    os.close(ready)
    _boot_zones()
    while True:
        stage.turn(None)


def _boot_zones() -> None:
    """Boot the zones that were here before the power went."""
    for vm in machines.known():
        if vm["autoboot"] and vm["state"] == "stopped" and os.fork() == 0:
            worker(lambda vm=vm: _boot_zone(vm["uuid"]))  # type: ignore[misc]


def _boot_zone(uuid: str) -> int:
    try:
        with machines.locked(uuid):
            boot.boot(machines.load(uuid))
    except CommandError as error:
        print(f"{uuid}: {error}", file=sys.stderr)
        return 1
    return 0


def _serve_ssh(listener: socket.socket, sshd: str) -> None:
    connection, _ = listener.accept()
    with connection:
        fd = connection.fileno()
        # `-i` is a server for one connection: a hypervisor that nobody talks to costs nothing.
        os.posix_spawn(
            sshd,
            [sshd, "-i", "-e", "-f", "/etc/ssh/sshd_config"],
            {"PATH": "/usr/bin:/usr/sbin"},
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, 0), (os.POSIX_SPAWN_DUP2, fd, 1)],
        )
