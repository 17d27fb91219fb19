"""carpool, ucarp and keepalived side by side: `python -m bench`, or `make bench`.

Every measure is made of all kinds of daemon in turn, round by round, in one run, in network
namespaces that go with the round. The figures are written after each measure, so that a run that
was broken off keeps what it has, and goes on with --resume.

    python -m bench [--quick] [--only death addresses-* ...] [--minutes 10] [--rounds 3]
                    [--json bench/results/latest.json] [--resume] [--report] [--list]
"""

import argparse
import compileall
import fnmatch
import shutil
import signal
import sys
import time
from pathlib import Path

import carpool
from bench.measure import Settings
from bench.measures import MEASURES
from bench.peers import PEERS
from bench.performance_page import write
from bench.performance_readme import renewed, summary
from bench.results import Results
from bench.run import run_measure
from carpool.lab.namespaces import why_unsupported

RESULTS = Path(__file__).parent / "results" / "latest.json"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
README = Path(__file__).parent.parent / "README.md"
PROGRAMS = ("ip", "nft")


def chosen(patterns: list[str], *, quick: bool = False) -> list[str]:
    """Return the measures that match; without patterns all, or those of a quick run.

    ValueError if a pattern matches nothing.
    """
    for pattern in patterns:
        if not fnmatch.filter(MEASURES, pattern):
            raise ValueError(f"no such measure: {pattern}; --list tells what there is")
    if not patterns:
        return [name for name, measure in MEASURES.items() if measure.rounds[quick]]
    return [
        name for name in MEASURES if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
    ]


def main() -> int:
    """Check that this machine can measure, then do. Return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="less of each, in six minutes")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these, as globs")
    parser.add_argument("--peers", default=",".join(PEERS), help="kinds of daemon, with commas")
    parser.add_argument("--rounds", type=int, help="rounds of each, instead of the usual")
    parser.add_argument("--minutes", type=float, help="how long a fast profile is to hold (1)")
    parser.add_argument("--json", type=Path, default=RESULTS, help="the figures' file")
    parser.add_argument("--resume", action="store_true", help="leave out what the file has")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the page")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    parser.add_argument("--list", action="store_true", help="tell what is measured")
    options = parser.parse_args()
    try:
        names = chosen(options.only, quick=options.quick)
    except ValueError as error:
        parser.error(str(error))
    unknown = [peer for peer in options.peers.split(",") if peer not in PEERS]
    if unknown:
        parser.error(f"no such kind of daemon: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if options.list:
        print("\n".join(f"{name:<16} {MEASURES[name].title}" for name in names))
        return 0
    if options.report:
        report(Results.load(options.json), options.page)
        return 0
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    reason = why_unsupported() or (missing and f"not installed: {', '.join(missing)}")
    if reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 2
    # As pip does with what it installs: whoever sets PYTHONDONTWRITEBYTECODE would measure Python's
    # compiler, each time a daemon starts.
    compileall.compile_dir(Path(carpool.__file__).parent, quiet=1)
    try:
        return measure_all(options, names)
    except KeyboardInterrupt:
        print("bench: broken off; --resume goes on from here", file=sys.stderr)
        return 128 + signal.SIGINT


def measure_all(options: argparse.Namespace, names: list[str]) -> int:
    """Measure, writing the file after each measure and the page at the end."""
    peers = []
    for peer in options.peers.split(","):
        if shutil.which(PEERS[peer].program):
            peers.append(peer)
        else:
            print(f"bench: {peer} is not installed: its columns stay empty", file=sys.stderr)
    settings = Settings(options.minutes or (0.25 if options.quick else 1.0), options.quick)
    results = Results.load(options.json) if options.resume or options.only else Results()
    results.begin({peer: PEERS[peer].version() for peer in peers})
    began = time.monotonic()
    for number, name in enumerate(names, start=1):
        if options.resume and name in results.measures:
            continue
        told = f"{(time.monotonic() - began) / 60:5.1f} min  {number}/{len(names)}"
        print(f"{told}  {MEASURES[name].title}", file=sys.stderr, flush=True)
        results.add(name, run_measure(MEASURES[name], peers, options.rounds, settings))
        results.save(options.json)
    report(results, options.page)
    print(options.page.read_text())
    failed = [name for name in names if results.measures[name]["failed"]]
    if failed:
        print(f"bench: rounds failed in: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def report(results: Results, path: Path) -> None:
    """Write the page; if it is the project's, the README's table too."""
    write(results, path)
    if path == PAGE:
        README.write_text(renewed(README.read_text(), summary(results)))


if __name__ == "__main__":
    sys.exit(main())
