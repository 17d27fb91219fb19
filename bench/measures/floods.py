"""Floods: 20,000 frames a second that are none of the group's, and a master that dies meanwhile.

A stranger floods the network of a master and a backup. `drained` is how many frames the backup gets
rid of in a second of its processor time, in the kernel or by itself. `missed` counts advertisements
of the master that the observer did not hear in time, `false` those of the backup: it was not to be
master. Then the master's node loses its power, and the flood goes on.
"""

import time
from collections.abc import Callable
from itertools import pairwise

from bench import flood
from bench.measure import Figures, Measure, Round
from bench.measures.outages import PREFERRED
from bench.observer import Kind
from bench.peers import INTERFACE, NODES, VHID, wait_for
from bench.processes import Use
from bench.scene import MILLISECOND, Scene
from carpool.lab.faults import crash

RATE = 20_000
FLOODS = {
    "bad-hmac": "bad digest",
    "foreign-vhid": "foreign vhid",
    "truncated": "truncated",
    "vrrp": "VRRP",
}
LATE = 1.2  # seconds between two advertisements from which one counts as missed
ASK_EVERY = 5 * MILLISECOND
QUIET = 3.0  # seconds
LEAST = 1e-4  # seconds of processor time: less is not to be divided by
UNITS = {
    "backup_cpu": "% of a core",
    "master_cpu": "% of a core",
    "rate": "frames/s",
    "drained": "frames/CPU-s",
    "missed": "times",
    "false": "times",
    "outage": "ms",
    "two": "ms",
}
FLOODER = NODES["a"] + 0x606 - 1  # 10.0.6.6


def _flood(kind: str) -> Callable[[Round], Figures]:
    """Return the `run` for a kind of frames."""

    def run(this: Round) -> Figures:
        skews = PREFERRED[this.peer.name]
        with Scene(this.peer, this.folder, skews=skews, ask_every=ASK_EVERY, lag=this.lag) as scene:
            stranger = scene.lab.add_zone("flooder", INTERFACE, [FLOODER])
            report = this.folder / "rate"
            program = [this.python, "-P", flood.__file__, kind, str(RATE), str(report)]
            stranger.start([*program, str(VHID)], log=this.folder / "flood.log")
            wait_for(report.exists, "the flood")
            seconds = this.settings.seconds(10, 5)
            scene.begin()
            uses = {name: Use.begin(scene.of_daemon(name)) for name in scene.nodes}
            time.sleep(seconds)
            cpu = {name: use.percent() for name, use in uses.items()}
            rate = float(report.read_text())
            missed, false = _advertised(scene)
            this.before_fault(scene)
            crash(scene.lab, scene.zone("a"))
            scene.until_answered_by("b")
            time.sleep(0.5)
            return {
                "backup_cpu": cpu["b"],
                "master_cpu": cpu["a"],
                "rate": rate,
                "drained": rate / max(LEAST, cpu["b"] / 100),
                "missed": missed,
                "false": false,
                "outage": scene.gap(scene.began),
                "two": scene.two(scene.began),
            }

    return run


def _advertised(scene: Scene) -> tuple[int, int]:
    """Count the master's advertisements that were late, and the backup's, since `begin`."""
    heard = [one for one in scene.seen() if one.kind is Kind.ADVERTISED and one.when > scene.began]
    master, backup = (NODES[name].ip.packed for name in "ab")
    times = [scene.began, *(one.when for one in heard if one.source == master)]
    late = sum(after - before > LATE * 1e9 for before, after in pairwise(times))
    return late, sum(one.source == backup for one in heard)


MEASURES = tuple(
    Measure(
        f"flood-{name}",
        f"{RATE:,} frames/s: {kind}",
        _flood(kind),
        UNITS,
        rounds=(2, 1) if name == "bad-hmac" else (1, 1 if name == "vrrp" else 0),
        calm=40.0,
    )
    for name, kind in FLOODS.items()
)
