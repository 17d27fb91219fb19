"""What a daemon tells of itself, as text for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from carpool.cluster.wording import printable, table
from carpool.watch.durations import duration

_MOST_NAMED = 8
_HEADINGS = ("GROUP", "STATE", "FOR", "ADDRESSES", "MASTER", "WHY")


def status_text(status: Mapping[str, Any], columns: int | None = None) -> str:
    """Return a table of the groups, and below it what an administrator should know.

    On a terminal of so many columns a table that is wider tells only the addresses of masters.
    """
    for brief in (False, True):
        rows: list[tuple[str, ...]] = [_HEADINGS]
        for group in status["groups"]:
            rows += _rows(group, brief=brief)
        groups = list(table(rows))
        if columns is None or max(map(len, groups)) <= columns:
            break
    # A program that checks something may repeat what a stranger has sent it.
    lines = [daemon_line(status), *groups, *map(printable, notes(status))]
    return "\n".join(lines) + "\n"


def daemon_line(status: Mapping[str, Any]) -> str:
    """Say which daemon it is, and for how long it has been running."""
    head = f"node {status['node']}: carpool {status['program']}, process {status['pid']}"
    return f"{head}, up {duration(status['uptime_seconds'])}"


def _rows(group: Mapping[str, Any], *, brief: bool) -> Iterator[tuple[str, ...]]:
    """Yield a group's row, and one for each further address: of very many the first ones."""
    first, *others = group["addresses"]
    state, since = group["state"], duration(group["state_seconds"])
    yield group["group"], state, since, first, _master(group, brief=brief), group["why"]
    shown = others if len(others) <= _MOST_NAMED else others[: _MOST_NAMED - 1]
    for other in shown:
        yield "", "", "", other, "", ""
    if len(shown) < len(others):
        yield "", "", "", f"and {len(others) - len(shown)} more", "", ""


def _master(group: Mapping[str, Any], *, brief: bool) -> str:
    if group["state"] == "MASTER":
        return "this node"
    master = group["master"]
    if not master:
        return "-"
    return str(master["address"]) if brief else f"{master['address']} {_strength(master)}"


def _strength(peer: Mapping[str, Any]) -> str:
    """Say how strong a peer is, and how long ago it said so."""
    ago = f"{peer['heard_seconds']:.1f}s ago"
    if (peer["advbase"], peer["advskew"]) == (255, 255):
        return f"(bowed out {ago})"
    demoted = f", demoted {peer['demotion']}" if peer["demotion"] else ""
    return f"({peer['interval']:.3f}s, skew {peer['advskew']}{demoted}, {ago})"


def notes(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an administrator should know besides who is master, a line each."""
    for group in status["groups"]:
        yield from _of_a_group(group)
    # A daemon that is older says nothing of checks.
    yield from _checks(status.get("checks", ()))
    yield from _punctuality(status.get("punctuality"))
    yield from _fast(status)
    for interface in status["interfaces"]:
        if not interface["open"]:
            yield f"{interface['interface']}: the interface is not there"
        if interface["rejected"]:
            yield f"{interface['interface']}: rejected {_counted(interface['rejected'])}"
        for stranger in interface["strangers"]:
            yield f"{interface['interface']}: {_noticed(stranger)}"
        for one in interface.get("mismatches", ()):
            ago = duration(one["noticed_seconds"])
            said = f"what {one['address']} says with vhid {one['vhid']} {one['reason']}"
            yield f"{interface['interface']}: {said} (noticed {ago} ago)"


def _of_a_group(group: Mapping[str, Any]) -> Iterator[str]:
    name = group["group"]
    for reason, amount in group["demotions"].items():
        how = "must not be master" if amount == 255 else f"demoted by {amount}"
        yield f"{name}: {how}: {reason}"
    master = group["master"]
    for peer in group["peers"]:
        if master is None or peer["address"] != master["address"]:
            yield f"{name}: heard {peer['address']} {_strength(peer)}"
    if group["rejected"]:
        yield f"{name}: rejected {_counted(group['rejected'])}"
    if script := group["script"]:
        yield f"{script['name']} has been running for {duration(script['seconds'])}"
    if problem := group.get("services_problem"):
        yield f"{name}: service {problem}"


def _punctuality(told: Mapping[str, Any] | None) -> Iterator[str]:
    if not told:
        return
    recent, worst = told["worst_recent_seconds"] * 1000, told["worst_seconds"] * 1000
    how = "" if told["realtime"] else f", without a real-time priority: {told['realtime_problem']}"
    span = told["recent_seconds"]
    yield f"wakes up to {recent:.1f} ms late in {span} s, {worst:.1f} ms since the start{how}"
    for group in told["groups"]:
        if group["raised"]:
            shown = f"{group['interval'] * 1000:.1f} ms"
            wanted = f"{group['configured_interval'] * 1000:.1f} ms"
            yield f"{group['group']}: interval raised to {shown}: too late for {wanted}"


def _fast(status: Mapping[str, Any]) -> Iterator[str]:
    """Say how often groups of the fast profile advertise: those that are alike in one line."""
    told = status.get("punctuality") or {"groups": ()}
    fast = {one["group"] for one in told["groups"]}
    alike: dict[tuple[float, float], list[str]] = {}
    for group in status["groups"]:
        if group["group"] in fast:
            pace = group["interval"], group["master_down_time"]
            alike.setdefault(pace, []).append(group["group"])
    for (interval, patience), names in alike.items():
        who = ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} groups"
        yield (
            f"{who}: fast: an advertisement every {interval * 1000:.1f} ms, a dead master is "
            f"noticed after {patience * 1000:.1f} ms"
        )


def _noticed(stranger: Mapping[str, Any]) -> str:
    ago = duration(stranger["noticed_seconds"])
    return f"{stranger['mac']} uses {stranger['address']}, noticed {ago} ago"


def _is_noteworthy(check: Mapping[str, Any]) -> bool:
    return check["health"] != "good" or check["problem"] is not None


def _checks(checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if checks:
        good = sum(check["health"] == "good" for check in checks)
        yield f"health: {good} of {len(checks)} check{'s' * (len(checks) != 1)} good"
    yield from map(_check, filter(_is_noteworthy, checks))


def _check(check: Mapping[str, Any]) -> str:
    problem = f", the last time: {check['problem']}" if check["problem"] else ""
    since = duration(check["health_seconds"])
    return f"check {check['check']}: {check['health']} for {since}{problem}"


def _counted(rejected: Mapping[str, int]) -> str:
    return ", ".join(f"{number} x {reason}" for reason, number in rejected.items())
