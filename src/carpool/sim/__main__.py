"""``python -m carpool.sim``: play many scenarios by chance, or one from a file."""

import argparse
import sys
import time
from pathlib import Path

from carpool.sim.campaign import campaign, show_progress
from carpool.sim.scenario import ScenarioError, play, read
from carpool.sim.story import story
from carpool.sim.verdict import violations

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
    options = parser.parse_args(arguments)
    if options.file is not None:
        return _replay(options.file)
    seeds = range(options.seed, options.seed + options.runs)
    failures, begun = 0, time.monotonic()
    for failure in campaign(seeds, jobs=options.jobs, progress=show_progress):
        failures += 1
        path = failure.save(options.save)
        print(f"\nseed {failure.seed} broke {failure.rule!r}; made small, in {path}:")
        print(failure.story())
    took = time.monotonic() - begun
    rate = f"{options.runs / took:,.0f} a second"
    outcome = f"{failures} invariants broken" if failures else "every invariant held"
    print(
        f"\n{options.runs:,} scenarios, seeds {seeds.start} to {seeds.stop - 1}, {rate}: {outcome}"
    )
    return 1 if failures else 0


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
