"""Coverage-guided fuzzing: ``python -m tests.fuzz.guided --runs 10000000 receive``.

libFuzzer chooses what to mutate by what it has reached, through atheris. It begins with the inputs
in corpus/, and keeps what it finds in build/fuzz/TARGET. An input that breaks the oracle is written
to build/fuzz/TARGET-crash-...; give that file in place of --runs to see it again.

The other fuzz, ../carp/fuzz.py, needs nothing but Python.
"""

import argparse
import importlib
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

KEPT = Path(__file__).with_name("corpus")
FOUND = Path("build/fuzz")
TOLD_EVERY = 1_000_000
"""Frames."""
LONGEST = 500
"""Bytes of an input: some seven frames."""


def kept(target: str) -> list[bytes]:
    """Return the inputs of corpus/TARGET.txt, one a line in hex."""
    lines = (KEPT / f"{target}.txt").read_text().split()
    return [bytes.fromhex(line) for line in lines]


def targets() -> dict[str, tuple[Callable[[bytes], Any], Callable[[], Iterable[bytes]]]]:
    """Return what each target does with an input, and its seeds. Imports what it tries."""
    parsers = importlib.import_module("tests.fuzz.parsers")
    receive = importlib.import_module("tests.fuzz.receive")
    seeds = importlib.import_module("tests.fuzz.seeds")
    return {
        "receive": (receive.try_input, seeds.inputs),
        "netlink": (parsers.try_netlink, parsers.netlink_seeds),
        "control": (parsers.try_control, parsers.control_seeds),
    }


def counted(try_one: Callable[[bytes], list[Any]]) -> Callable[[bytes], None]:
    """Say how many frames there were in the inputs so far, and how many of them were accepted."""
    frames = accepted = 0

    def try_and_count(data: bytes) -> None:
        nonlocal frames, accepted
        before, results = frames, try_one(data)
        frames += len(results)
        accepted += results.count(None)
        if frames // TOLD_EVERY > before // TOLD_EVERY:
            sys.stderr.write(f"frames: {frames:,}, of which accepted: {accepted:,}\n")

    return try_and_count


def main() -> int:
    """Fuzz one target until the runs are over or something is found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=int, default=LONGEST, help="bytes of an input")
    parser.add_argument("target", choices=("receive", "netlink", "control"))
    parser.add_argument("input", nargs="*", type=Path, help="try these files, and nothing else")
    arguments = parser.parse_args()
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        sys.stderr.write(
            "no atheris here: it comes for CPython 3.11 to 3.13 on Linux x86-64. Say make fuzz "
            "there, or make fuzz-unguided, which needs nothing\n"
        )
        return 2
    with atheris.instrument_imports(include=["carpool.carp", "carpool.netlink", "carpool.node"]):
        try_one, seeds = targets()[arguments.target]
    corpus = FOUND / arguments.target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate((*seeds(), *kept(arguments.target))):
        (corpus / f"seed{number:04}").write_bytes(data)
    if arguments.target == "receive":
        try_one = counted(try_one)
    options = [
        f"-runs={arguments.runs}",
        f"-seed={arguments.seed}",
        f"-max_len={arguments.longest}",
    ]
    options += [f"-artifact_prefix={FOUND / arguments.target}-", "-print_final_stats=1"]
    where = arguments.input or [corpus]
    custom = {}
    if arguments.target == "receive":
        mutate = importlib.import_module("tests.fuzz.mutate")

        def mutated(data: bytes, longest: int, seed: int) -> bytes:
            return bytes(mutate.mutated(data, longest, random.Random(seed), atheris.Mutate))

        custom["custom_mutator"] = mutated
    atheris.Setup([sys.argv[0], *options, *map(str, where)], try_one, **custom)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
