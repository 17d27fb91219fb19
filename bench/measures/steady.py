"""Minutes without a fault: every change of master is a false failover.

The fast profile beside VRRPv3 at 10 ms: on an idle machine, with a busy loop for each core, and
with a share of the nodes' frames lost. `changes` counts the times that another node began to
advertise, or the same after a silence of a dozen intervals; `dark` is the client's time without an
answer, in silences of 50 ms and more.
"""

import os
import time
from collections.abc import Callable, Sequence
from fractions import Fraction

from bench.measure import Figures, Measure, Round
from bench.measures.outages import FAST, PREFERRED
from bench.observer import Kind, Seen
from bench.processes import Use
from bench.scene import MILLISECOND, NOISE, Scene
from carpool.lab.faults import lose
from carpool.lab.probe import outages

ASK_EVERY = 5 * MILLISECOND
EPISODE = 12  # intervals of silence between two episodes of advertising
BUSY = "while True: pass"
UNITS = {
    "changes": "times",
    "per_minute": "per minute",
    "dark": "ms",
    "longest": "ms",
    "two": "ms",
    "master_cpu": "% of a core",
    "backup_cpu": "% of a core",
}


def _steady(load: bool, loss: float) -> Callable[[Round], Figures]:
    """Return the `run` for a busy machine or an idle one, and percent of loss."""

    def run(this: Round) -> Figures:
        interval = FAST[this.peer.name]
        with Scene(
            this.peer,
            this.folder,
            skews=PREFERRED[this.peer.name],
            interval=interval,
            ask_every=ASK_EVERY,
        ) as scene:
            if load:
                for _ in range(os.cpu_count() or 1):
                    scene.client.start([this.python, "-c", BUSY])
            if loss:
                for name in scene.nodes:
                    lose(scene.zone(name), loss)
            time.sleep(1)
            scene.begin()
            uses = {name: Use.begin(scene.of_daemon(name)) for name in scene.nodes}
            seconds = this.settings.minutes * 60
            time.sleep(seconds)
            answers = [one for one in scene.answers() if one.received > scene.began]
            gaps = [gap.duration for gap in outages(answers, at_least=NOISE)]
            changes = episodes(scene.seen(), scene.began, interval) - 1
            return {
                "changes": changes,
                "per_minute": changes / (seconds / 60),
                "dark": sum(gaps) / MILLISECOND,
                "longest": max(gaps, default=0) / MILLISECOND,
                "two": scene.two(scene.began),
                "master_cpu": uses["a"].percent(),
                "backup_cpu": uses["b"].percent(),
            }

    return run


def episodes(seen: Sequence[Seen], since: int, interval: Fraction) -> int:
    """Count the times that a node began to advertise after `since` (ns)."""
    silence = EPISODE * interval * 1_000_000_000
    last: dict[bytes, int] = {}
    count = 0
    for one in seen:
        if one.kind is Kind.ADVERTISED and one.when > since and not one.is_farewell:
            before = last.get(one.source)
            count += before is None or one.when - before > silence
            last[one.source] = one.when
    return count


MEASURES = tuple(
    Measure(
        f"steady-{name}",
        title,
        _steady(load, loss),
        UNITS,
        rounds=(1, 1),
        peers=("carpool", "keepalived"),
        jobs=jobs,
        long=True,
    )
    for name, title, load, loss, jobs in (
        ("idle", "fast profile, idle machine", False, 0, 2),
        ("busy", "fast profile, all cores busy", True, 0, 1),
        ("loss-10", "fast profile, 10 % of the frames lost", False, 10, 2),
        ("loss-30", "fast profile, 30 % of the frames lost", False, 30, 2),
    )
)
