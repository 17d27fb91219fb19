"""What holding addresses costs a machine: CPU and memory of carpool, ucarp and keepalived.

One node holds 1, 16, 64 or 255 addresses, an advertisement each second for each, with nobody beside
it: first idle, then (with one address) under floods of advertisements that are not for it. The
kinds of daemon take turns in one run. CPU is user and system time of all the daemon's processes, in
percent of one core; memory is the sum of their proportional set sizes (PSS).

    python -m bench.cost [--seconds 20] [--rounds 3] [--addresses 1,16,64,255] [--json FILE]
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from carpool.lab.namespaces import LabError, inside, why_unsupported
from carpool.lab.network import Lab
from carpool.lab.zone import Zone

NODE = IPv4Interface("10.0.0.1/16")
STRANGER = IPv4Interface("10.0.6.6/16")
INTERFACE = "net0"
PATIENCE = 60.0
FLOOD_RATE = 20_000
"""Frames per second."""
FLOODS = ("foreign vhid", "VRRP", "bad digest")
_TICKS = os.sysconf("SC_CLK_TCK")


def vips(count: int) -> list[IPv4Address]:
    """Return the virtual addresses of that many groups."""
    return [IPv4Address("10.0.1.0") + number for number in range(1, count + 1)]


def carpool(folder: Path, count: int) -> list[list[str]]:
    """Return the command line of one process with `count` groups."""
    lines = ["[nodes.a]", f'address = "{NODE}"', f'interface = "{INTERFACE}"']
    for vhid, vip in enumerate(vips(count), start=1):
        lines += [f"[groups.vip{vhid}]", f"vhid = {vhid}", f'addresses = ["{vip}/32"]']
        lines += ['password_file = "password"', "advskew = 0"]
    (folder / "cluster.toml").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-P", "-m", "carpool", "run", str(folder / "cluster.toml")]
    folders = ["--state-dir", str(folder / "state"), "--run-dir", str(folder / "run")]
    return [[*command, "--node", "a", *folders]]


def ucarp(folder: Path, count: int) -> list[list[str]]:
    """Return `count` command lines: a process serves one address."""
    for verb, name in (("add", "up"), ("del", "down")):
        script = folder / f"{name}.sh"
        script.write_text(f'#!/bin/sh\nexec ip address {verb} "$2/32" dev "$1"\n')
        script.chmod(0o755)
    common = ["ucarp", "-i", INTERFACE, "-s", str(NODE.ip), "-o", str(folder / "password")]
    common += ["-z", "-f", "none", "-u", str(folder / "up.sh"), "-d", str(folder / "down.sh")]
    return [
        [*common, "-v", str(vhid), "-a", str(vip)] for vhid, vip in enumerate(vips(count), start=1)
    ]


def keepalived(folder: Path, count: int) -> list[list[str]]:
    """Return the command line of one process with `count` instances."""
    blocks = ["global_defs {\n router_id bench\n}"]
    for vrid, vip in enumerate(vips(count), start=1):
        blocks.append(
            f"vrrp_instance v{vrid} {{\n state BACKUP\n interface {INTERFACE}\n"
            f" virtual_router_id {vrid}\n priority 100\n advert_int 1\n nopreempt\n"
            f" virtual_ipaddress {{\n {vip}/32\n }}\n}}"
        )
    (folder / "keepalived.conf").write_text("\n".join(blocks) + "\n")
    (folder / "keepalived.conf").chmod(0o644)
    pids = [f"--{kind}={folder}/{kind}" for kind in ("pid", "vrrp_pid")]
    command = ["keepalived", "-f", str(folder / "keepalived.conf"), "-n", "-l", "-P", "-G"]
    return [[*command, *pids]]


PEERS: dict[str, Callable[[Path, int], list[list[str]]]] = {
    "carpool": carpool,
    "ucarp": ucarp,
    "keepalived": keepalived,
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Percent of a core, MiB, and for a flood the frames per second that were sent."""

    peer: str
    addresses: int
    load: str
    cpu: float
    memory: float
    rate: float = 0.0


def cpu_ticks(processes: Sequence[int]) -> int:
    """Return the user and system time of all these processes together."""
    total = 0
    for pid in processes:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total


def pss_kib(processes: Sequence[int]) -> int:
    """Return the proportional set size of all these processes together."""
    total = 0
    for pid in processes:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(rollup.partition("Pss:")[2].split()[0])
    return total


def measure(peer: str, count: int, load: str, seconds: float, folder: Path) -> Cost:
    """Start the daemon, wait until it holds all addresses, and measure it for `seconds`."""
    with Lab() as lab:
        node = lab.add_zone("a", INTERFACE, [NODE])
        stranger = lab.add_zone("stranger", INTERFACE, [STRANGER])
        for number, command in enumerate(PEERS[peer](folder, count)):
            node.start(command, log=folder / f"{number}.log")
        wait_until(lambda: held(node, count), f"{count} addresses of {peer}")
        time.sleep(3)  # the second announcements
        flood = None
        if load != "idle":
            report = folder / "rate"
            program = [sys.executable, "-P", "-m", "bench.flood", load, str(FLOOD_RATE)]
            flood = stranger.start([*program, str(report)], log=folder / "flood.log")
            wait_until(report.exists, "the flood")
        processes = node.processes()
        memory = pss_kib(processes) / 1024
        before, began = cpu_ticks(processes), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        cpu = (cpu_ticks(processes) - before) / _TICKS / took * 100
        rate = float(report.read_text()) if flood is not None else 0.0
        if not held(node, count):
            raise LabError(f"{peer} has lost an address under: {load}")
        return Cost(peer, count, load, cpu, memory, rate)


def held(node: Zone, count: int) -> bool:
    """Tell whether the node has all virtual addresses."""
    here = {interface.ip for interface in node.addresses()}
    return here >= set(vips(count))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return once `condition` holds. LabError after a minute."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(0.05)


def in_namespaces(peer: str, count: int, load: str, seconds: float) -> Cost:
    """Measure in namespaces of its own, by a process that ends with them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        password = folder / "password"
        password.touch(mode=0o600)
        password.write_text("bench\n")
        result = folder / "cost.json"

        def run() -> int:
            result.write_text(json.dumps(asdict(measure(peer, count, load, seconds, folder))))
            return 0

        if inside(run) != 0:
            raise LabError(f"{peer} with {count} addresses, {load}: failed, see above")
        return Cost(**json.loads(result.read_text()))


def plan(counts: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield what is measured: numbers of addresses when idle, then the floods."""
    yield from ((count, "idle") for count in counts)
    yield from ((1, flood) for flood in FLOODS)


def table(costs: Sequence[Cost]) -> Iterator[str]:
    """Yield the lines of a Markdown table: medians, and ratios to carpool's."""
    yield "| load | addresses | daemon | CPU, % of a core | memory, MiB | CPU / carpool's |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for count, load in dict.fromkeys((cost.addresses, cost.load) for cost in costs):
        medians: dict[str, tuple[float, float]] = {}
        for peer in PEERS:
            these = [c for c in costs if (c.peer, c.addresses, c.load) == (peer, count, load)]
            if these:
                cpu = statistics.median(cost.cpu for cost in these)
                medians[peer] = cpu, statistics.median(cost.memory for cost in these)
        for peer, (cpu, memory) in medians.items():
            own = medians.get("carpool", (0.0, 0.0))[0]
            ratio = f"{cpu / own:.2f}" if own else "-"
            yield f"| {load} | {count} | {peer} | {cpu:.3f} | {memory:.1f} | {ratio} |"


def main() -> int:
    """Measure, and print the table. Return the exit code."""
    parser = argparse.ArgumentParser("bench.cost", description="CPU and memory, side by side.")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--addresses", default="1,16,64,255")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    lacking = why_unsupported()
    if lacking:
        print(f"bench.cost: {lacking}", file=sys.stderr)
        return 2
    peers = [name for name in options.peers.split(",") if name in PEERS]
    absent = [name for name in peers if name != "carpool" and shutil.which(name) is None]
    if absent:
        print(f"bench.cost: not installed: {', '.join(absent)}", file=sys.stderr)
        return 2
    counts = [int(count) for count in options.addresses.split(",")]
    costs: list[Cost] = []
    for round_number in range(options.rounds):
        for count, load in plan(counts):
            for peer in peers:
                cost = in_namespaces(peer, count, load, options.seconds)
                costs.append(cost)
                told = f"{cost.cpu:.3f} %, {cost.memory:.1f} MiB"
                rate = f", {cost.rate:.0f} frames/s" if cost.rate else ""
                print(
                    f"round {round_number + 1}: {peer}, {count}, {load}: {told}{rate}",
                    file=sys.stderr,
                )
    print("\n".join(table(costs)))
    if options.json:
        options.json.write_text(json.dumps([asdict(cost) for cost in costs], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
