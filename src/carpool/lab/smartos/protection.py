"""Link protection: what may leave a zone's nic, as a table of nftables for the hypervisor.

The rules are those of illumos, mac_protect: mac-nospoof and ip-nospoof hold unless the nic's
`allow_mac_spoofing` or `allow_ip_spoofing` says otherwise. Protocol 112 is like any other.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

_PROBE: Final = str(IPv4Address(0))
"""The sender of an ARP probe, RFC 5227."""


def rules(port: str, nic: Mapping[str, Any]) -> str:
    """Return the script for nft that protects the bridge port of a nic, old rules replaced."""
    # A tag is the hypervisor's to give.
    lines = [f"iifname != {port} accept", "ether type { 8021q, 8021ad } drop"]
    mac = nic["mac"]
    if not nic.get("allow_mac_spoofing"):
        lines.append(f"ether saddr != {mac} drop")
    # Even a nic that may forge MACs cannot announce one: this is held against the nic's own.
    lines.append(f"ether type arp arp saddr ether != {mac} drop")
    if not nic.get("allow_ip_spoofing"):
        allowed = [ip_address(text) for text in own_addresses(nic)]
        v4 = {str(one) for one in allowed if one.version == 4}
        v6 = {str(one) for one in allowed if one.version == 6}
        lines += [
            _only("arp", "arp saddr ip", v4 | {_PROBE}),
            _only("ip", "ip saddr", v4),
            _only("ip6", "ip6 saddr", v6 | {"::", str(link_local(mac))}),
        ]
    body = "\n    ".join(lines)
    return f"""\
add table bridge {port}
delete table bridge {port}
table bridge {port} {{
  chain sent {{
    type filter hook prerouting priority -200; policy accept;
    {body}
  }}
}}
"""


def own_addresses(nic: Mapping[str, Any]) -> list[str]:
    """Return the addresses that a nic may send from, without prefixes."""
    fixed = [text for text in nic.get("ips", []) if text not in ("dhcp", "addrconf")]
    return [text.partition("/")[0] for text in (*fixed, *nic.get("allowed_ips", []))]


def link_local(mac: str) -> IPv6Address:
    """Return the IPv6 address that an interface makes of its MAC: RFC 4291, appendix A."""
    octets = bytes.fromhex("".join(part.zfill(2) for part in mac.split(":")))
    identifier = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return IPv6Address(bytes.fromhex("fe80000000000000") + identifier)


def _only(kind: str, field: str, addresses: Iterable[str]) -> str:
    known = ", ".join(sorted(addresses))
    if not known:
        return f"ether type {kind} drop"
    return f"ether type {kind} {field} != {{ {known} }} drop"
