"""What vmadm(8) accepts as a payload for `create`, and what works later; written from its rules.

It shares nothing with the code under test. `complaints` returns all that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, ip_address, ip_interface
from typing import Any

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

PROPERTIES: dict[str, type] = {
    "alias": str,
    "autoboot": bool,
    "brand": str,
    "cpu_cap": int,
    "cpu_shares": int,
    "customer_metadata": dict,
    "delegate_dataset": bool,
    "dns_domain": str,
    "firewall_enabled": bool,
    "fs_allowed": str,
    "hostname": str,
    "image_uuid": str,
    "indestructible_zoneroot": bool,
    "internal_metadata": dict,
    "internal_metadata_namespaces": list,
    "kernel_version": str,
    "limit_priv": str,
    "maintain_resolvers": bool,
    "max_locked_memory": int,
    "max_lwps": int,
    "max_physical_memory": int,
    "max_swap": int,
    "mdata_exec_timeout": int,
    "nics": list,
    "owner_uuid": str,
    "quota": int,
    "resolvers": list,
    "routes": dict,
    "tags": dict,
    "tmpfs": int,
    "uuid": str,
    "zfs_io_priority": int,
}
"""Of a zone that shares the kernel; what is not here, `validate` refuses and `create` drops."""

NIC: dict[str, type] = {
    "allow_dhcp_spoofing": bool,
    "allow_ip_spoofing": bool,
    "allow_mac_spoofing": bool,
    "allow_restricted_traffic": bool,
    "allowed_ips": list,
    "blocked_outgoing_ports": list,
    "dhcp_server": bool,
    "gateways": list,
    "interface": str,
    "ips": list,
    "mac": str,
    "mtu": int,
    "nic_tag": str,
    "primary": bool,
    "vlan_id": int,
    "vrrp_vrid": int,
}


def complaints(payload: dict[str, Any]) -> list[str]:
    return list(_complaints(payload))


def _complaints(payload: dict[str, Any]) -> Iterator[str]:
    yield from _types(payload, PROPERTIES, "")
    brand = payload.get("brand")
    if brand not in ("joyent", "joyent-minimal", "lx"):
        yield f"brand {brand!r}"
    if not UUID.fullmatch(payload.get("image_uuid", "")):
        yield "image_uuid is no UUID in lower case"
    if not UUID.fullmatch(payload.get("uuid", "")):
        yield "uuid is no UUID in lower case"
    if (brand == "lx") != ("kernel_version" in payload):
        yield "kernel_version is for lx, which needs it"
    if payload.get("max_physical_memory", 0) <= 0 or payload.get("quota", 0) <= 0:
        yield "no memory or no quota"
    yield from _unreadable(ip_address, payload.get("resolvers", []))
    nics = payload.get("nics", [])
    if sum(nic.get("primary", False) for nic in nics) != 1:
        yield "not exactly one primary nic"
    for nic in nics:
        yield from _nic(nic)
    yield from _metadata(payload)


def _types(given: dict[str, Any], known: dict[str, type], where: str) -> Iterator[str]:
    for name, value in given.items():
        if name not in known:
            yield f"unknown property {where}{name}"
        elif type(value) is not known[name]:
            yield f"{where}{name} must be {known[name].__name__}"


def _nic(nic: dict[str, Any]) -> Iterator[str]:
    yield from _types(nic, NIC, "nics.")
    if not re.fullmatch(r"[a-zA-Z0-9_/]+", nic.get("nic_tag", "")):
        yield "nic_tag"
    if "primary" in nic and nic["primary"] is not True:
        yield "primary can only be true"
    if not 0 <= nic.get("vlan_id", 0) <= 4095:
        yield "vlan_id"
    if not 576 <= nic.get("mtu", 1500) <= 9000:
        yield "mtu"
    ips, allowed = nic.get("ips", []), nic.get("allowed_ips", [])
    if not 1 <= len(ips) <= 20 or len(allowed) > 13 or len(ips) + len(allowed) > 32:
        yield "too many addresses, or none"
    for address in ips:
        if "/" not in address:
            yield f"{address} in ips has no prefix"
    yield from _unreadable(ip_interface, ips)
    yield from _unreadable(ip_address, allowed)  # no prefix
    yield from _unreadable(IPv4Address, nic.get("gateways", []))
    if {address.partition("/")[0] for address in ips} & set(allowed):
        yield "an address in ips and in allowed_ips"


def _unreadable(read: Callable[[str], object], addresses: Iterable[str]) -> Iterator[str]:
    for address in addresses:
        try:
            read(address)
        except ValueError as error:
            yield str(error)


def _metadata(payload: dict[str, Any]) -> Iterator[str]:
    for name in ("customer_metadata", "internal_metadata"):
        for key, value in payload.get(name, {}).items():
            if not isinstance(value, str | int | float | bool):
                yield f"{name}.{key} is not flat"
    for key in payload.get("customer_metadata", {}):
        if key.endswith("_pw"):
            yield f"{key} in customer_metadata"
    if payload.get("mdata_exec_timeout") != 0:
        yield "the first boot has to end in 300 s"
