"""The article's vip-up and vip-down: scripts that put addresses on illumos, for ucarp and others.

carpool itself needs none: it puts addresses on the interface on its own.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from carpool.smartos.templates import template

if TYPE_CHECKING:
    from carpool.cluster.model import Cluster, Node

_NATIVE = "/native/usr/sbin/ifconfig"
"""Linux's own ifconfig and ip cannot change addresses in an lx zone (lx_netlink.c: EOPNOTSUPP)."""


def vip_up(cluster: Cluster, node: Node) -> str:
    """Return the script that puts a group's addresses on an interface, for sh."""
    return _head(cluster, node, "Puts virtual addresses on an interface.") + template("vip-up.sh")


def vip_down(cluster: Cluster, node: Node) -> str:
    """Return the script that takes a group's addresses off, for sh."""
    return _head(cluster, node, "Takes virtual addresses off.") + template("vip-down.sh")


def _head(cluster: Cluster, node: Node, purpose: str) -> str:
    cases = []
    for group in cluster.groups_of(node.name):
        addresses = " ".join(map(str, group.addresses))
        keys = " | ".join(str(address.ip) for address in group.addresses)
        cases.append(f"{keys}) addresses={shlex.quote(addresses)} ;;")
    native = node.zone is not None and node.zone.brand == "lx"
    return template(
        "vip.sh",
        purpose=purpose,
        ifconfig=_NATIVE if native else "ifconfig",
        cases="\n".join(cases),
    )
