"""What is another in a changed cluster file: for `carpool reload`.

A program that is tried describes what it would run, in texts by key; the daemon describes what it
runs, and compares. What has its default is left out, so that programs of different versions agree.
Secrets are in it as keyed digests, and so is what follows the host in a URL, where tokens may be.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from hashlib import blake2b
from shlex import join
from typing import TYPE_CHECKING, Any, cast

from carpool.carp.timing import SECOND
from carpool.cluster.load import announce_by_default
from carpool.node.settings import GroupSettings

if TYPE_CHECKING:
    from carpool.cluster.model import Check, Cluster, Group, Node
    from carpool.node.notify.settings import NotifierSettings

SALT = "CARPOOL_DESCRIBE"
"""The environment variable that asks a program that is tried to describe what it would run.

Its value is the key of the digests.
"""
PASSWORDS = "passwords"
"""The key of what is in the password files of a group."""

URL_PATH = "path of url"
"""The key of what follows the host in the URL of a check."""

Described = dict[str, dict[str, dict[str, str]]]
"""Of what sort ("group", "check", "other"), by name and key: texts."""

_TIMES = {
    *("script_timeout", "preempt_delay", "hold_down", "announce_every", "seek_rival"),
    *("interval", "timeout", "service_timeout"),
}
_UNTOLD = {PASSWORDS, URL_PATH}
_OF_OTHERS = {"path", "nodes", "groups", "checks"}
"""Fields of a cluster that are not described as a whole."""
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Running:
    """What a daemon runs: its node of a cluster, the settings of its groups and its notifiers."""

    cluster: "Cluster"
    node: "Node"
    groups: Sequence[GroupSettings]
    notifiers: "Sequence[NotifierSettings]" = ()

    def described(self, salt: str) -> Described:
        """Describe it; secrets by digests with that key."""
        *_, whole = self.describe(salt)
        return whole

    def describe(self, salt: str) -> Iterator[Described]:
        """Yield what `described` returns, some groups at a time: there may be thousands."""
        cluster, node = self.cluster, self.node
        nodes = {one.name: one for one in cluster.nodes}
        seldom = announce_by_default(sum(len(one.addresses) for one in cluster.groups))
        told: Described = {"group": {}, "check": {}, "other": {}}
        for number, (group, settings) in enumerate(
            zip(cluster.groups_of(node.name), self.groups, strict=True), start=1
        ):
            secrets = (settings.carp.password, *settings.carp.accepted_passwords)
            passwords = _digest(repr(secrets), salt)
            told["group"][group.name] = {**_group(group, node, nodes), PASSWORDS: passwords}
            if group.announce_every == seldom:
                del told["group"][group.name]["announce_every"]  # It depends on the others.
            if number % _AT_ONCE == 0:
                yield told
        for check in cluster.checks_of(node.name):
            told["check"][check.name] = _check(check, salt)
        about_node = f"{node.name} {node.addresses} {node.interface} {node.realtime}"
        told["other"]["node"] = {"": _digest(about_node, salt)}
        for field in fields(cluster):
            if field.name not in _OF_OTHERS:
                text = repr(getattr(cluster, field.name))
                told["other"][field.name] = {"": _digest(text, salt)}
        if self.notifiers:
            tokens = repr([one.secret for one in self.notifiers])
            told["other"]["secrets of notifiers"] = {"": _digest(tokens, salt)}
        yield told


def changes(before: Described, after: Described) -> list[dict[str, Any]]:
    """Return what is another, in the order of the file.

    Each has "what" ("group", "check", "other"), "name", "change" ("added", "removed",
    "changed"), and "keys": by key what it was and what it will be, None where that is not told.
    """
    return [
        *_between("group", before["group"], after["group"]),
        *_between("check", before["check"], after["check"]),
        *(
            {"what": "other", "name": name, "change": "changed", "keys": {}}
            for name in dict.fromkeys((*before["other"], *after["other"]))
            if before["other"].get(name) != after["other"].get(name)
        ),
    ]


def _between(
    what: str, before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> Iterable[dict[str, Any]]:
    for name in dict.fromkeys((*before, *after)):
        if name not in after or name not in before:
            change = "added" if name in after else "removed"
            yield {"what": what, "name": name, "change": change, "keys": {}}
        elif before[name] != after[name]:
            old, new = before[name], after[name]
            keys = [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]
            told = {key: None if key in _UNTOLD else [old.get(key), new.get(key)] for key in keys}
            yield {"what": what, "name": name, "change": "changed", "keys": told}


def _group(group: "Group", node: "Node", nodes: "Mapping[str, Node]") -> dict[str, str]:
    told = dict(_texts(group))
    others = []
    for member in group.members:
        if member.node == node.name:
            told |= {"advskew": str(member.advskew), "interface": member.interface}
        else:
            addresses = " ".join(str(one.ip) for one in nodes[member.node].addresses)
            others.append(f"{member.node} ({addresses}, advskew {member.advskew})")
    told["members"] = ", ".join(others) or "none"
    return told


def _check(check: "Check", salt: str) -> dict[str, str]:
    told = dict(_texts(check))
    if check.url is not None:
        told["url"] = str(check.url._replace(path=""))
        told[URL_PATH] = _digest(check.url.path, salt)
    return told


def _texts(table: Any) -> Iterator[tuple[str, str]]:
    """Yield the fields of a group or a check that do not have their defaults."""
    for name, default in _fields(cast("Hashable", type(table))):
        value = getattr(table, name)
        if name not in {"name", "members"} and value != default:
            yield name, _text(name, value)


@cache
def _fields(kind: Hashable) -> tuple[tuple[str, Any], ...]:
    known = fields(cast("Any", kind))
    return tuple((one.name, None if one.default is MISSING else one.default) for one in known)


def _text(name: str, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() if name in _TIMES:
            return f"{value / SECOND:g} s"
        case tuple() if name in {"up", "down", "command"}:
            return join(value)
        case tuple():
            return ", ".join(map(str, value))
    return str(value)


def _digest(text: str, salt: str) -> str:
    return blake2b(text.encode(), key=salt.encode(), digest_size=16).hexdigest()
