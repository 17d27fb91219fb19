"""What each interval costs: a master and a backup of one address, from a second to 4 ms."""

import time
from collections.abc import Callable
from fractions import Fraction

from bench.measure import ALL, Figures, Measure, Round
from bench.measures.outages import PREFERRED
from bench.processes import Use
from bench.scene import MILLISECOND, Scene

STEPS = {1000: 256, 500: 128, 250: 64, 100: 26, 50: 13, 20: 5, 12: 3, 8: 2, 4: 1}
"""Milliseconds, as told, and what CARP can say of them, in 1/256 s."""
IN_QUICK = {1000, 100, 4}
SHORTEST_OF_VRRP = 10  # ms
QUIET = 3.0  # seconds
ASK_EVERY = 20 * MILLISECOND
UNITS = {"master_cpu": "% of a core", "backup_cpu": "% of a core"}


def _cost(milliseconds: int) -> Callable[[Round], Figures]:
    def run(this: Round) -> Figures:
        name = this.peer.name
        interval = Fraction(STEPS[milliseconds], 256)
        if name == "keepalived":
            interval = Fraction(milliseconds, 1000)
        with Scene(
            this.peer,
            this.folder,
            skews=PREFERRED[name],
            interval=interval,
            ask_every=ASK_EVERY,
            quiet=QUIET,
        ) as scene:
            uses = {node: Use.begin(scene.of_daemon(node)) for node in scene.nodes}
            time.sleep(this.settings.seconds(10, 3))
            return {"master_cpu": uses["a"].percent(), "backup_cpu": uses["b"].percent()}

    return run


def _peers(milliseconds: int) -> tuple[str, ...]:
    if milliseconds >= 1000:
        return ALL
    in_vrrp = milliseconds >= SHORTEST_OF_VRRP and milliseconds % 10 == 0
    return ("carpool", "keepalived") if in_vrrp else ("carpool",)


MEASURES = tuple(
    Measure(
        f"interval-{milliseconds}",
        f"{milliseconds} ms",
        _cost(milliseconds),
        UNITS,
        rounds=(1, 1 if milliseconds in IN_QUICK else 0),
        peers=_peers(milliseconds),
        jobs=3,
    )
    for milliseconds in STEPS
)
