"""Outages: what a client and the neighbours see when a node, a daemon, a cable or a network goes.

Two settings. `preferred`, as administrators set daemons up: a first choice with skew 0 and a backup
with the default that each program or its manual has for the second node (carpool by rank 20/256 s,
ucarp the same, keepalived priority 150 and 100). `equal`: both nodes alike, as by ucarp's defaults.
"""

import signal
import time
from collections.abc import Callable, Mapping
from fractions import Fraction

from bench.measure import Figures, Measure, Round
from bench.peers import INTERFACE, NODES, TOP_PRIORITY
from bench.scene import QUIET, Scene
from carpool.lab.faults import crash, heal, partition, plug, unplug

PREFERRED = {
    "carpool": {"a": 0, "b": 20},
    "ucarp": {"a": 0, "b": 20},
    "keepalived": {"a": TOP_PRIORITY - 150, "b": TOP_PRIORITY - 100},
}
EQUAL = {
    "carpool": {"a": 0, "b": 0},
    "ucarp": {"a": 0, "b": 0},
    "keepalived": {"a": TOP_PRIORITY - 100, "b": TOP_PRIORITY - 100},
}
FAST = {"carpool": Fraction(1, 256), "keepalived": Fraction(1, 100)}
"""The shortest interval that each says it can hold, in seconds."""
FREEZE = 8.0  # seconds: more than twice any backup's patience
CUT_OFF = 6.0
HEALED = 10.5  # keepalived's dead addresses lasted up to 10 s
DEAD = 1000.0  # ms without an answer after a heal that count as a dead address
UNITS = {"outage": "ms", "two": "ms"}

Act = Callable[[Scene], Figures]


def death(scene: Scene) -> Figures:
    """Take the master's power away."""
    crash(scene.lab, scene.zone("a"))
    scene.until_answered_by("b")
    time.sleep(0.5)
    return {}


def kill(scene: Scene) -> Figures:
    """Kill every process of the master's daemon."""
    scene.signal("a", signal.SIGKILL)
    time.sleep(CUT_OFF)
    return {}


def stop(scene: Scene) -> Figures:
    """Stop the master's daemon cleanly."""
    scene.stop("a")
    scene.until_answered_by("b")
    time.sleep(0.5)
    return {}


def freeze(scene: Scene) -> Figures:
    """Stop the master's processes for a while and let them go on."""
    scene.signal("a", signal.SIGSTOP)
    time.sleep(FREEZE)
    scene.end()
    scene.signal("a", signal.SIGCONT)
    time.sleep(3)
    return {"two_after": scene.two(scene.ended)}


def cable(scene: Scene) -> Figures:
    """Pull the master's cable; see when it drops the address, and plug it in again."""
    pulled = time.monotonic_ns()
    unplug(scene.lab, scene.zone("a"))
    while scene.zone("a").holds(scene.vip) and time.monotonic_ns() - pulled < CUT_OFF * 1e9:
        time.sleep(0.001)
    dropped = time.monotonic_ns() - pulled
    scene.until_answered_by("b")
    plug(scene.lab, scene.zone("a"))
    time.sleep(3)
    return {"dropped": dropped / 1e6}


def split(scene: Scene) -> Figures:
    """Cut the master off behind a live switch port, then join the halves."""
    partition(scene.lab, scene.zone("a"))
    time.sleep(CUT_OFF)
    scene.end()
    heal(scene.lab, scene.zone("a"))
    time.sleep(HEALED)
    dark = scene.gap(scene.ended)
    steady = scene.cost().recovered
    return {
        "two_after": scene.two(scene.ended),
        "dark_after": dark,
        "dead": float(dark >= DEAD or not steady),
    }


def fail_back(scene: Scene) -> Figures:
    """Let the preferred node, which had died, come back and take the address."""
    crash(scene.lab, scene.zone("a"))
    scene.until_answered_by("b")
    for file in scene.setup.folder.glob("*pid-a"):
        file.unlink()  # a node that boots has no such files
    scene.lab.connect(scene.zone("a"), INTERFACE, [NODES["a"]])
    scene.echo("a")
    scene.learn()
    time.sleep(QUIET)
    scene.begin()
    scene.run("a")
    scene.until_answered_by("a")
    time.sleep(2)
    return {}


def _measure(
    act: Act,
    skews: Mapping[str, Mapping[str, int]],
    *,
    preempt: bool = False,
    intervals: Mapping[str, Fraction] | None = None,
) -> Callable[[Round], Figures]:
    """Return a measure's `run`: a lab, the fault, and what client and observer saw of it."""

    def run(this: Round) -> Figures:
        interval = Fraction(1) if intervals is None else intervals[this.peer.name]
        of_nodes = skews[this.peer.name]
        with Scene(
            this.peer,
            this.folder,
            skews=of_nodes,
            lag=this.lag,
            preempt=preempt,
            interval=interval,
        ) as scene:
            pace = {} if intervals is None else {"interval": scene.pace()}
            this.before_fault(scene, float(interval))
            figures = act(scene) | pace
            return {"outage": scene.gap(scene.began), "two": scene.two(scene.began), **figures}

    return run


MEASURES = (
    Measure(
        "death",
        "node death",
        _measure(death, PREFERRED),
        UNITS,
        short="node death",
        rounds=(12, 2),
        jobs=6,
    ),
    Measure(
        "kill",
        "daemon killed (SIGKILL)",
        _measure(kill, PREFERRED),
        UNITS,
        short="daemon killed",
        rounds=(4, 0),
        jobs=6,
    ),
    Measure(
        "stop",
        "clean stop",
        _measure(stop, PREFERRED),
        UNITS,
        short="clean stop",
        rounds=(9, 2),
        jobs=2,
        calm=3.0,
    ),
    Measure(
        "freeze",
        f"daemon frozen for {FREEZE:.0f} s (SIGSTOP)",
        _measure(freeze, PREFERRED),
        {**UNITS, "two_after": "ms"},
        short="daemon frozen",
        rounds=(4, 1),
        jobs=6,
    ),
    Measure(
        "cable",
        "cable pulled from the master",
        _measure(cable, PREFERRED),
        {**UNITS, "dropped": "ms"},
        short="cable pulled",
        rounds=(9, 1),
        jobs=6,
    ),
    Measure(
        "partition",
        f"master cut off for {CUT_OFF:.0f} s behind a live switch port, then joined",
        _measure(split, PREFERRED),
        {**UNITS, "two_after": "ms", "dark_after": "ms", "dead": "times"},
        short="cut off, then joined",
        rounds=(20, 1),
        jobs=6,
    ),
    Measure(
        "failback",
        "the preferred node comes back and takes over",
        _measure(fail_back, PREFERRED, preempt=True),
        UNITS,
        short="preferred node back",
        rounds=(4, 0),
        jobs=6,
    ),
    Measure(
        "death-equal",
        "node death, both nodes set up alike",
        _measure(death, EQUAL),
        UNITS,
        short="node death, alike",
        rounds=(6, 0),
        jobs=6,
    ),
    Measure(
        "stop-equal",
        "clean stop, both nodes set up alike",
        _measure(stop, EQUAL),
        UNITS,
        short="clean stop, alike",
        rounds=(4, 0),
        jobs=2,
        calm=3.0,
    ),
    Measure(
        "death-fast",
        "node death, fast profile beside VRRPv3 at 10 ms",
        _measure(death, PREFERRED, intervals=FAST),
        {**UNITS, "interval": "ms"},
        short="node death, fast",
        rounds=(12, 2),
        peers=("carpool", "keepalived"),
        jobs=2,
        calm=2.0,
    ),
    Measure(
        "stop-fast",
        "clean stop, fast profile beside VRRPv3 at 10 ms",
        _measure(stop, PREFERRED, intervals=FAST),
        {**UNITS, "interval": "ms"},
        short="clean stop, fast",
        rounds=(12, 2),
        peers=("carpool", "keepalived"),
        jobs=2,
        calm=2.0,
    ),
)
