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
from pathlib import Path

from bench.peers import CLIENT, NODES, PEERS, VIP, Peer, Setup, wait_for
from carpool.lab.faults import crash
from carpool.lab.namespaces import LabError, inside, why_unsupported
from carpool.lab.network import Lab
from carpool.lab.probe import Probe, longest, start_echo

MILLISECOND = 1_000_000
SKEWS = {"a": 0, "b": 0}
DAEMONS = ("carpool", "ucarp")
FAULTS = ("node death", "clean stop")


def measure(peer: str, fault: str, phase: float) -> float:
    """Run one round in a lab of its own and return the client's outage in milliseconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if inside(lambda: run_round(PEERS[peer], fault, phase, folder)) != 0:
            raise LabError(f"a round of {fault} failed, see above")
        return float((folder / "outage").read_text())


def run_round(peer: Peer, fault: str, phase: float, folder: Path) -> int:
    """Let the master fail once, and write what it cost. TimeoutError if the outage never ends."""
    setup = Setup(folder, SKEWS, {})
    with Lab() as lab:
        zones = [lab.add_zone(name, "net0", [NODES[name]]) for name in SKEWS]
        client = lab.add_zone("client", "net0", [CLIENT])
        daemons = {}
        for zone in zones:
            start_echo(zone)
            (daemons[zone.name],) = peer.start(zone, setup)
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


def run(rounds: int, output: Path | None) -> int:
    """Measure everything in turn, print the table, and write the figures."""
    figures: dict[str, dict[str, list[float]]] = {
        fault: {name: [] for name in DAEMONS} for fault in FAULTS
    }
    for index in range(rounds):
        for fault, measured in figures.items():
            for name in DAEMONS:
                value = measure(name, fault, index / rounds)
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
        machine = {
            "python": platform.python_version(),
            "kernel": ".".join(platform.release().split(".")[:2]),
        }
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
