"""Breaking things, each the way it breaks in a rack, and mending them.

Every function takes effect before it returns.
"""

import shutil
import signal
import subprocess
from typing import Final

from carpool.lab.namespaces import LabError
from carpool.lab.network import Lab, until_up
from carpool.lab.zone import Zone

_NFT_SECONDS: Final = 10


def unplug(lab: Lab, zone: Zone, interface: str | None = None) -> None:
    """Pull the cable of one interface, or of all: the zone sees its carrier go."""
    for port in zone.chosen(interface):
        lab.route.set_link(port.hub_index, up=False)


def plug(lab: Lab, zone: Zone, interface: str | None = None) -> None:
    """Put the cable back in. LabError if a carrier does not come of it in ten seconds."""
    for port in zone.chosen(interface):
        lab.route.set_link(port.hub_index, up=True)
        link = zone.route.link(port.interface)
        if link is not None and link.up:
            until_up(zone.route, port.interface)


def partition(lab: Lab, zone: Zone, interface: str | None = None) -> None:
    """Cut the zone off behind a live switch port: nothing passes, yet its carrier stays."""
    for port in zone.chosen(interface):
        lab.route.set_link(port.hub_index, master=0)


def heal(lab: Lab, zone: Zone, interface: str | None = None) -> None:
    """End a partition."""
    for port in zone.chosen(interface):
        lab.route.set_link(port.hub_index, master=port.bridge_index)


def freeze(zone: Zone) -> None:
    """Stop every process of the zone (SIGSTOP); its kernel goes on answering ARP and pings.

    For an address of carpool that is until its lifetime has passed.
    """
    zone.signal(signal.SIGSTOP)


def thaw(zone: Zone) -> None:
    """Let a frozen zone go on (SIGCONT), unaware of the time that has passed."""
    zone.signal(signal.SIGCONT)


def crash(lab: Lab, zone: Zone) -> None:
    """Take the zone's power away: all its processes and interfaces are gone without a word.

    The zone stays, empty; Lab.connect and Zone.start bring it up again.
    """
    # First cut off, with the carrier still there: some daemons say a last word when a process dies.
    partition(lab, zone)
    zone.signal(signal.SIGKILL)
    for port in zone.chosen(None):
        lab.route.set_link(port.hub_index, up=False)
    for port in zone.chosen(None):
        lab.route.delete_link(port.hub_index)
    zone.ports.clear()


def lose(zone: Zone, percent: float, interface: str | None = None) -> None:
    """Drop that share (0 to 100, in steps of 0.1) of the frames the zone sends; 0 ends it.

    To be called in the hub. Needs the program nft and the kernel's nftables; LabError if they
    are not there.
    """
    nft = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if nft is None:
        raise LabError("loss: there is no nft program; install nftables")
    for port in zone.chosen(interface):
        table = f"bridge loss{port.hub_index}"
        script = f"add table {table}\ndelete table {table}\n"
        share = round(percent * 10)
        if share > 0:
            rule = f"iif {port.hub_index} numgen random mod 1000 <= {share - 1} drop"
            script += f"add table {table}\n"
            script += f"add chain {table} sent {{ type filter hook prerouting priority 0; }}\n"
            script += f"add rule {table} sent {rule}\n"
        done = subprocess.run(
            [nft, "-f", "-"],
            input=script,
            capture_output=True,
            text=True,
            timeout=_NFT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise LabError(f"loss: nft: {done.stderr.strip()}")
