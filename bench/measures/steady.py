"""Minutes without a fault: every change of master is a false failover.

The fast profile beside VRRPv3 at 10 ms: on an idle machine, with a busy loop for each core, and
with a share of the nodes' frames lost. `changes` counts the times that another node began to
advertise; `stalls` how often a processor stood still for longer than a backup waits: what no
daemon can tell from the death of the one that ran there. `dark` is the client's time without an
answer, in waits of 50 ms and more, less what it stood still itself. `interval` is the median of
what the master kept: carpool uses a longer one if the machine cannot hold it.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from fractions import Fraction

from bench.measure import Figures, Measure, Round
from bench.measures.outages import FAST, PREFERRED
from bench.observer import Kind, Seen
from bench.peers import Setup
from bench.processes import Use
from bench.scene import MILLISECOND, NOISE, Scene
from bench.stalls import Stalls
from carpool.lab.faults import lose
from carpool.lab.probe import outages

ASK_EVERY = 5 * MILLISECOND
EPISODE = 12  # intervals of silence between two episodes of advertising
BUSY = "while True: pass"
UNITS = {
    "changes": "times",
    "stalls": "times",
    "longest_stall": "ms",
    "per_minute": "per minute",
    "dark": "ms",
    "longest": "ms",
    "two": "ms",
    "master_cpu": "% of a core",
    "backup_cpu": "% of a core",
    "dead_ratio": "intervals",
    "interval": "ms",
}


def _steady(load: bool, loss: float, *, recommended: bool = False) -> Callable[[Round], Figures]:
    """Return the `run` for a busy machine or an idle one, and percent of loss.

    `recommended`: with the dead ratio that `carpool check` recommends for the loss.
    """

    def run(this: Round) -> Figures:
        interval = FAST[this.peer.name]
        skews = PREFERRED[this.peer.name]
        dead_ratio = recommended_dead_ratio(this, loss) if recommended else 3
        with Scene(
            this.peer,
            this.folder,
            skews=skews,
            interval=interval,
            dead_ratio=dead_ratio,
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
            with Stalls() as machine:
                time.sleep(seconds)
                stalls = machine.longer_than(float(dead_ratio * interval * 1000))
            answers = [one for one in scene.answers() if one.received > scene.began]
            waits = [gap.waited for gap in outages(answers, at_least=NOISE)]
            waits = [wait for wait in waits if wait >= NOISE]
            changes = changes_of_master(scene.seen(), scene.began, interval)
            return {
                "changes": changes,
                "stalls": len(stalls),
                "longest_stall": max(stalls, default=0.0),
                "per_minute": changes / (seconds / 60),
                "dark": sum(waits) / MILLISECOND,
                "longest": max(waits, default=0) / MILLISECOND,
                "two": scene.two(scene.began),
                "master_cpu": uses["a"].percent(),
                "backup_cpu": uses["b"].percent(),
                "dead_ratio": dead_ratio,
                "interval": scene.pace(),
            }

    return run


def recommended_dead_ratio(this: Round, loss: float) -> int:
    """Return what `carpool check` recommends for percent of loss, or 3 if it is content."""
    setup = Setup(this.folder, PREFERRED[this.peer.name], {}, interval=FAST[this.peer.name])
    (command,) = this.peer.prepare(setup, "a")
    file = command[command.index("run") + 1]
    check = [this.python, "-P", "-m", "carpool", "check", "--loss", f"{loss:g}", file]
    said = subprocess.run(check, capture_output=True, text=True, check=False).stdout
    found = re.search(r"dead_ratio = (\d+)", said)
    return int(found[1]) if found else setup.dead_ratio


def changes_of_master(seen: Sequence[Seen], since: int, interval: Fraction) -> int:
    """Count the times after `since` (ns) that a node began to advertise after another.

    It begins if it was silent for a dozen intervals: of two masters at once, one has begun.
    """
    silence = EPISODE * interval * 1_000_000_000
    last: dict[bytes, int] = {}
    previous: bytes | None = None
    count = 0
    for one in seen:
        if one.kind is not Kind.ADVERTISED or one.when <= since or one.is_farewell:
            continue
        before = last.get(one.source)
        if previous not in {None, one.source}:
            count += before is None or one.when - before > silence
        last[one.source] = one.when
        previous = one.source
    return count


def _measure(
    name: str,
    title: str,
    run: Callable[[Round], Figures],
    jobs: int = 2,
    peers: tuple[str, ...] = ("carpool", "keepalived"),
) -> Measure:
    rounds = (1, 1 if name == "idle" else 0)
    return Measure(f"steady-{name}", title, run, UNITS, rounds, peers=peers, jobs=jobs, long=True)


MEASURES = (
    _measure("idle", "fast profile, idle machine", _steady(load=False, loss=0)),
    _measure("busy", "fast profile, all cores busy", _steady(load=True, loss=0), jobs=1),
    _measure("loss-10", "fast profile, 10 % of the frames lost", _steady(load=False, loss=10)),
    _measure("loss-30", "fast profile, 30 % of the frames lost", _steady(load=False, loss=30)),
    _measure(
        "loss-check",
        "fast profile, 10 % of the frames lost, dead_ratio as `carpool check` recommends",
        _steady(load=False, loss=10, recommended=True),
        peers=("carpool",),
    ),
)
