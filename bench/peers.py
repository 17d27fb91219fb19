"""The daemons that are measured side by side, each as its administrator would set it up.

Node `a` is the first choice and node `b` the second; `c` is only in the soak. Nobody preempts
unless told to. Timers are comparable: an advertisement each second, three of them missed until a
takeover, and then the node's skew in 1/256 s, which VRRP makes from the priority:
(256 - priority)/256 s.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from subprocess import Popen

from carpool import __version__
from carpool.lab.namespaces import LabError
from carpool.lab.zone import Zone

VIP = IPv4Address("10.0.0.100")
VHID = 42
NODES = {
    "a": IPv4Interface("10.0.0.1/16"),
    "b": IPv4Interface("10.0.0.2/16"),
    "c": IPv4Interface("10.0.0.3/16"),
}
STRANGER = IPv4Interface("10.0.0.7/16")
CLIENT = IPv4Interface("10.0.0.9/16")
OBSERVER = IPv4Interface("10.0.0.8/16")
INTERFACE = "net0"
TOP_PRIORITY = 254  # of VRRP, for skew 0; 255 is for who owns the address
PATIENCE = 30.0  # seconds until a step of a round is given up

NODE = """\
[nodes.{name}]
address = "{address}"
interface = "net0"
"""
GROUP = """\
[groups.vip{vhid}]
vhid = {vhid}
addresses = ["{vip}/32"]
password_file = "password"
preempt = {preempt}
{timing}{more}"""

KEEPALIVED = """\
global_defs {{
    router_id {node}
    script_user root
    vrrp_version {version}
{delay}}}
"""
INSTANCE = """\
vrrp_instance vip{vhid} {{
    state BACKUP
    interface net0
    virtual_router_id {vhid}
    priority {priority}
    advert_int {interval}
{options}    virtual_ipaddress {{
        {vip}/32
    }}
}}
"""
AUTHENTICATION = """\
    authentication {
        auth_type PASS
        auth_pass bench
    }
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
    """How the daemons of a round are set up; `skews` in 1/256 s, `hooks` by node.

    `vips` by vhid. `interval`: seconds between two advertisements; below one second it is carpool's
    fast profile, in 1/256 s and without skews, and VRRPv3 for keepalived, in 1/100 s; ucarp has
    none such. `dead_ratio` is carpool's: so many advertisements missed.
    `hold_down`: seconds that node `a` listens after its start, with carpool also after its link
    came back; ucarp has no such thing. `clocks`: whether each has a wall clock that can be set.
    """

    folder: Path
    skews: Mapping[str, int]
    hooks: Mapping[str, Hook]
    vips: Mapping[int, IPv4Address] = field(default_factory=lambda: {VHID: VIP})
    interval: Fraction = Fraction(1)
    preempt: bool = False
    dead_ratio: int = 3
    hold_down: int = 0
    clocks: bool = False

    def clock(self, node: str) -> Path:
        """Return the file with the seconds by which a node's wall clock is wrong."""
        return self.folder / f"clock-{node}"

    def hook_path(self, node: str) -> Path:
        """Return where the script of a node is, or is not."""
        return self.folder / f"up-{node}.sh"


@dataclass(frozen=True, slots=True)
class Peer:
    """A kind of daemon: the `program` it needs, and its command line on a node."""

    name: str
    program: str
    version: Callable[[], str]
    prepare: Callable[[Setup, str], list[list[str]]]
    """Write the files of a node and return its command lines: ucarp has one for each address."""

    def start(self, zone: Zone, setup: Setup, log: Path | None = None) -> list[Popen[bytes]]:
        """Start the daemon in the zone of that node's name; `log` None: a file in the folder."""
        log = log or setup.folder / f"{zone.name}.log"
        clock = _own_clock(setup, zone.name)
        commands = self.prepare(setup, zone.name)
        return [zone.start([*clock, *command], log=log) for command in commands]


def _carpool(setup: Setup, node: str) -> list[list[str]]:
    _write_password(setup.folder)
    cluster = setup.folder / f"cluster-{node}.toml"
    lines = [NODE.format(name=name, address=NODES[name]) for name in setup.skews]
    if setup.interval < 1:
        timing = f'profile = "fast"\ninterval = "{float(setup.interval * 1000):g}ms"\n'
    else:
        skews = ", ".join(f"{name} = {skew}" for name, skew in setup.skews.items())
        timing = f"advbase = {setup.interval}\nadvskew = {{ {skews} }}\n"
    more = f"dead_ratio = {setup.dead_ratio}\n"
    more += f"hold_down = {setup.hold_down}\n" if setup.hold_down and node == "a" else ""
    if node in setup.hooks:
        _write_script(setup, node, "")
        more += f'up = ["{setup.hook_path(node)}"]\n'
    preempt = str(setup.preempt).lower()
    lines += [
        GROUP.format(vhid=vhid, vip=vip, preempt=preempt, timing=timing, more=more)
        for vhid, vip in setup.vips.items()
    ]
    cluster.write_text("".join(lines))
    command = [sys.executable, "-P", "-m", "carpool", "run", str(cluster), "--node", node]
    command += ["--state-dir", str(setup.folder / "state")]
    return [[*command, "--run-dir", str(setup.folder / "run")]]


def _ucarp(setup: Setup, node: str) -> list[list[str]]:
    if setup.interval < 1:
        raise LabError("ucarp has no intervals below a second that hold")
    _write_password(setup.folder)
    down = setup.folder / "down.sh"
    _write_executable(down, _address("del"))
    _write_script(setup, node, _address("add"))
    command = ["ucarp", "-i", INTERFACE, "-s", str(NODES[node].ip), "-z", "-f", "none"]
    command += ["-o", str(setup.folder / "password"), "-k", str(setup.skews[node])]
    command += ["-u", str(setup.hook_path(node)), "-d", str(down)]
    command += ["-P"] if setup.preempt else []
    return [[*command, "-v", str(vhid), "-a", str(vip)] for vhid, vip in setup.vips.items()]


def _keepalived(setup: Setup, node: str) -> list[list[str]]:
    version = 2 if setup.interval >= 1 else 3
    options = "" if setup.preempt else "    nopreempt\n"
    options += AUTHENTICATION if version == 2 else ""  # VRRPv3 has none
    if node in setup.hooks:
        _write_script(setup, node, "")
        options += f'    notify_master "{setup.hook_path(node)}"\n'
    config = setup.folder / f"keepalived-{node}.conf"
    instances = [
        INSTANCE.format(
            vhid=vhid,
            vip=vip,
            priority=TOP_PRIORITY - setup.skews[node],
            interval=f"{float(setup.interval):g}",
            options=options,
        )
        for vhid, vip in setup.vips.items()
    ]
    delay = f"    vrrp_startup_delay {setup.hold_down}\n" if setup.hold_down and node == "a" else ""
    whole = KEEPALIVED.format(node=node, version=version, delay=delay)
    config.write_text(whole + "".join(instances))
    config.chmod(0o644)
    pids = [f"--{kind}={setup.folder}/{kind}-{node}" for kind in ("pid", "vrrp_pid")]
    return [["keepalived", "-f", str(config), "-n", "-l", "-P", "-G", *pids]]


def faketime() -> str | None:
    """Return libfaketime, which gives a program a wall clock of its own; None if not installed."""
    given = os.environ.get("LIBFAKETIME")
    found = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return given or next(map(str, found), None)


def _own_clock(setup: Setup, node: str) -> list[str]:
    """Return what goes before a command line, for a wall clock that the bench can set."""
    library = faketime() if setup.clocks else None
    if library is None:
        return []
    setup.clock(node).write_text("+0\n")
    told = f"FAKETIME_TIMESTAMP_FILE={setup.clock(node)}"
    # The kernel's monotonic clocks are not to be set by anybody.
    other = ["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"]
    return ["env", f"LD_PRELOAD={library}", told, *other]


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
    password.write_text("bench password\n")


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


def vips(count: int) -> dict[int, IPv4Address]:
    """Return the addresses of that many groups, by vhid; of one the usual one."""
    if count == 1:
        return {VHID: VIP}
    return {vhid: IPv4Address("10.0.1.0") + vhid for vhid in range(1, count + 1)}


def wait_for(condition: Callable[[], bool], what: str, more: float = 0) -> None:
    """Return once `condition` holds. TimeoutError after a while, and `more` seconds."""
    patience = PATIENCE + more
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:.0f} s for {what}")
        time.sleep(0.005)
