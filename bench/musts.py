"""What carpool is to reach beside its peers: each row of the table, and whether it is met."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.results import Results

OWN = "carpool"
HOW: dict[str, Callable[[Sequence[float]], float]] = {
    "median": statistics.median,
    "most": max,
    "in all": sum,
}


@dataclass(frozen=True, slots=True)
class Must:
    """One figure of one measure, and its bounds.

    `at_most` bounds the figure itself, `ratios` it in parts of a peer's, `least_ratios` from below,
    and `beside` in parts of our own figure in another measure.
    """

    measure: str
    figure: str
    title: str
    how: str = "median"
    at_most: float | None = None
    ratios: Mapping[str, float] = field(default_factory=dict)
    least_ratios: Mapping[str, float] = field(default_factory=dict)
    beside: tuple[str, float] | None = None
    rounds: int = 1
    """How many rounds it takes to say that it is met."""
    minutes: float = 0.0
    """And how long each, for measures that take the minutes asked for."""
    unit: str = "ms"

    @property
    def why(self) -> str:
        """What limits it, told where it is not met; empty if that is not known."""
        return WHY.get((self.measure, self.figure), "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A must and what was measured: values by daemon, ours in parts of the others', met or not.

    `met` is None where a figure or a peer is lacking, or the rounds are too few.
    """

    must: Must
    values: Mapping[str, float]
    ratios: Mapping[str, float]
    met: bool | None
    lacking: str = ""


def judge(must: Must, results: Results) -> Verdict:
    """Return how the results stand to a must."""
    summary = HOW[must.how]
    values = {
        peer: summary(found)
        for peer in results.peers
        if (found := results.values(must.measure, peer, must.figure))
    }
    if OWN not in values:
        return Verdict(must, values, {}, None, "not measured")
    own = values[OWN]
    ratios = {peer: own / value for peer, value in values.items() if peer != OWN and value > 0}
    tests: list[bool] = []
    lacking = ""
    if must.at_most is not None:
        tests.append(own <= must.at_most)
    for bounds, holds in ((must.ratios, float.__le__), (must.least_ratios, float.__ge__)):
        for peer, bound in bounds.items():
            if peer not in values:
                lacking = f"no {peer}"
                continue
            tests.append(holds(float(own), float(bound * values[peer])))
    if must.beside:
        other, bound = must.beside
        found = results.values(other, OWN, must.figure)
        if found:
            ratios["one"] = own / summary(found)
            tests.append(own <= bound * summary(found))
        else:
            lacking = f"no {other}"
    count = len(results.values(must.measure, OWN, must.figure))
    if count < must.rounds:
        lacking = f"{count} of {must.rounds} rounds"
    minutes = results.measures[must.measure].get("minutes") or 0.0
    if minutes < must.minutes:
        lacking = f"{minutes:g} of {must.minutes:g} minutes"
    met = False if not all(tests) else None if lacking else True
    return Verdict(must, values, ratios, met, lacking)


def bounds(must: Must) -> str:
    """Return what is asked for, in words."""
    parts = []
    if must.at_most is not None:
        of = "" if must.how == "median" else f", {must.how}"
        parts.append(f"<= {must.at_most:g} {must.unit}{of}" if must.at_most else "none")
    parts += [f"<= {_times(bound)}{peer}'s" for peer, bound in must.ratios.items()]
    parts += [f">= {_times(bound)}{peer}'s" for peer, bound in must.least_ratios.items()]
    if must.beside:
        parts.append(f"<= {must.beside[1]:g} x one address's")
    if must.rounds > 1:
        parts.append(f"{must.rounds} rounds")
    if must.minutes:
        parts.append(f"{must.minutes:g} min")
    return ", ".join(parts)


def _times(bound: float) -> str:
    if bound == 1:
        return ""
    return f"1/{1 / bound:.0f} of " if bound < 0.5 else f"{bound:g} x "


KEEPALIVED: Mapping[str, float] = {"keepalived": 1.0}
BOTH_CPU: Mapping[str, float] = {"keepalived": 1.0, "ucarp": 1 / 6}
CPU = "% of a core"
ON_TIME = 3300.0
"""ms: three intervals, the backup's skew (78 ms), and what a busy machine adds."""

_IDLE = (
    "Once a second the interpreter is woken, with cold caches, for an advertisement to make or to "
    "check; a master also has the kernel renew the address, which the others do not. A loop in "
    "Python that does nothing but wait takes 80 to 110 us of processor for each wake-up, one that "
    "signs and sends a datagram 210, all of keepalived 30 to 110. Of ours the interpreter takes 60 "
    "(master) to 75 % (backup). What was done: a backup wakes up once a second, not one and a half "
    "times, and has a short way for what it hears each second; the tape of a master packs what "
    "it says each second; a poller of its own. Tried in vain: Python's own SHA-1 is as slow as "
    "OpenSSL's (2 us)."
)
_CROWD = (
    "Advertisements go out and come in in bunches, so that being woken costs little. What is left "
    "is the work for each: an HMAC, a datagram through the kernel, the state of its group, and on "
    "the master the renewal of its lifetime, all of it but the HMAC interpreted: of the backup's "
    "time 91 % is not the kernel's, of the master's 73 %. So a ring of packets mapped from the "
    "kernel, which would save the system calls, has little to gain. A short way for what is heard "
    "each second has halved the work of the core for each (30 to 15 us on a busy machine); one for "
    "what is said, with fewer objects and calls on both sides, took 15 % off a master's time and "
    "12 % off a backup's (beside the version before, in three pairs of rounds). Tried in vain: a "
    "virtual host in slots, of which the caches hold more (3 to 4 % off a master's time, no more "
    "than two runs of one version differ by), and fewer clock readings and calls for what a master "
    "says (4 % of what is not the kernel's)."
)
_STOP = (
    "It takes the old master's last word, the backup's wake-up, the address put on and announced, "
    "and the client's next question: a few wake-ups in a row, each as late as the machine makes it "
    "(see its noise below). All that can wait, as the log, the flight recorder, scripts and the "
    "guard, comes after the announcement; of the interpreter's work with cold caches there are 0.3 "
    "ms left before the last word and 0.5 until the address is put on. On a machine with twice as "
    "many busy processes as cores, the least of 6 to 8 rounds was 5 ms and the median 8 to 19; a "
    "nice value of -20 or a real-time priority made no difference that could be told (medians of "
    "10 and 12), so neither is taken."
)
_STALLS = (
    "Where the processor under the master stands still for longer than the backup waits, and that "
    "under the backup does not, the backup cannot tell it from a death. The machine does so by "
    "itself: `stalls` below, of a sleeper that has real-time priority and no work. Such a stall "
    "raises the interval if the daemon meets it."
)
WHY = {
    ("steady-idle", "changes"): _STALLS,
    ("steady-busy", "changes"): _STALLS,
    ("steady-loss-check", "changes"): _STALLS,
    ("death", "outage"): (
        "All wait for three intervals and their skew after the last advertisement. What ucarp adds "
        "hangs on when its packet capture is read, anywhere in a second: few rounds hit it by luck."
    ),
    ("stop", "outage"): _STOP,
    ("stop-fast", "outage"): _STOP,
    ("addresses-1", "master_cpu"): _IDLE,
    ("addresses-1", "backup_cpu"): _IDLE,
    ("addresses-255", "master_cpu"): _CROWD,
    ("addresses-255", "backup_cpu"): _CROWD,
    ("start", "listening"): (
        "Starting Python and importing what the node's configuration needs is processor time "
        "(`cpu` below); on a busy machine it takes so much longer."
    ),
}

MUSTS = (
    Must(
        "death",
        "outage",
        "node death, defaults",
        ratios={"ucarp": 0.8, "keepalived": 0.9},
    ),
    Must("stop", "outage", "clean stop, defaults", at_most=5),
    Must("stop-fast", "outage", "clean stop, fast profile", at_most=5),
    Must("cable", "outage", "cable pulled from the master, defaults", ratios=KEEPALIVED),
    Must("cable", "dropped", "the same: VIP dropped by the cut-off node", "most", at_most=100),
    Must("freeze", "two", "daemon frozen, defaults: two holders", "most", at_most=0),
    Must(
        "partition",
        "two_after",
        "partition healed: two holders after the heal",
        "most",
        at_most=50,
        rounds=20,
    ),
    Must(
        "partition",
        "dead",
        "partition healed: a dead address",
        "in all",
        at_most=0,
        rounds=20,
        unit="times",
    ),
    Must("death-fast", "outage", "node death, fast profile", at_most=20, ratios=KEEPALIVED),
    *(
        Must(
            f"steady-{name}",
            "changes",
            f"{title}: failovers without a fault",
            "in all",
            at_most=0,
            minutes=10,
            unit="times",
        )
        for name, title in (
            ("idle", "fast profile, idle"),
            ("busy", "fast profile, all cores busy"),
            ("loss-check", "10 % loss, as `carpool check` recommends"),
        )
    ),
    Must("addresses-255", "master_cpu", "255 addresses at 1 s: CPU", ratios=BOTH_CPU, unit=CPU),
    Must(
        "addresses-255",
        "backup_cpu",
        "255 addresses at 1 s: CPU of the backup",
        ratios=BOTH_CPU,
        unit=CPU,
    ),
    *(
        Must(
            "addresses-255",
            f"{role}_pss",
            f"255 addresses: memory of the {role}",
            at_most=45,
            ratios={"ucarp": 1 / 12},
            unit="MiB",
        )
        for role in ("master", "backup")
    ),
    Must(
        "addresses-255",
        "moved_last",
        "255 addresses, node death: all moved",
        beside=("addresses-1", 1.1),
    ),
    *(
        Must(
            f"flood-{name}",
            figure,
            f"{title} flood, 20,000/s: {what}",
            "median" if figure.endswith("cpu") else "in all",
            at_most=1 if figure.endswith("cpu") else 0,
            unit=CPU if figure.endswith("cpu") else "times",
        )
        for name, title in (("foreign-vhid", "foreign-vhid"), ("vrrp", "VRRP"))
        for figure, what in (
            ("backup_cpu", "CPU of the backup"),
            ("master_cpu", "CPU of the master"),
            ("missed", "advertisements missed"),
            ("false", "advertisements of the backup"),
        )
    ),
    Must(
        "flood-bad-hmac",
        "drained",
        "bad-HMAC flood: frames drained",
        least_ratios={"ucarp": 1.0},
        unit="frames/CPU-s",
    ),
    *(
        Must(
            "flood-bad-hmac",
            figure,
            f"bad-HMAC flood: {title}",
            how,
            at_most=bound,
            unit="times" if bound == 0 else "ms",
        )
        for figure, title, how, bound in (
            ("missed", "advertisements missed", "in all", 0.0),
            ("false", "advertisements of the backup", "in all", 0.0),
            ("outage", "failover on time", "most", ON_TIME),
        )
    ),
    *(
        Must(
            "addresses-1",
            f"{role}_cpu",
            f"one address, idle: CPU of the {role}",
            ratios={"keepalived": 3.0},
            unit=CPU,
        )
        for role in ("master", "backup")
    ),
    Must("addresses-1", "master_pss", "one address: memory", at_most=40, unit="MiB"),
    Must("start", "listening", "start to first listening", at_most=250),
)
