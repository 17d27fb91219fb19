"""Start-up: from the exec of the daemon to the first socket that can hear an advertisement.

The socket shows in the zone's /proc/net: a raw one of protocol 112, or a packet socket of any.
"""

import time
from pathlib import Path

from bench.measure import Figures, Measure, Round
from bench.measures.outages import PREFERRED
from bench.peers import INTERFACE, NODES, Setup, wait_for
from bench.processes import alone_mib, cpu_seconds, pss_mib, rss_mib
from carpool.lab.network import Lab
from carpool.lab.zone import Zone

PROTOCOL = "112:"
REPEATS = 5  # starts in a round: they cost no second each
UNITS = {"listening": "ms", "cpu": "ms", "rss": "MiB", "pss": "MiB", "alone": "MiB"}
POLL = 0.0005  # seconds
PATIENCE = 10.0


def start(this: Round) -> Figures:
    """Start the daemon a few times; return the median, and its memory once it is master."""
    setup = Setup(this.folder, PREFERRED[this.peer.name], {})
    took: list[float] = []
    spent: list[float] = []
    with Lab() as lab:
        zone = lab.add_zone("a", INTERFACE, [NODES["a"]])
        for _ in range(REPEATS):
            # keepalived's sockets are those of the process before it until that has gone.
            wait_for(lambda: not zone.processes() and not listens(zone), "the daemon to end")
            before = time.monotonic()
            daemon = this.peer.start(zone, setup)
            while not listens(zone):
                if time.monotonic() - before > PATIENCE:
                    raise TimeoutError(f"not listening after {PATIENCE:.0f} s")
                time.sleep(POLL)
            took.append((time.monotonic() - before) * 1000)
            spent.append(cpu_seconds(zone.processes()) * 1000)
            if len(took) == REPEATS:
                break
            for process in daemon:
                process.terminate()
                process.wait(PATIENCE)
        wait_for(lambda: zone.holds(next(iter(setup.vips.values()))), "mastership")
        time.sleep(1)
        processes = zone.processes()
        return {
            "listening": sorted(took)[len(took) // 2],
            "cpu": sorted(spent)[len(spent) // 2],
            "rss": rss_mib(processes),
            "pss": pss_mib(processes),
            "alone": alone_mib(processes),
        }


def listens(zone: Zone) -> bool:
    """Return whether any process of the zone has a socket that hears advertisements."""
    with zone.namespace.entered():
        raw = Path("/proc/thread-self/net/raw").read_text().splitlines()[1:]
        packet = Path("/proc/thread-self/net/packet").read_text().splitlines()[1:]
    return bool(packet) or any(line.split()[0] == PROTOCOL for line in raw)


MEASURES = (
    Measure("start", "from exec to the first listening socket", start, UNITS, rounds=(3, 1)),
)
