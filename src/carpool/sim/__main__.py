"""``python -m carpool.sim``: play many scenarios by chance, or one from a file."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from carpool.sim.campaign import Progress, campaign, smallest
from carpool.sim.explorer import Explorer
from carpool.sim.scenario import ScenarioError, play, read
from carpool.sim.story import story
from carpool.sim.verdict import violations

CLUSTERS = (((0, 100), False), ((0, 100), True), ((7, 7), False), ((0, 100, 200), False))
"""What is explored: advskews, and whether the nodes preempt."""

EPILOG = """exit codes: 0 every invariant held; 1 one did not: its story is printed, and the
scenario, made as small as can be, is saved; 2 the file is no scenario.
"""


def main(arguments: list[str] | None = None) -> int:
    """Play what is asked for and return the exit code."""
    parser = argparse.ArgumentParser(
        "python -m carpool.sim",
        description="Play fault scenarios on a virtual LAN, around the daemon's own core.",
        epilog=EPILOG,
    )
    parser.add_argument("file", type=Path, nargs="?", help="play this scenario, and tell its story")
    parser.add_argument("--runs", type=int, default=10_000, metavar="N", help="how many (10,000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first seed (0)")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (one for each core)")
    parser.add_argument(
        "--save", type=Path, default=Path(), metavar="DIR", help="where failures are saved"
    )
    parser.add_argument(
        "--explore", type=int, metavar="DEPTH", help="every interleaving, of so many choices"
    )
    parser.add_argument("--faults", type=int, default=2, metavar="N", help="with --explore (2)")
    options = parser.parse_args(arguments)
    if options.explore is not None:
        return _explore(options.explore, options.faults)
    if options.file is not None:
        return _replay(options.file)
    try:
        options.save.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--save {options.save}: {error.strerror}")
    seeds = range(options.seed, options.seed + options.runs)
    known: Counter[str] = Counter()
    progress = Progress(len(seeds))
    for seed, rule in campaign(seeds, progress, jobs=options.jobs):
        known[rule] += 1
        if known[rule] > 1:
            print(f"\nseed {seed} broke {rule!r} as well", flush=True)
            continue
        failure = smallest(seed, rule)
        path = failure.save(options.save)
        print(f"\nseed {seed} broke {rule!r}; made small, in {path}:")
        print(failure.story(), flush=True)
    print(f"\nseeds {seeds.start} to {seeds.stop - 1}: {progress.summary()}")
    return 1 if known else 0


def _explore(depth: int, faults: int) -> int:
    broken = 0
    for advskews, preempt in CLUSTERS:
        found = Explorer(advskews, preempt=preempt).explore(depth, faults=faults)
        print(
            f"advskews {', '.join(map(str, advskews))}{', preempt' * preempt}: "
            f"{found.states:,} states by {found.choices:,} choices, depth {depth}, "
            f"{faults} faults; {found.ends:,} ends, {len(found.faults)} of them wrong"
        )
        for wrong in found.faults[:3]:
            print(f"  {wrong}")
        broken += len(found.faults)
    return 1 if broken else 0


def _replay(path: Path) -> int:
    try:
        scenario = read(path.read_text())
    except (OSError, UnicodeDecodeError, ScenarioError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    lan = play(scenario)
    found = violations(scenario, lan)
    print(story(scenario, lan, found), end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
