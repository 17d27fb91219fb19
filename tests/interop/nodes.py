"""Nodes of every kind that can hold one address together: carpool and Debian's ucarp."""

from pathlib import Path

from tests.support.lan import PASSWORD, VHID, VIP, Daemon, Lan, carpool, cluster_file

from carpool.lab.zone import Zone

LEFT, RIGHT = "10.0.0.9", "10.0.1.5"
"""ucarp compares addresses from the last byte on: 10.0.1.5 counts as the lower of the two."""

CARPOOL, DROP_IN, UCARP = "carpool run", "carpool ucarp", "ucarp"

PAIRS = [(CARPOOL, UCARP), (UCARP, CARPOOL)]
ALL_PAIRS = [*PAIRS, (DROP_IN, UCARP), (UCARP, DROP_IN)]

DOWN_TIME = 3.0
"""Seconds from a master's death until a backup with advbase 1 and advskew 0 takes over."""


DEAFNESS = {CARPOOL: 0.0, DROP_IN: 0.0, UCARP: 1.0}
"""Seconds until a node may hear what was sent: libpcap hands ucarp its frames once a second.

(A ring of TPACKET_V3, whose blocks the kernel closes when they are full or after the 1000 ms that
ucarp asks for.)
"""


def pair(lan: Lan) -> tuple[Zone, Zone]:
    """Two zones on a /16."""
    return lan.zone("left", f"{LEFT}/16"), lan.zone("right", f"{RIGHT}/16")


def start(lan: Lan, zone: Zone, kind: str, *, advskew: int = 0, preempt: bool = False) -> Daemon:
    """Start a node, and return when it is BACKUP."""
    if kind == CARPOOL:
        keys = {"advskew": advskew, "preempt": preempt}
        file = cluster_file(lan, {"www": keys}, name=zone.name)
        return lan.run(zone, file)
    # ucarp would keep its lines back until its output buffer is full.
    program = ["stdbuf", "-oL", "ucarp"] if kind == UCARP else carpool("ucarp")
    options = ucarp_options(lan.folder, zone, advskew=advskew, preempt=preempt)
    daemon = lan.start(zone, [*program, *options])
    lan.until_logged(daemon, "to state: BACKUP")
    return daemon


def ucarp_options(
    folder: Path, zone: Zone, *, advskew: int = 0, preempt: bool = False
) -> list[str]:
    """Return options for ucarp and its double, with scripts that put the address on and off."""
    (source,) = (str(address.ip) for address in zone.ports["net0"].addresses)
    return [
        *("-i", "net0", "-s", source, "-v", str(VHID), "-p", PASSWORD, "-a", str(VIP)),
        *("-b", "1", "-k", str(advskew), *(["-P"] if preempt else [])),
        *("-u", _script(folder, "add"), "-d", _script(folder, "del"), "-z", "-f", "none"),
    ]


def _script(folder: Path, verb: str) -> str:
    path = folder / f"{verb}.sh"
    if not path.exists():
        path.write_text(f'#!/bin/sh\nexec ip addr {verb} "$2"/16 dev "$1"\n')
        path.chmod(0o755)
    return str(path)
