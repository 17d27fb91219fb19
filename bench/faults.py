"""What each fault costs beside ucarp and keepalived, measured in one run: docs/faults.md.

Each round is in a lab of its own: two nodes, a client that asks the virtual address every
millisecond, and an observer that asks for it by ARP every five. Round i of a fault begins
i/rounds of an advertisement interval later, so that no daemon is lucky with the moment.

    python -m bench.faults [--only FAULT ...] [--peers ucarp,keepalived,carpool] [--rounds 3]
                           [--jobs 6] [--json FILE] [--markdown docs/faults.md]
                           [--figures FILE] [--soak FILE]
"""

import argparse
import json
import platform
import shutil
import signal
import sys
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.fault_list import FAULTS
from bench.faults_page import page
from bench.peers import PEERS, faketime
from bench.pool import at_a_time, in_namespaces
from bench.scene import MILLISECOND, NOISE, SKEWS, Cost, Scene
from carpool.lab.namespaces import LabError, why_unsupported

ATTEMPTS = 3
Costs = dict[str, dict[str, list[Cost]]]
"""By fault and peer, one for each round."""


def measure(name: str, peer: str, phase: float) -> Cost | str:
    """Run one round; return what it cost, or why it failed."""
    found = in_namespaces(lambda folder: _round(name, peer, phase, folder))
    return found if isinstance(found, str) else Cost(**found)


def measure_again(name: str, peer: str, phase: float) -> Cost | str:
    """Run one round, and again if it never got to the fault: the machine may be busy."""
    for _ in range(ATTEMPTS):
        cost = measure(name, peer, phase)
        if isinstance(cost, Cost):
            break
    return cost


def _round(name: str, peer: str, phase: float, folder: Path) -> dict[str, Any]:
    fault = FAULTS[name]
    own: dict[str, Any] = {"hold_down": fault.hold_down, "clocks": fault.clocks}
    with Scene(PEERS[peer], folder, dict(fault.hooks), fault.log, **own) as scene:
        time.sleep(phase)
        scene.begin()
        fault.act(scene)
        time.sleep(fault.watch)
        return asdict(scene.cost())


def run(names: list[str], peers: list[str], rounds: int, jobs: int) -> Costs:
    """Measure everything, several labs at a time: they mostly wait."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    costs: Costs = {name: {peer: [] for peer in peers} for name in names}
    failures: defaultdict[str, int] = defaultdict(int)
    for jobs_now, alone in ((jobs, False), (1, True)):
        todo = [
            (name, peer, index / rounds)
            for index in range(rounds)
            for name in names
            for peer in peers
            if FAULTS[name].alone is alone
        ]
        for (name, peer, phase), cost in at_a_time(jobs_now, measure_again, todo):
            told = f"round {round(phase * rounds) + 1}/{rounds}  {name:<20}  {peer:<10} "
            if isinstance(cost, str):
                failures[f"{name} {peer}"] += 1
                print(f"{told} failed: {cost}", file=sys.stderr)
                continue
            costs[name][peer].append(cost)
            end = "" if cost.recovered else "  not recovered"
            print(
                f"{told} dark {cost.dark:8.1f} ms  two {cost.two:8.1f} ms  stale {cost.stale}{end}",
                file=sys.stderr,
            )
    if failures:
        raise LabError(f"rounds that failed: {', '.join(failures)}")
    return costs


def main() -> int:
    """Check that this machine can measure, then do."""
    parser = argparse.ArgumentParser("python -m bench.faults", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=FAULTS, metavar="FAULT", default=[*FAULTS])
    parser.add_argument("--peers", default=",".join(PEERS), help="kinds of daemon, with commas")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each kind (default 3)")
    parser.add_argument("--jobs", type=int, default=6, help="labs at a time (default 6)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page to FILE")
    parser.add_argument("--figures", type=Path, metavar="FILE", help="measure nothing: take FILE's")
    parser.add_argument(
        "--soak",
        type=Path,
        metavar="FILE",
        help="what bench.soak has written; without, the page keeps its section",
    )
    options = parser.parse_args()
    peers = [name for name in options.peers.split(",") if name]
    unknown = [name for name in peers if name not in PEERS]
    if unknown:
        parser.error(f"no such kind of daemon: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    try:
        report = (
            json.loads(options.figures.read_text())
            if options.figures
            else measure_all(options.only, peers, options.rounds, options.jobs)
        )
    except LabError as error:
        print(f"bench.faults: {error}", file=sys.stderr)
        return 2
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if options.markdown:
        soak = json.loads(options.soak.read_text()) if options.soak else None
        text = page(report, soak)
        if soak is None and options.markdown.exists():
            text += "".join(options.markdown.read_text().partition("\n## Soak\n")[1:])
        options.markdown.write_text(text)
    return 0


def measure_all(names: list[str], peers: list[str], rounds: int, jobs: int) -> dict[str, Any]:
    """Measure, and return all that the page tells. LabError if this machine cannot."""
    programs = ["ip", "nft", *(PEERS[name].program for name in peers)]
    missing = [program for program in programs if shutil.which(program) is None]
    if faketime() is None and any(FAULTS[name].clocks for name in names):
        missing.append("libfaketime (or LIBFAKETIME=FILE)")
    reason = why_unsupported() or (missing and f"not installed: {', '.join(missing)}")
    if reason:
        raise LabError(reason)
    began = time.monotonic()
    costs = run(names, peers, rounds, jobs)
    return {
        "command": "make faults",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "python": platform.python_version(),
        "versions": {name: PEERS[name].version() for name in peers},
        "rounds": rounds,
        "minutes": round((time.monotonic() - began) / 60),
        "skew": round(SKEWS["b"] * 1000 / 256),
        "noise": NOISE // MILLISECOND,
        "costs": {
            name: {peer: [asdict(cost) for cost in found] for peer, found in by_peer.items()}
            for name, by_peer in costs.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
