"""The notifiers of one node, from a cluster file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from carpool.cluster.notify_schema import STATES, TYPES
from carpool.cluster.notify_secret import read_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carpool.cluster.model import Cluster, Node, Notifier


@dataclass(frozen=True, slots=True)
class NotifierSettings:
    """One notifier. Times are in nanoseconds."""

    name: str
    type: str
    states: frozenset[str]
    """The new states of a group that are told, as in State."""
    kinds: frozenset[str]
    """The other kinds of events that are told."""
    groups: frozenset[str]
    of_all: bool
    """Whether these are all groups of the node: what concerns no single group is told then."""
    timeout: int
    retries: int
    every: int
    node: str
    hostname: str
    names: Mapping[str, str]
    """Nodes by their addresses."""
    keys: Mapping[str, Any]
    """The keys that its type has, for the child."""
    secret: str | None = field(default=None, repr=False)


def plan_notifiers(cluster: Cluster, node: Node) -> tuple[NotifierSettings, ...]:
    """Return the notifiers about the node's groups. Reads their secrets: raises PasswordError."""
    return tuple(_settings(one, cluster, node) for one in cluster.notifiers_of(node.name))


def _settings(one: Notifier, cluster: Cluster, node: Node) -> NotifierSettings:
    here = {group.name for group in cluster.groups_of(node.name)}
    keys = TYPES[one.type]
    own = {name: getattr(one, name) for name in (*keys.required, *keys.optional) if name != "from"}
    own = {name: value for name, value in own.items() if value is not None}
    own.pop("secret_file", None)
    if one.sender is not None:
        own["from"] = one.sender
    if one.type in ("nrdp", "nagios"):
        own["host"] = one.host_on(node)
    return NotifierSettings(
        name=one.name,
        type=one.type,
        states=frozenset(word.upper() for word in one.on if word in STATES),
        kinds=frozenset(word for word in one.on if word not in STATES),
        groups=frozenset(here & set(one.groups)),
        of_all=here <= set(one.groups),
        timeout=one.timeout,
        retries=one.retries,
        every=one.every,
        node=node.name,
        hostname=node.hostname,
        names={str(own.ip): other.name for other in cluster.nodes for own in other.addresses},
        keys=own,
        secret=_secret(one),
    )


def _secret(one: Notifier) -> str | None:
    if one.secret_file is None:
        return None
    return read_secret(one.secret_file, one.type, one.secret_header)
