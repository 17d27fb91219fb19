"""Clusters on the virtual LAN."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from carpool.carp.auth import Address
from carpool.carp.election import State
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.sim.lan import Lan

VHID = 42
MS = SECOND // 1000
VIP = ip_address("192.0.2.100")
VIP6 = ip_address("2001:db8::100")


def cluster(
    advskews: Mapping[str, int],
    *,
    preempt: bool = False,
    addresses: tuple[Address, ...] = (VIP,),
    vhids: Sequence[int] = (VHID,),
    seed: int = 1,
    loss: float = 0.0,
    **more: Any,
) -> Lan:
    """Return a LAN with a node per name, at 192.0.2.11, .12 and so on."""
    lan = Lan(seed=seed, loss=loss)
    for number, (name, advskew) in enumerate(advskews.items(), start=11):
        settings = [
            Settings(vhid, addresses, b"secret", 1, advskew, preempt=preempt, **more)
            for vhid in vhids
        ]
        sources = {
            4: ip_address(f"192.0.2.{number}").packed,
            6: ip_address(f"2001:db8::{number:x}").packed,
        }
        lan.add(name, settings, sources)
    return lan


def settled(lan: Lan) -> Lan:
    """Let the nodes find their master, and a while pass."""
    lan.run(10 * SECOND)
    return lan


def states(lan: Lan, vhid: int = VHID) -> dict[str, State]:
    return {name: node.hosts[vhid].state for name, node in lan.nodes.items() if node.alive}


def longest_dark(lan: Lan, since: int, vhid: int = VHID) -> int:
    return max((span.length for span in lan.record.dark(vhid, since)), default=0)


def doubled_for(lan: Lan, since: int, vhid: int = VHID) -> int:
    return sum(span.length for span in lan.record.doubled(vhid, since))
