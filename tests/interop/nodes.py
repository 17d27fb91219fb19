"""Nodes of every kind that can hold one address together: carpool and Debian's ucarp."""

from pathlib import Path

from tests.support.lan import PASSWORD, VHID, VIP, Daemon, Lan, carpool, cluster_file

from carpool.lab.zone import Zone

LEFT, RIGHT = "10.0.0.9", "10.0.1.5"
"""ucarp compares addresses from the last byte on: 10.0.1.5 counts as the lower of the two."""

CARPOOL, DROP_IN, UCARP = "carpool run", "carpool ucarp", "ucarp"

PAIRS = [(CARPOOL, UCARP), (UCARP, CARPOOL)]
ALL_PAIRS = [*PAIRS, (DROP_IN, UCARP), (UCARP, DROP_IN)]

MARGIN = 1.5
"""Seconds that a busy machine may add to what ends by itself."""


DEAFNESS = {CARPOOL: 0.0, DROP_IN: 0.0, UCARP: 1.0}
"""Seconds until a node may hear what was sent: libpcap hands ucarp its frames once a second.

(A ring of TPACKET_V3, whose blocks the kernel closes when they are full or after the 1000 ms that
ucarp asks for.)
"""


def patience(kind: str, advskew: int = 0) -> float:
    """Return the seconds after which a backup with advbase 1 that hears nothing is master."""
    return 3.0 + advskew / 256 + DEAFNESS[kind] + MARGIN


def pair(lan: Lan) -> tuple[Zone, Zone]:
    """Two zones on a /16."""
    return lan.zone("left", f"{LEFT}/16"), lan.zone("right", f"{RIGHT}/16")


def start(
    lan: Lan, zone: Zone, kind: str, *more: str, advskew: int = 0, preempt: bool = False
) -> Daemon:
    """Start a node, and return when it is BACKUP. `more` are options as ucarp has them."""
    if kind == CARPOOL:
        assert not more
        keys = {"advskew": advskew, "preempt": preempt}
        file = cluster_file(lan, {"www": keys}, name=zone.name)
        return lan.run(zone, file)
    scripts = ["-u", _script(lan.folder, "add"), "-d", _script(lan.folder, "del"), "-z"]
    rank = ["-b", "1", "-k", str(advskew), *(["-P"] if preempt else [])]
    daemon = lan.start(zone, [*program(kind), *identity(zone), *scripts, *rank, *more])
    lan.until_logged(daemon, "to state: BACKUP")
    return daemon


def program(kind: str) -> list[str]:
    """Return what ucarp's options are to be put behind."""
    # ucarp would keep its lines back until its output buffer is full.
    return ["stdbuf", "-oL", "ucarp"] if kind == UCARP else carpool("ucarp")


def identity(zone: Zone) -> list[str]:
    """Return the options that every ucarp needs, and those that keep it out of the syslog."""
    (source,) = (str(address.ip) for address in zone.ports["net0"].addresses)
    group = ["-v", str(VHID), "-p", PASSWORD, "-a", str(VIP)]
    return ["-i", "net0", "-s", source, *group, "-f", "none"]


def _script(folder: Path, verb: str) -> str:
    path = folder / f"{verb}.sh"
    if not path.exists():
        path.write_text(f'#!/bin/sh\nexec ip addr {verb} "$2"/16 dev "$1"\n')
        path.chmod(0o755)
    return str(path)
