"""What a client suffers when the master goes: carpool beside Debian's ucarp, in one run.

Both run with ucarp's defaults (advbase 1, advskew 0, dead ratio 3) in the same kind of lab, taking
turns. A client asks the virtual address every millisecond; the outage is the longest time without
an answer. Round i of each kind has its fault i/rounds of an advertisement interval after an
advertisement, so that no daemon is lucky with the moment.

    python -m bench.outage [--rounds 5] [--json FILE]
"""

import argparse
import json
import platform
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from subprocess import Popen

from carpool.lab.faults import crash
from carpool.lab.namespaces import LabError, inside, why_unsupported
from carpool.lab.network import Lab
from carpool.lab.probe import Probe, longest, start_echo
from carpool.lab.zone import Zone

VIP = IPv4Address("10.0.0.100")
NODES = {"a": IPv4Interface("10.0.0.1/24"), "b": IPv4Interface("10.0.0.2/24")}
CLIENT = IPv4Interface("10.0.0.9/24")
MILLISECOND = 1_000_000
PATIENCE = 30.0  # seconds until a step of a round is given up

CLUSTER = """\
[nodes.a]
address = "10.0.0.1/24"
interface = "net0"
[nodes.b]
address = "10.0.0.2/24"
interface = "net0"
[groups.vip]
vhid = 42
addresses = ["10.0.0.100/32"]
password_file = "password"
advskew = 0
"""

Start = Callable[[Zone, Path], Popen[bytes]]


def start_carpool(zone: Zone, folder: Path) -> Popen[bytes]:
    """Start carpool's daemon in a zone."""
    cluster = folder / "cluster.toml"
    command = [sys.executable, "-m", "carpool", "run", str(cluster), "--node", zone.name]
    command += ["--state-dir", str(folder / "state")]
    return zone.start(command, log=folder / f"{zone.name}.log")


def start_ucarp(zone: Zone, folder: Path) -> Popen[bytes]:
    """Start ucarp in a zone, with the usual pair of scripts."""
    command = ["ucarp", "-i", "net0", "-s", str(NODES[zone.name].ip), "-v", "42", "-a", str(VIP)]
    command += ["-o", str(folder / "password"), "-z", "-f", "none"]
    command += ["-u", str(folder / "up.sh"), "-d", str(folder / "down.sh")]
    return zone.start(command, log=folder / f"{zone.name}.log")


DAEMONS: dict[str, Start] = {"carpool": start_carpool, "ucarp": start_ucarp}
FAULTS = ("node death", "clean stop")


def measure(start: Start, fault: str, phase: float) -> float:
    """Run one round in a lab of its own and return the client's outage in milliseconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        if inside(lambda: run_round(start, fault, phase, folder)) != 0:
            raise LabError(f"a round of {fault} failed, see above")
        return float((folder / "outage").read_text())


def run_round(start: Start, fault: str, phase: float, folder: Path) -> int:
    """Let the master fail once, and write what it cost. TimeoutError if the outage never ends."""
    with Lab() as lab:
        zones = [lab.add_zone(name, "net0", [address]) for name, address in NODES.items()]
        client = lab.add_zone("client", "net0", [CLIENT])
        daemons = {}
        for zone in zones:
            start_echo(zone)
            daemons[zone.name] = start(zone, folder)
            if zone is zones[0]:
                wait_for(lambda: zones[0].holds(VIP), "the first node to become master")
        with Probe(lab, client, VIP, interval=MILLISECOND) as probe:
            wait_for(lambda: len(probe.answers()) > 500, "answers from the virtual address")
            time.sleep(2 + phase)
            began = time.monotonic_ns()
            if fault == "node death":
                crash(lab, zones[0])
            else:
                daemons["a"].send_signal(signal.SIGTERM)
            wait_for(lambda: probe.answers()[-1].zone == "b", f"an answer of b after a {fault}")
            time.sleep(0.2)
            outage = longest(probe.answers(), since=began)
    if outage is None:
        raise TimeoutError("the client saw no end of the outage")
    (folder / "outage").write_text(str(outage.duration / MILLISECOND))
    return 0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return once `condition` holds. TimeoutError after a while."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(0.005)


def prepare(folder: Path) -> None:
    """Write what the daemons need."""
    (folder / "cluster.toml").write_text(CLUSTER)
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text("bench\n")
    for name, verb in (("up.sh", "add"), ("down.sh", "del")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec ip address {verb} "$2/32" dev "$1"\n')
        script.chmod(0o755)


def run(rounds: int, output: Path | None) -> int:
    """Measure everything in turn, print the table, and write the figures."""
    figures: dict[str, dict[str, list[float]]] = {
        fault: {name: [] for name in DAEMONS} for fault in FAULTS
    }
    for index in range(rounds):
        for fault, measured in figures.items():
            for name, start in DAEMONS.items():
                value = measure(start, fault, index / rounds)
                measured[name].append(value)
                print(
                    f"round {index + 1}/{rounds}  {fault:<10}  {name:<8} {value:8.1f} ms",
                    file=sys.stderr,
                )
    print(f"\noutage seen by a client, median of {rounds} (least-most), ms")
    print(f"{'':<11} {'carpool':>22} {'ucarp':>22}   ratio")
    for fault, measured in figures.items():
        cells = [
            f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"
            for values in measured.values()
        ]
        ours, theirs = (statistics.median(values) for values in measured.values())
        print(f"{fault:<11} {cells[0]:>22} {cells[1]:>22}   {ours / theirs:.3f}")
    if output:
        machine = {"python": platform.python_version(), "kernel": platform.release()}
        output.write_text(json.dumps({"machine": machine, "outage_ms": figures}, indent=1) + "\n")
    return 0


def main() -> int:
    """Check that this machine can measure, then do."""
    parser = argparse.ArgumentParser("python -m bench.outage", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each kind (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    options = parser.parse_args()
    missing = [program for program in ("ucarp", "ip") if shutil.which(program) is None]
    reason = why_unsupported() or (missing and f"not installed: {', '.join(missing)}")
    if reason:
        print(f"bench.outage: {reason}", file=sys.stderr)
        return 2
    try:
        return run(options.rounds, options.json)
    except LabError as error:
        print(f"bench.outage: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
