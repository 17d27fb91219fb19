"""Which cables a cluster has in the lab: what is plugged into the same LAN, and the client's ends.

The cluster file does not say which interfaces meet; what they serve together tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_interface, ip_network
from typing import TYPE_CHECKING

from carpool.cluster.model import Cluster
from carpool.lab.namespaces import LabError
from carpool.lab.prepare import LAN_PREFIX

if TYPE_CHECKING:
    from carpool.cluster.model import Interface

Port = tuple[str, str]
"""A node and one of its interfaces."""


@dataclass(frozen=True, slots=True)
class Cable:
    """One interface of a zone: its addresses, and the LAN segment that it is plugged into."""

    zone: str
    interface: str
    segment: str
    addresses: tuple[Interface, ...]


def layout(cluster: Cluster, client: str) -> list[Cable]:
    """Return the cables of all nodes, then those of the zone `client`, one to each segment.

    Interfaces that serve the same group are on one segment, and so are those whose nodes have
    addresses of one network there. An interface without an address of its own, and the client,
    get free ones. Raises LabError for a network without room for them.
    """
    free = _FreeAddresses(cluster)
    own = {(node.name, node.interface): list(node.addresses) for node in cluster.nodes}
    cables = []
    for number, segment in enumerate(_segments(cluster), 1):
        name = f"lan{number}"
        present = {network for port in segment for network in _networks(own.get(port, []))}
        served: set[str] = set()
        for port in segment:
            wanted = {
                _network_of(address, present)
                for group in cluster.groups
                for member in group.members
                if (member.node, member.interface) == port
                for address in group.addresses
            }
            served |= wanted
            addresses = own.get(port) or [free.take(network) for network in sorted(wanted)]
            cables.append(Cable(*port, name, tuple(addresses)))
        if served:
            ends = tuple(free.take(network) for network in sorted(served | present))
            cables.append(Cable(client, f"net{number - 1}", name, ends))
    return sorted(cables, key=lambda cable: cable.zone == client)


def _segments(cluster: Cluster) -> list[list[Port]]:
    """Return the ports of all nodes, those that meet in one list, in the order of the file."""
    together: list[set[Port]] = [
        {(member.node, member.interface) for member in group.members} for group in cluster.groups
    ]
    by_network: dict[str, set[Port]] = {}
    for node in cluster.nodes:
        for network in _networks(node.addresses):
            by_network.setdefault(network, set()).add((node.name, node.interface))
    merged: list[set[Port]] = []
    for ports in (*together, *by_network.values()):
        apart = [known for known in merged if not known & ports]
        merged = [*apart, ports.union(*(known for known in merged if known & ports))]
    order = [node.name for node in cluster.nodes]
    lists = [sorted(ports, key=lambda port: (order.index(port[0]), port[1])) for ports in merged]
    return sorted(lists, key=lambda ports: (order.index(ports[0][0]), ports[0][1]))


def _networks(addresses: Iterable[Interface]) -> Iterator[str]:
    return (str(address.network) for address in addresses)


def _network_of(address: Interface, present: Iterable[str]) -> str:
    """Return the network in which a virtual address is: one of the nodes' own, or its own."""
    for network in sorted(present):
        if address.ip in ip_network(network):
            return network
    return str(address.network)


class _FreeAddresses:
    """Gives out addresses that the cluster file does not name, the highest first."""

    def __init__(self, cluster: Cluster) -> None:
        lists = [node.addresses for node in cluster.nodes]
        lists += [group.addresses for group in cluster.groups]
        self._taken = {address.ip for addresses in lists for address in addresses}

    def take(self, network: str) -> Interface:
        """Return a host address of the network that nobody has yet; LabError if there is none."""
        lan = ip_network(network)
        prefix = lan.prefixlen
        for number in range(lan.num_addresses - 2, 0, -1):
            if (address := lan[number]) not in self._taken:
                self._taken.add(address)
                return ip_interface(f"{address}/{prefix}")
        wide = LAN_PREFIX[lan.version]
        raise LabError(
            f"network {network}: no address is free for the client; write a prefix "
            f"length such as /{wide} behind the addresses in it"
        )
