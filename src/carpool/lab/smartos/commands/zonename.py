"""zonename: the name of this zone."""

import json
from collections.abc import Sequence

from carpool.lab.smartos.places import SEEN_CONFIG


def main(_: Sequence[str]) -> int:
    """Print it."""
    try:
        print(json.loads((SEEN_CONFIG / "vm.json").read_text())["zonename"])
    except FileNotFoundError:
        print("global")
    return 0
