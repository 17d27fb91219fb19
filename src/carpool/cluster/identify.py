"""Finding out which node of the cluster this host is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carpool.cluster.findings import Finding, Rule
from carpool.cluster.wording import choose_from, listing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address, IPv6Address

    from carpool.cluster.model import Cluster, Node


def identify(
    cluster: Cluster, host_addresses: Iterable[IPv4Address | IPv6Address], name: str | None
) -> Node | Finding:
    """Return the node that this host is: the one of that ``name`` (``--node``), if given.

    Else the one that has one of the host's addresses as a real address. Where that is not
    exactly one node, the finding says why.
    """
    if name is not None:
        names = [node.name for node in cluster.nodes]
        return cluster.node(name) or _finding(
            cluster,
            Rule.NO_SUCH_NODE,
            f"--node {name!r}: there is no such node",
            choose_from(name, names),
        )
    addresses = list(host_addresses)
    # Compared as bytes: a link-local address of the host may carry its zone, the file's never do.
    here = {address.packed for address in addresses}
    found = [
        node
        for node in cluster.nodes
        if any(interface.ip.packed in here for interface in node.addresses)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = [node.name for node in found]
        message = f"this host has the addresses of several nodes: {listing(names)}"
        return _finding(cluster, Rule.SEVERAL_NODES, message, "say which it is: --node NAME")
    nodes = [
        f"{node.name} {interface.ip}" for node in cluster.nodes for interface in node.addresses
    ]
    message = (
        f"this host is none of the nodes: the file has {listing(nodes)}; "
        f"the host has {listing(addresses) or 'no address'}"
    )
    mend = "correct the address of its node, or say which it is: --node NAME"
    return _finding(cluster, Rule.NOT_A_NODE, message, mend)


def _finding(cluster: Cluster, rule: Rule, message: str, mend: str) -> Finding:
    return Finding(rule.code, rule.severity, cluster.path, None, "nodes", message, mend)
