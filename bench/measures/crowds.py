"""Many addresses: how long until all are there, what they cost, and how long until all have moved.

One lab for each number of addresses and kind of daemon: node `a` starts alone and gets all of them,
`b` joins, both are watched for a while, and `a` loses its power. An address has moved when its new
holder announces it by gratuitous ARP: that is when switches and neighbours know. `noticed` is the
same, but from the address's own last advertisement on: daemons spread them over the second.
"""

import statistics
import time
from collections.abc import Callable

from bench.measure import Figures, Measure, Round
from bench.measures.outages import PREFERRED
from bench.observer import first_announced, last_advertised
from bench.peers import vips, wait_for
from bench.processes import Use, alone_mib, pss_mib
from bench.scene import MILLISECOND, Scene
from carpool.lab.faults import crash

COUNTS = (1, 16, 64, 255)
ASK_EVERY = 20 * MILLISECOND
SETTLE = 7.0  # seconds from the first mastership: keepalived announces again after 5
PATIENCE = 20.0
UNITS = {
    "master_cpu": "% of a core",
    "backup_cpu": "% of a core",
    "master_pss": "MiB",
    "backup_pss": "MiB",
    "master_alone": "MiB",
    "backup_alone": "MiB",
    "up_first": "ms",
    "up_median": "ms",
    "up_last": "ms",
    "moved_first": "ms",
    "moved_median": "ms",
    "moved_last": "ms",
    "noticed_last": "ms",
}


def _crowd(count: int) -> Callable[[Round], Figures]:
    """Return the `run` for so many addresses."""

    def run(this: Round) -> Figures:
        wanted = vips(count)
        with Scene(
            this.peer,
            this.folder,
            skews=PREFERRED[this.peer.name],
            ask_every=ASK_EVERY,
            quiet=SETTLE,
            lag=this.lag,
            vips=wanted,
        ) as scene:
            figures = _moments("up", scene, scene.started["a"], count)
            uses = {name: Use.begin(scene.of_daemon(name)) for name in scene.nodes}
            time.sleep(this.settings.seconds(20, 6))
            for role, name in (("master", "a"), ("backup", "b")):
                figures[f"{role}_cpu"] = uses[name].percent()
                figures[f"{role}_pss"] = pss_mib(uses[name].processes)
                figures[f"{role}_alone"] = alone_mib(uses[name].processes)
            this.before_fault(scene)
            crash(scene.lab, scene.zone("a"))
            wait_for(lambda: scene.holds("b"), f"{count} addresses on the other node")
            figures |= _moments("moved", scene, scene.began, count)
            seen = scene.seen()
            said = last_advertised(seen, scene.began)
            moved = first_announced(seen, scene.began)
            noticed = [moved[vip.packed] - said[vhid] for vhid, vip in wanted.items()]
            return figures | {"noticed_last": max(noticed) / MILLISECOND}

    return run


def _moments(what: str, scene: Scene, since: int, count: int) -> Figures:
    """Return when the first, the median and the last address was announced after `since`, in ms."""
    deadline = time.monotonic() + PATIENCE
    wanted = {address.packed for address in scene.setup.vips.values()}
    while True:
        found = first_announced(scene.seen(), since)
        moments = sorted(when - since for address, when in found.items() if address in wanted)
        if len(moments) >= count:
            break
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(moments)} of {count} addresses announced: {what}")
        time.sleep(0.05)
    of_all = {"first": moments[0], "median": statistics.median(moments), "last": moments[-1]}
    return {f"{what}_{name}": moment / MILLISECOND for name, moment in of_all.items()}


MEASURES = tuple(
    Measure(
        f"addresses-{count}",
        "one address" if count == 1 else f"{count} addresses",
        _crowd(count),
        UNITS,
        rounds=(3, 1) if count in {1, 255} else (1, 0),
        jobs=2 if count < 255 else 1,
        calm=40.0,
    )
    for count in COUNTS
)
