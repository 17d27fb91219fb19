"""Many hypervisors in one run of `carpool plan` and `carpool apply`: how long, and how much memory.

Groups of two zones, each zone on a hypervisor of its own, made from nothing in the SmartOS lab:
every hypervisor has a real SSH server, every zone boots and runs the real daemon. So this machine
does the work of all hypervisors beside the operator's, and it is what most of the time goes to:
`carpool plan` of a cluster that is there shows the operator's share.

    python -m bench.deploy [--groups 100] [--parallel 32] [--json FILE]
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from carpool.lab.namespaces import LabError
from carpool.lab.network import Lab
from carpool.lab.session import in_lab
from carpool.lab.smartos.lab import IMAGE, SmartosLab
from carpool.lab.smartos.performance import why_not

HYPERVISORS = IPv4Address("192.168.64.1")  # the first; the operator is on 192.168.0.0/16
ZONES = IPv4Address("10.0.0.1")
VIPS = IPv4Address("10.0.128.1")

HEAD = f"""\
[cluster]
name = "bench"
[zone]
brand = "joyent"
image = "{IMAGE.uuid}"
nic_tag = "external"
"""
NODE = """\
[nodes.n{number}]
address = "{address}/16"
interface = "net0"
hypervisor = "gz{number}.example.com"
"""
GROUP = """\
[groups.g{number}]
vhid = {vhid}
addresses = ["{vip}/16"]
password_file = "bench.key"
nodes = ["n{first}", "n{second}"]
advskew = {{ n{first} = 0, n{second} = 100 }}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a command: `seconds` of the clock, `cpu` of the operator's processor, its memory."""

    command: str
    seconds: float
    cpu: float
    peak_mib: float
    outcome: str


def cluster(groups: int) -> str:
    """Return a cluster file with groups of two zones, each on a network of its own."""
    text = HEAD
    for number in range(2 * groups):
        text += NODE.format(number=number, address=ZONES + number)
    for number in range(groups):
        vip, vhid = VIPS + number, number % 255 + 1
        first, second = 2 * number, 2 * number + 1
        text += GROUP.format(number=number, vhid=vhid, vip=vip, first=first, second=second)
    return text


def measure(folder: Path, groups: int, parallel: int, output: Path | None) -> int:
    """Make the hypervisors, run the commands, print a table, and write the figures."""
    with Lab() as lab, SmartosLab(lab, parent=folder) as place:
        began = time.monotonic()
        for number in range(2 * groups):
            place.add_hypervisor(
                f"gz{number}.example.com",
                IPv4Interface((HYPERVISORS + number, 16)),
                # A daemon hears its own network's groups: with one for all, mostly others'.
                nic_tags={"external": f"lan{number // 2}"},
            )
        show(f"{2 * groups} hypervisors are up", time.monotonic() - began)
        file = place.operator.home / "bench.toml"
        file.write_text(cluster(groups))
        key = file.with_suffix(".key")
        key.touch(0o600)
        key.write_text("bench password\n")
        options = [str(file), "--parallel", str(parallel)]
        runs = [
            run(place, "plan", options, "from nothing"),
            run(place, "apply", options, "from nothing"),
            run(place, "plan", options, "all is there"),
            run(place, "apply", options, "no change"),
            run(place, "status", options, "all is there"),
            run(place, "destroy", [*options, "--yes"], "all of it"),
        ]
    print(f"\n{2 * groups} hypervisors, {groups} groups of two zones, {parallel} at a time")
    print(f"{'':<22} {'seconds':>8} {'CPU, s':>8} {'MiB':>6}   outcome")
    for one in runs:
        cells = f"{one.seconds:8.1f} {one.cpu:8.1f} {one.peak_mib:6.0f}"
        print(f"{one.command:<22} {cells}   {one.outcome:.40}")
    if output:
        machine = {"python": platform.python_version(), "cpus": os.cpu_count()}
        facts = {"machine": machine, "hypervisors": 2 * groups, "parallel": parallel}
        output.write_text(json.dumps({**facts, "runs": [*map(asdict, runs)]}, indent=1) + "\n")
    return 0


def run(place: SmartosLab, command: str, options: Sequence[str], what: str) -> Run:
    """Run a command of carpool's to its end. Raises LabError if it fails."""
    program = [sys.executable, "-P", "-m", "carpool", command, *options]
    log = place.operator.home / f"{command}.log"
    began = time.monotonic()
    with log.open("w") as out:
        child = place.operator.popen(program, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    lines = log.read_text().splitlines()
    if child.returncode:
        raise LabError(
            f"carpool {command} ended with {child.returncode}:\n" + "\n".join(lines[-20:])
        )
    show(f"{command}, {what}", seconds)
    cpu = usage.ru_utime + usage.ru_stime
    return Run(f"{command}, {what}", seconds, cpu, usage.ru_maxrss / 1024, lines[-1])


def show(what: str, seconds: float) -> None:
    """Tell how far it is."""
    print(f"{seconds:8.1f} s  {what}", file=sys.stderr, flush=True)


def main() -> int:
    """Check that this machine can measure, then do."""
    parser = argparse.ArgumentParser("python -m bench.deploy", description=__doc__)
    parser.add_argument("--groups", type=int, default=100, help="of two zones each (default 100)")
    parser.add_argument("--parallel", type=int, default=32, help="hypervisors at a time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    options = parser.parse_args()
    if reason := why_not():
        print(f"bench.deploy: {reason}", file=sys.stderr)
        return 2
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return in_lab(lambda folder: measure(folder, options.groups, options.parallel, options.json))


if __name__ == "__main__":
    sys.exit(main())
