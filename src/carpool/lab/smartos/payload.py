"""What `vmadm validate` accepts: the rules of vmadm(8) for zones.

Only what a zone's payload may have is known here, nothing of virtual machines. Where vmadm is lax
(a string for a list of gateways, a prefix in allowed_ips) this is lax too.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from typing import Any, Final, TypeAlias
from uuid import UUID

BRANDS: Final = ("joyent", "joyent-minimal", "lx")
_MOST_IPS: Final = 20
_MOST_ALLOWED: Final = 13
_MOST_ADDRESSES: Final = 32

Check: TypeAlias = Callable[[Any], bool]


@dataclass(slots=True)
class Faults:
    """What is wrong with a payload, by the names of properties."""

    bad_properties: list[str] = field(default_factory=list)
    bad_values: list[str] = field(default_factory=list)
    missing_properties: list[str] = field(default_factory=list)
    bad_brand: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what vmadm prints; empty if nothing is wrong."""
        found: dict[str, Any] = {
            "bad_properties": self.bad_properties,
            "bad_values": self.bad_values,
            "missing_properties": self.missing_properties,
            "bad_brand": self.bad_brand,
        }
        return {name: value for name, value in found.items() if value}


def validate(action: str, payload: Mapping[str, Any], brand: str | None = None) -> Faults:
    """Return what `vmadm validate` finds wrong; `action` is create or update.

    `brand` is for an update, whose payload has none.
    """
    faults = Faults()
    creating = action == "create"
    brand = payload.get("brand") if creating else brand
    if brand not in BRANDS:
        if brand is None:
            faults.missing_properties.append("brand")
        else:
            faults.bad_brand = str(brand)
        return faults
    known = known_properties(action, brand)
    for name, value in payload.items():
        if name not in known:
            faults.bad_properties.append(name)
        elif not known[name](value):
            faults.bad_values.append(name)
    if creating:
        required = ["image_uuid", *(["kernel_version"] if brand == "lx" else [])]
        faults.missing_properties += [name for name in required if name not in payload]
    for key in ("nics",) if creating else ("add_nics", "update_nics"):
        nics = payload.get(key)
        if isinstance(nics, list):
            _check_nics(nics, key, faults)
    return faults


def without_unknown(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload as `vmadm create` takes it: what it does not know, it drops in silence."""
    known = known_properties("create", str(payload.get("brand")))
    kept = {name: value for name, value in payload.items() if name in known}
    if isinstance(kept.get("nics"), list):
        kept["nics"] = [
            {name: value for name, value in nic.items() if name in _NIC} if _is_map(nic) else nic
            for nic in kept["nics"]
        ]
    return kept


def known_properties(action: str, brand: str) -> dict[str, Check]:
    """Return the check of each property that a payload may have."""
    if action == "update":
        return _UPDATE
    return {**_CREATE, "kernel_version": _is_text} if brand == "lx" else _CREATE


def _check_nics(nics: list[Any], key: str, faults: Faults) -> None:
    for number, nic in enumerate(nics):
        where = f"{key}.{number}"
        if not _is_map(nic):
            faults.bad_values.append(where)
            continue
        for name, value in nic.items():
            if name not in _NIC:
                faults.bad_properties.append(f"{where}.{name}")
            elif not _NIC[name](value):
                faults.bad_values.append(f"{where}.{name}")
        if key != "update_nics":
            _check_new_nic(nic, where, faults)
        elif "mac" not in nic:
            faults.missing_properties.append(f"{where}.mac")
    if sum(1 for nic in nics if _is_map(nic) and nic.get("primary")) > 1:
        faults.bad_values.append(f"{key}.*.primary")


def _check_new_nic(nic: Mapping[str, Any], where: str, faults: Faults) -> None:
    addresses, allowed = nic.get("ips", []), nic.get("allowed_ips", [])
    missing = []
    if "nic_tag" not in nic:
        missing.append("nic_tag")
    if not addresses and "ip" not in nic:
        missing.append("ips")
    if "ip" in nic and nic["ip"] != "dhcp" and "netmask" not in nic:
        missing.append("netmask")
    faults.missing_properties += [f"{where}.{name}" for name in missing]
    if isinstance(addresses, list) and isinstance(allowed, list):
        many = len(addresses) + len(allowed) > _MOST_ADDRESSES
        if many and f"{where}.allowed_ips" not in faults.bad_values:
            faults.bad_values.append(f"{where}.allowed_ips")


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(low: int, high: int) -> Check:
    def check(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return check


def _matches(pattern: str) -> Check:
    found = re.compile(pattern)
    return lambda value: isinstance(value, str) and found.fullmatch(value) is not None


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value  # lower case, with dashes
    except ValueError:
        return False


def _is_address(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(ip_address(value))
    except ValueError:
        return False


def _is_address_perhaps_with_prefix(value: Any) -> bool:
    return isinstance(value, str) and _is_address(value.partition("/")[0])


def _is_ipv4(value: Any) -> bool:
    return _is_address(value) and ":" not in value


def _is_interface(value: Any) -> bool:
    if value in ("dhcp", "addrconf"):
        return True
    try:
        return isinstance(value, str) and "/" in value and bool(ip_interface(value))
    except ValueError:
        return False


def _is_list(check: Check, most: int | None = None) -> Check:
    def check_all(value: Any) -> bool:
        return (
            isinstance(value, list)
            and all(map(check, value))
            and len(value) <= (most or len(value))
        )

    return check_all


def _is_metadata(value: Any) -> bool:
    return _is_map(value) and all(isinstance(one, str | int | float) for one in value.values())


def _are_gateways(value: Any) -> bool:
    # A string is let through, and undoes the zone later.
    return isinstance(value, str) or _is_list(_is_ipv4)(value)


_COUNT: Final = _is_number(0, 2**53)
_NAME: Final = _matches(r"[a-zA-Z0-9_.-]{1,255}")
_MAC: Final = _matches(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}")

_CHANGEABLE: Final[dict[str, Check]] = {
    **dict.fromkeys(("alias", "hostname", "dns_domain"), _NAME),
    **dict.fromkeys(
        ("autoboot", "firewall_enabled", "maintain_resolvers", "do_not_inventory"), _is_boolean
    ),
    **dict.fromkeys(("archive_on_delete", "indestructible_zoneroot"), _is_boolean),
    **dict.fromkeys(
        (
            *("cpu_cap", "cpu_shares", "max_locked_memory", "max_lwps", "max_msg_ids"),
            *("max_physical_memory", "max_sem_ids", "max_shm_ids", "max_shm_memory"),
            *("max_swap", "mdata_exec_timeout", "quota", "tmpfs", "zfs_io_priority"),
        ),
        _COUNT,
    ),
    **dict.fromkeys(("billing_id", "owner_uuid"), _is_uuid),
    **dict.fromkeys(
        ("package_name", "package_version", "limit_priv", "fs_allowed", "init_name"), _is_text
    ),
    "resolvers": _is_list(_is_address),
    "zfs_root_compression": _is_text,
    "zfs_data_compression": _is_text,
}
_CREATE: Final[dict[str, Check]] = {
    **_CHANGEABLE,
    **dict.fromkeys(("uuid", "image_uuid"), _is_uuid),
    **dict.fromkeys(("delegate_dataset", "nowait", "docker"), _is_boolean),
    **dict.fromkeys(("customer_metadata", "internal_metadata", "tags"), _is_metadata),
    **dict.fromkeys(("zfs_root_recsize", "zfs_data_recsize"), _COUNT),
    "brand": _is_text,
    "filesystems": _is_list(_is_map),
    "internal_metadata_namespaces": _is_list(_is_text),
    "nics": lambda value: isinstance(value, list),
    "routes": _is_map,
    "zonename": _NAME,
    "zpool": _is_text,
}
_UPDATE: Final[dict[str, Check]] = {
    **_CHANGEABLE,
    **dict.fromkeys(("add_nics", "update_nics"), lambda value: isinstance(value, list)),
    "remove_nics": _is_list(_MAC),
    **{
        f"{verb}_{what}": check
        for what in ("customer_metadata", "internal_metadata", "tags")
        for verb, check in (("set", _is_metadata), ("remove", _is_list(_is_text)))
    },
    "set_routes": _is_map,
    "remove_routes": _is_list(_is_text),
}
_NIC: Final[dict[str, Check]] = {
    **dict.fromkeys(
        (
            *("allow_dhcp_spoofing", "allow_ip_spoofing", "allow_mac_spoofing"),
            *("allow_restricted_traffic", "dhcp_server"),
        ),
        _is_boolean,
    ),
    "allowed_ips": _is_list(_is_address_perhaps_with_prefix, _MOST_ALLOWED),
    "blocked_outgoing_ports": _is_list(_is_number(1, 65535)),
    "gateway": lambda value: _is_ipv4(value) or value == "dhcp",
    "gateways": _are_gateways,
    "interface": _matches(r"net[0-9]{1,3}"),
    "ip": lambda value: _is_ipv4(value) or value == "dhcp",
    "ips": _is_list(_is_interface, _MOST_IPS),
    "mac": _MAC,
    "mtu": _is_number(576, 9000),
    "netmask": _is_ipv4,
    "network_uuid": _is_uuid,
    "nic_tag": _matches(r"[a-zA-Z0-9_/]+"),
    "primary": lambda value: value is True,
    "vlan_id": _is_number(0, 4095),
    "vrrp_primary_ip": _is_ipv4,
    "vrrp_vrid": _is_number(1, 255),
}
