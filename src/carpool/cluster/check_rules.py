"""What must hold between the keys of a health check, and between checks and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carpool.cluster.check_schema import CHECK, KINDS
from carpool.cluster.consistency import check_known_node
from carpool.cluster.findings import Rule
from carpool.cluster.kinds import Unknown, check_names
from carpool.cluster.wording import choose_from, listing

if TYPE_CHECKING:
    from carpool.cluster.draft import Draft, Values
    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key

_SECOND = 1_000_000_000


def check_checks(draft: Draft, source: Source) -> None:
    """Report to ``source`` what is wrong with the checks of a draft."""
    used = _check_uses(draft, source)
    for name, values in draft.checks.items():
        key = ("checks", name)
        if name not in used:
            mend = f'add checks = ["{name}"] to a group, or take it out'
            source.report(Rule.UNUSED_CHECK, key, "no group depends on this check", mend)
        if "type" in values:
            KINDS.check_keys(values, key, source)
        _check_timeout(values, key, source)
        _check_contradictions(values, key, source)
        for node in values["interface"] if isinstance(values.get("interface"), dict) else ():
            check_known_node(draft, node, (*key, "interface", node), source)
        if values.get("type") == "gateway":
            _check_system(draft, name, source)


def timeout_of(values: Values) -> int | None:
    """Return the timeout in ns, with its default; None where the file errs."""
    if "timeout" not in values or "interval" not in values:
        return None
    given: int | None = values["timeout"]
    interval: int = values["interval"]
    return min(_SECOND, interval // 2) if given is None else given


def _check_uses(draft: Draft, source: Source) -> set[str]:
    """Report names of checks that there are not, and return those that are used."""

    def mend(name: str) -> str:
        known = choose_from(name, draft.checks) if draft.checks else ""
        return known or f"add a table {CHECK.header}"

    unknown = Unknown("check", Rule.UNKNOWN_CHECK, mend)
    used: set[str] = set()
    for group, values in draft.groups.items():
        names, at = values.get("checks") or (), ("groups", group, "checks")
        used |= check_names(names, draft.checks, at, source, unknown)
    return used


def _check_timeout(values: Values, key: Key, source: Source) -> None:
    timeout = timeout_of(values)
    if timeout is not None and timeout >= values["interval"]:
        seconds, interval = timeout / _SECOND, values["interval"] / _SECOND
        message = f"{seconds:g} s is not less than the interval, {interval:g} s"
        mend = "make it shorter, or the interval longer"
        source.report(Rule.CHECK_TIMEOUT, (*key, "timeout"), message, mend)


def _check_contradictions(values: Values, key: Key, source: Source) -> None:
    def report(name: str, message: str, mend: str) -> None:
        source.report(Rule.CHECK_CONTRADICTION, (*key, name), message, mend)

    if values.get("action") == "backup" and values.get("demote") is not None:
        message = 'action = "backup" does not demote, it forbids to be master'
        report("demote", message, "take one of the two out")
    if values.get("expect") == "absent" and values.get("text") is not None:
        message = "a file that must be absent cannot contain a text"
        report("text", message, "take one of the two out")
    url = values.get("url")
    if url is not None and not url.tls and values.get("verify") is not None:
        message = "there is no certificate without https"
        report("verify", message, "take it out, or use https")


def _check_system(draft: Draft, name: str, source: Source) -> None:
    """Report a check by ARP on nodes that are SmartOS zones."""
    groups = [
        group for group, values in draft.groups.items() if name in (values.get("checks") or ())
    ]
    nodes = {seat.node for group in groups for seat in draft.seats[group]}
    zones = [
        node
        for node, zone in draft.zones.items()
        if node in nodes and zone.get("brand") in {"joyent", "joyent-minimal"}
    ]
    if zones:
        message = f"{listing(zones)} cannot ask by ARP: a SmartOS zone has no packet sockets"
        mend = 'use type = "command" with command = ["/usr/sbin/ping", ADDRESS, "1"]'
        source.report(Rule.CHECK_NEEDS_LINUX, ("checks", name, "type"), message, mend)
