"""What the lab tells of itself: its zones, and who has which address."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from carpool.cluster.wording import table
from carpool.lab.cluster import ClusterLab

_FEW: Final = 3  # groups that are listed one by one


def status(lab: ClusterLab) -> dict[str, Any]:
    """Return all there is to know, in what JSON can say."""
    zones: dict[str, Any] = {
        name: {
            "daemon": str(lab.life(name)),
            "cables": lab.cables(name),
            "groups": lab.states(name),
            "addresses": [str(address) for address in lab.zone(name).addresses()],
        }
        for name in lab.nodes
    }
    groups = {
        group.name: {
            "vhid": group.vhid,
            "addresses": [str(address) for address in group.addresses],
            "held_by": lab.holders(group),
        }
        for group in lab.cluster.groups
    }
    return {"zones": zones, "client": lab.client, "groups": groups}


def status_lines(lab: ClusterLab) -> Iterator[str]:
    """Yield the same as two tables."""
    facts = status(lab)
    zones = [["zone", "daemon", "cables", "says of itself"]]
    for name, zone in facts["zones"].items():
        cables = ", ".join(f"{port} {state}" for port, state in zone["cables"].items())
        zones.append([name, zone["daemon"], cables or "none", _states(zone["groups"])])
    groups = [["group", "vhid", "address", "held by"]]
    for name, group in facts["groups"].items():
        first, *more = group["addresses"]
        address = f"{first} and {len(more)} more" if more else first
        groups.append([name, str(group["vhid"]), address, ", ".join(group["held_by"]) or "nobody"])
    yield from table(zones)
    yield ""
    yield from table(groups)


def _states(groups: dict[str, str]) -> str:
    if len(groups) <= _FEW:
        return ", ".join(f"{group} {state}" for group, state in groups.items())
    counts = Counter(groups.values())
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
