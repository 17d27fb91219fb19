"""The daemons that are measured side by side, each as its administrator would set it up.

Node `a` is the first choice and node `b` the second; `c` is only in the soak. Nobody preempts.
Timers are comparable: an advertisement each second, three of them missed until a takeover, and then
the node's skew in 1/256 s, which VRRP makes from the priority: (256 - priority)/256 s.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from subprocess import Popen

from carpool import __version__
from carpool.lab.zone import Zone

VIP = IPv4Address("10.0.0.100")
VHID = 42
NODES = {
    "a": IPv4Interface("10.0.0.1/24"),
    "b": IPv4Interface("10.0.0.2/24"),
    "c": IPv4Interface("10.0.0.3/24"),
}
STRANGER = IPv4Interface("10.0.0.7/24")
CLIENT = IPv4Interface("10.0.0.9/24")
OBSERVER = IPv4Interface("10.0.0.8/24")
INTERFACE = "net0"
PATIENCE = 30.0  # seconds until a step of a round is given up

NODE = """\
[nodes.{name}]
address = "{address}"
interface = "net0"
"""
GROUP = """\
[groups.vip]
vhid = 42
addresses = ["10.0.0.100/32"]
password_file = "password"
"""

KEEPALIVED = """\
global_defs {{
    router_id {node}
    script_user root
}}
vrrp_instance vip {{
    state BACKUP
    interface net0
    virtual_router_id 42
    priority {priority}
    advert_int 1
    nopreempt
    authentication {{
        auth_type PASS
        auth_pass bench
    }}
    virtual_ipaddress {{
        10.0.0.100/32
    }}
{hook}}}
"""


@dataclass(frozen=True, slots=True)
class Hook:
    """A script that runs when its node becomes master; `body` None: there is no such file.

    ucarp's script is also what puts the address on, and does so first if `works`.
    """

    body: str | None
    works: bool = True


@dataclass(frozen=True, slots=True)
class Setup:
    """How the daemons of a round are set up; `skews` in 1/256 s, `hooks` by node."""

    folder: Path
    skews: Mapping[str, int]
    hooks: Mapping[str, Hook]

    def hook_path(self, node: str) -> Path:
        """Return where the script of a node is, or is not."""
        return self.folder / f"up-{node}.sh"


@dataclass(frozen=True, slots=True)
class Peer:
    """A kind of daemon: the `program` it needs, and its command line on a node."""

    name: str
    program: str
    version: Callable[[], str]
    prepare: Callable[[Setup, str], list[str]]
    """Write the files of a node and return its command line."""

    def start(self, zone: Zone, setup: Setup, log: Path | None = None) -> Popen[bytes]:
        """Start the daemon in the zone of that node's name; `log` None: a file in the folder."""
        command = self.prepare(setup, zone.name)
        return zone.start(command, log=log or setup.folder / f"{zone.name}.log")


def _carpool(setup: Setup, node: str) -> list[str]:
    _write_password(setup.folder)
    cluster = setup.folder / f"cluster-{node}.toml"
    skews = ", ".join(f"{name} = {skew}" for name, skew in setup.skews.items())
    lines = [f"advskew = {{ {skews} }}"]
    if node in setup.hooks:
        _write_script(setup, node, "")
        lines.append(f'up = ["{setup.hook_path(node)}"]')
    nodes = "".join(NODE.format(name=name, address=NODES[name]) for name in setup.skews)
    cluster.write_text(nodes + GROUP + "\n".join(lines) + "\n")
    command = [sys.executable, "-P", "-m", "carpool", "run", str(cluster), "--node", node]
    command += ["--state-dir", str(setup.folder / "state")]
    return [*command, "--run-dir", str(setup.folder / "run")]


def _ucarp(setup: Setup, node: str) -> list[str]:
    _write_password(setup.folder)
    down = setup.folder / "down.sh"
    _write_executable(down, _address("del"))
    _write_script(setup, node, _address("add"))
    command = ["ucarp", "-i", INTERFACE, "-s", str(NODES[node].ip), "-v", str(VHID)]
    command += ["-a", str(VIP), "-o", str(setup.folder / "password"), "-z", "-f", "none"]
    command += ["-k", str(setup.skews[node])]
    return [*command, "-u", str(setup.hook_path(node)), "-d", str(down)]


def _keepalived(setup: Setup, node: str) -> list[str]:
    hook = ""
    if node in setup.hooks:
        _write_script(setup, node, "")
        hook = f'    notify_master "{setup.hook_path(node)}"\n'
    config = setup.folder / f"keepalived-{node}.conf"
    priority = 254 - setup.skews[node]
    config.write_text(KEEPALIVED.format(node=node, priority=priority, hook=hook))
    config.chmod(0o644)
    pids = [f"--{kind}={setup.folder}/{kind}-{node}" for kind in ("pid", "vrrp_pid")]
    return ["keepalived", "-f", str(config), "-n", "-l", "-P", "-G", *pids]


def _address(verb: str) -> str:
    return f'ip address {verb} "$2/32" dev "$1"\n'


def _write_script(setup: Setup, node: str, address: str) -> None:
    hook = setup.hooks.get(node, Hook("exit 0"))
    if hook.body is not None:
        _write_executable(setup.hook_path(node), (address if hook.works else "") + hook.body + "\n")


def _write_executable(path: Path, body: str) -> None:
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)


def _write_password(folder: Path) -> None:
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text("bench\n")


def _said(*command: str, pattern: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[0] if found else "unknown"


def _ucarp_version() -> str:
    package = ("dpkg-query", "-W", "-f", "${Version}", "ucarp")  # it does not know its own
    return _said(*package, pattern=r"[0-9.]+")


PEERS = {
    "ucarp": Peer("ucarp", "ucarp", _ucarp_version, _ucarp),
    "keepalived": Peer(
        "keepalived",
        "keepalived",
        lambda: _said("keepalived", "--version", pattern=r"(?<=Keepalived v)[0-9.]+"),
        _keepalived,
    ),
    "carpool": Peer("carpool", sys.executable, lambda: __version__, _carpool),
}


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return once `condition` holds. TimeoutError after a while."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(0.005)
