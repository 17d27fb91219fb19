"""What differs between a zone as it is and its payload, and what `vmadm update` makes it equal.

What may be updated, and what takes a boot of the zone, is from vmadm(8), PROPERTIES; that the
protection of a nic changes at once is from updateVnicProperties() of vmadm's VM.js.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCRIPT_KEY = "user-script"
HIDDEN = "(not shown)"

_FIXED = ("brand", "image_uuid")
_AT_ONCE = ("alias", "autoboot", "max_physical_memory", "quota")
_AT_BOOT = ("hostname", "dns_domain", "resolvers", "kernel_version")
_UNITS = {"max_physical_memory": " MiB", "quota": " GiB"}

_NIC_DEFAULTS: dict[str, Any] = {
    "nic_tag": None,
    "vlan_id": 0,
    "mtu": None,
    "ips": [],
    "gateways": [],
    "allowed_ips": [],
    "allow_ip_spoofing": False,
    "allow_mac_spoofing": False,
}
_NIC_AT_ONCE = ("allowed_ips", "allow_ip_spoofing", "allow_mac_spoofing")
_UNORDERED = ("allowed_ips",)

_MOST_DIFF_LINES = 40


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs, in ``lines`` for people, no secret among them.

    ``update`` is what `vmadm update` takes to mend it, empty if nothing differs; ``needs_boot``
    tells whether the zone must boot for it, ``fixed`` what no update can change.
    """

    lines: tuple[str, ...]
    update: Mapping[str, Any] = field(repr=False)
    needs_boot: bool
    fixed: tuple[str, ...]


def difference(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Difference:
    """Compare a payload with what `vmadm get` says. What the payload leaves open is left alone."""
    lines: list[str] = []
    update: dict[str, Any] = {}
    fixed = tuple(
        f"{name}: {found.get(name)} -> {wanted[name]}"
        for name in _FIXED
        if wanted[name] != found.get(name)
    )
    needs_boot = False
    for name in (*_AT_ONCE, *_AT_BOOT):
        if name in wanted and wanted[name] != found.get(name):
            unit = _UNITS.get(name, "")
            lines.append(f"{name}: {_show(found.get(name))} -> {_show(wanted[name])}{unit}")
            update[name] = wanted[name]
            needs_boot |= name in _AT_BOOT
    nic_lines, nic, nic_boot = _nic(wanted["nics"][0], found.get("nics") or [])
    if nic:
        lines += nic_lines
        update["update_nics" if "mac" in nic else "add_nics"] = [nic]
        needs_boot |= nic_boot
    lines += _metadata(wanted, found, update)
    return Difference(tuple(lines), update, needs_boot, fixed)


def _nic(
    wanted: Mapping[str, Any], nics: list[Mapping[str, Any]]
) -> tuple[list[str], dict[str, Any], bool]:
    """Return the lines, the nic for the update (none if equal), and whether it takes a boot."""
    if not nics:
        return ["nic: none -> " + ", ".join(wanted["ips"])], dict(wanted), True
    found = next((nic for nic in nics if nic.get("primary")), nics[0])
    lines, changed = [], {}
    for name, default in _NIC_DEFAULTS.items():
        before, after = found.get(name, default), wanted.get(name, default)
        if after is None or _equal(name, before, after):
            continue
        lines.append(f"nic {name}: {_show(before)} -> {_show(after)}")
        changed[name] = after
    if not changed:
        return [], {}, False
    boot = any(name not in _NIC_AT_ONCE for name in changed)
    return lines, {"mac": found.get("mac"), **changed}, boot


def _equal(name: str, before: Any, after: Any) -> bool:
    if name in _UNORDERED and isinstance(before, list):
        return sorted(before) == sorted(after)
    return bool(before == after)


def _metadata(
    wanted: Mapping[str, Any], found: Mapping[str, Any], update: dict[str, Any]
) -> Iterator[str]:
    script = wanted["customer_metadata"][SCRIPT_KEY]
    before = (found.get("customer_metadata") or {}).get(SCRIPT_KEY, "")
    if script != before:
        update["set_customer_metadata"] = {SCRIPT_KEY: script}
        yield f"{SCRIPT_KEY}:"
        yield from (f"    {line}" for line in text_diff(before, script))
    secrets: Mapping[str, Any] = wanted.get("internal_metadata") or {}
    known: Mapping[str, Any] = found.get("internal_metadata") or {}
    changed = {key: value for key, value in secrets.items() if known.get(key) != value}
    gone = [key for key in known if key not in secrets and is_ours(key)]
    for key in changed:
        yield f"{key}: {'changed' if key in known else 'new'} {HIDDEN}"
    for key in gone:
        yield f"{key}: removed"
    if changed:
        update["set_internal_metadata"] = changed
    if gone:
        update["remove_internal_metadata"] = gone


def is_ours(key: str) -> bool:
    """Return whether a key of internal_metadata is one that carpool puts there."""
    return key.startswith("carpool_") and key.endswith("_pw")


def text_diff(before: str, after: str) -> list[str]:
    """Return the lines that differ, with a line around them, "-" before and "+" after."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))
    lines = [line for line in lines[2:] if not line.startswith("@@")]
    if len(lines) > _MOST_DIFF_LINES:
        rest = len(lines) - _MOST_DIFF_LINES
        lines = [*lines[:_MOST_DIFF_LINES], f"... and {rest} more lines"]
    return lines


def _show(value: object) -> str:
    if value is None or value in ("", []):
        return "none"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
