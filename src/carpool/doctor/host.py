"""What this host says of itself: its interfaces, capabilities, packet filter and memberships.

Everything here may be forbidden or missing: then it is not known, and nothing is concluded.
"""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carpool.carp.auth import Address
from carpool.doctor.observation import Port
from carpool.netlink import Route
from carpool.node.hosts import this_host
from carpool.node.log import Log, stderr_sink
from carpool.node.loop import Loop

CAPABILITIES = {"CAP_NET_RAW": 13, "CAP_NET_ADMIN": 12}
_NFT_SECONDS = 5.0
_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


def ports(names: Sequence[str]) -> dict[str, Port]:
    """Return what is known of these interfaces."""
    if sys.platform != "linux":
        there = {name for _, name in socket.if_nameindex()}
        return {name: Port(name, present=name in there) for name in names}
    with Route() as route:
        links = {link.name: link for link in route.links()}
        assigned = route.addresses()
    own_macs = frozenset(link.mac for link in links.values() if any(link.mac))
    found = {}
    for name in names:
        link = links.get(name)
        if link is None:
            found[name] = Port(name, present=False)
            continue
        found[name] = Port(
            name,
            up=link.up,
            carrier=link.carrier,
            mac=link.mac,
            addresses=frozenset(
                one.interface.ip.packed for one in assigned if one.index == link.index
            ),
            own_macs=own_macs,
            joined=_joined(name),
            bridge=_bridge(name, link.index),
            reverse_path=_reverse_path(name),
        )
    return found


def addresses() -> list[Address]:
    """Return the addresses of this host."""
    if sys.platform != "linux":
        host = this_host(Loop(), Log(stderr_sink()))
        return [one.interface.ip for one in host.addresses()]
    with Route() as route:
        return [one.interface.ip for one in route.addresses()]


def is_part_of_another(name: str) -> bool:
    """Tell whether what arrives there belongs to a bridge, bond or VRF above it."""
    return Path(f"/sys/class/net/{name}/master").exists()


def lacking(pid: int | None) -> tuple[str, ...]:
    """Return the capabilities that a process lacks; without one, those that none can have here."""
    status = _read(Path(f"/proc/{'self' if pid is None else pid}/status"))
    key = "CapBnd:" if pid is None else "CapEff:"
    for line in status.splitlines():
        if line.startswith(key):
            held = int(line.split()[1], 16)
            return tuple(name for name, bit in CAPABILITIES.items() if not held >> bit & 1)
    return ()


def ruleset() -> list[Mapping[str, Any]] | None:
    """Return nftables' rules, None where they cannot be read."""
    nft = shutil.which("nft", path=_PATH)
    if nft is None:
        return None
    try:
        done = subprocess.run(
            [nft, "-j", "list", "ruleset"],
            capture_output=True,
            timeout=_NFT_SECONDS,
            check=True,
        )
        found = json.loads(done.stdout)["nftables"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, list) else None


def legacy_tables() -> tuple[str, ...]:
    """Return the tables of iptables' older kind, whose rules nft does not list."""
    places = (Path("/proc/self/net") / f"{family}_tables_names" for family in ("ip", "ip6"))
    return tuple(dict.fromkeys(word for place in places for word in _read(place).split()))


def _joined(name: str) -> frozenset[bytes] | None:
    """Return the multicast groups of an interface (/proc/net/igmp and igmp6)."""
    text = _read(Path("/proc/net/igmp"))
    if not text:
        return None
    found, here = set(), False
    for line in text.splitlines()[1:]:
        words = line.split()
        if not line.startswith("\t"):
            here = len(words) > 1 and words[1].rstrip(":") == name
        elif here and words:
            found.add(int(words[0], 16).to_bytes(4, sys.byteorder))
    for line in _read(Path("/proc/net/igmp6")).splitlines():
        words = line.split()
        if len(words) > 2 and words[1] == name:
            found.add(bytes.fromhex(words[2]))
    return frozenset(found)


def _bridge(name: str, index: int) -> str:
    """Say what the bridge does with multicast that the interface is, or is a port of."""
    place = Path(f"/sys/class/net/{name}")
    if _read(place / "ifindex").strip() != str(index):
        return ""  # the files are of another network namespace
    for bridge in (place / "bridge", place / "brport/bridge/bridge"):
        if _read(bridge / "multicast_snooping").strip() == "1":
            querier = _read(bridge / "multicast_querier").strip() == "1"
            asks = "asks who listens itself" if querier else "does not ask who listens itself"
            return f"the bridge of {name} does IGMP snooping and {asks}"
    if _read(place / "brport/multicast_flood").strip() == "0":
        return f"the bridge does not flood multicast to {name}"
    return ""


def _reverse_path(name: str) -> bool:
    place = Path("/proc/sys/net/ipv4/conf")
    return "1" in {_read(place / one / "rp_filter").strip() for one in ("all", name)}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
