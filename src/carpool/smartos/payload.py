"""The payload that `vmadm create` makes a node's zone from.

Rules: vmadm(8). An unknown property is refused by `vmadm validate` and silently dropped by
`vmadm create`, so there is none here that vmadm does not know.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from carpool.smartos.places import metadata_key, secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carpool.cluster.model import Cluster, Node, Zone

MOST_ALLOWED_IPS = 13
MOST_ADDRESSES = 32
"""Of one nic, ``ips`` and ``allowed_ips`` together: MAXSPOOFIPS of illumos."""


class Compat(StrEnum):
    """Whose habits the zone must suit."""

    NONE = "none"
    """Least privilege: the virtual addresses are allowed, and nothing else is."""
    UCARP = "ucarp"
    """For ucarp, which advertises from a virtual MAC: any address and any MAC is allowed."""


class RenderError(Exception):
    """A node for which no files can be made; the text says why and how to mend it."""


def payload(
    cluster: Cluster,
    node: Node,
    *,
    user_script: str,
    passwords: Mapping[str, str],
    compat: Compat = Compat.NONE,
) -> dict[str, Any]:
    """Return the payload of the node's zone, for JSON.

    ``passwords`` has the node's secrets by their names; they are only in ``internal_metadata``,
    under keys that end in ``_pw``. ``user_script`` runs at every boot.
    Raises RenderError.
    """
    zone = node.zone
    if zone is None:
        raise RenderError(f"node {node.name} is no zone; add a table [zone] to the cluster file")
    made: dict[str, Any] = {
        "brand": zone.brand,
        "image_uuid": zone.image,
        "kernel_version": zone.kernel_version,
        "uuid": node.uuid,
        "alias": node.alias or node.hostname,
        "hostname": node.hostname,
        "dns_domain": zone.dns_domain,
        "autoboot": zone.autoboot,
        "max_physical_memory": zone.memory,
        "quota": zone.quota,
        "resolvers": [str(resolver) for resolver in zone.resolvers] or None,
        "nics": [_nic(cluster, node, zone, compat)],
        # The first boot installs packages, which takes longer than the 300 s that it has else.
        "mdata_exec_timeout": 0,
        "customer_metadata": {"user-script": user_script},
        "internal_metadata": {
            metadata_key(secret): passwords[secret] for secret in secrets(cluster, node)
        }
        or None,
    }
    return {name: value for name, value in made.items() if value is not None}


def to_json(made: dict[str, Any]) -> str:
    """Return the payload as vmadm reads it; the same for the same payload, every time."""
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _nic(cluster: Cluster, node: Node, zone: Zone, compat: Compat) -> dict[str, Any]:
    groups = cluster.groups_of(node.name)
    virtual = list(dict.fromkeys(str(vip.ip) for group in groups for vip in group.addresses))
    nic: dict[str, Any] = {
        "nic_tag": zone.nic_tag,
        "vlan_id": zone.vlan or None,
        "mtu": zone.mtu,
        "ips": [str(address) for address in node.addresses],
        "gateways": [str(gateway) for gateway in zone.gateways] or None,
        "primary": True,
    }
    if compat is Compat.UCARP:
        nic["allow_ip_spoofing"] = nic["allow_mac_spoofing"] = True
    else:
        _check_counts(node, len(virtual))
        nic["allowed_ips"] = virtual or None
        if any(group.source_mac == "virtual" for group in groups):
            nic["allow_mac_spoofing"] = True
    return {name: value for name, value in nic.items() if value is not None}


def _check_counts(node: Node, virtual: int) -> None:
    real = len(node.addresses)
    if virtual <= MOST_ALLOWED_IPS and virtual + real <= MOST_ADDRESSES:
        return
    raise RenderError(
        f"node {node.name}: its nic can be allowed {MOST_ALLOWED_IPS} virtual addresses "
        f"({MOST_ADDRESSES} addresses in all), and its groups have {virtual}; "
        "take it out of some groups, or let it have any address: --compat ucarp"
    )
