"""The groups of this host as lines of text for a terminal of any width."""

from collections.abc import Sequence
from ipaddress import ip_address

from carpool.watch.host import THIS_NODE, UNTOLD, HostGroup
from carpool.watch.table import Names, duration, line, name

HEADINGS = ("GROUP", "STATE", "MASTER", "EVERY", "JITTER", "FOR")
_WIDTHS = (12, 6, 17, 7, 7, 7)


def heading(width: int) -> str:
    """Return the line above the groups."""
    return line((*HEADINGS, "LAST SECONDS"), width, _WIDTHS)


def row(group: HostGroup, label: str, now: int, width: int, names: Names) -> str:
    """Return the line of a group, cut to `width`: its strip takes what is left."""
    cells = [label, group.told["state"], _master(group, names), "", "", ""]
    if group.silent:
        cells[1] = UNTOLD
    else:
        cells[3] = duration(group.interval) if group.interval else ""
        cells[4] = "" if group.jitter is None else duration(group.jitter)
        cells[5] = duration(now - group.since)
    left = max(width - sum(_WIDTHS) - len(_WIDTHS), 0)
    strip = "".join(group.strip)[-left:].rjust(left) if left else ""
    return line((*cells, strip), width, _WIDTHS)


def summary(groups: Sequence[HostGroup]) -> str:
    """Say in a few words how they are."""
    own = sum(group.master == THIS_NODE and not group.silent for group in groups)
    none = sum(group.master is None and not group.silent for group in groups)
    parts = [f"{len(groups)} group{'s' * (len(groups) != 1)}", f"master of {own}"]
    if none:
        parts.append(f"{none} with NO master")
    return ", ".join(parts)


def _master(group: HostGroup, names: Names) -> str:
    if group.silent:
        return UNTOLD
    if group.master is None:
        return "NONE"
    if group.master == THIS_NODE:
        return f"{group.letter} this node"
    return f"{group.letter} {name(ip_address(group.master).packed, names)}"
