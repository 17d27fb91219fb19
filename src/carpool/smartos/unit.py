"""The systemd unit that runs the daemon on a Linux host, and the plain one of an lx zone."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from carpool.smartos.places import (
    HOST,
    ZONE,
    Places,
    command,
    key_file,
    managed_services,
    restart_command,
    secrets,
    stop_timeout,
)
from carpool.smartos.templates import template

if TYPE_CHECKING:
    from carpool.cluster.model import Cluster, Node


_REALTIME = (
    "# For the fast profile.",
    "LimitRTPRIO=10",
    "LimitMEMLOCK=infinity",
)
_UNIT_TYPES = tuple(
    f".{kind}"
    for kind in (
        *("service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer"),
        *("slice", "scope"),
    )
)
"""systemd.unit(5)"""
_NO_REALTIME = ("RestrictRealtime=yes",)
_NETWORK = "network-online.target"
_MANAGERS = "dbus.service polkit.service"
"""What systemctl needs, also of a daemon that stops its services while the machine goes down."""


def unit(cluster: Cluster, node: Node, places: Places = HOST) -> str:
    """Return the hardened unit of a Linux host, for systemd 247 or newer.

    The daemon has a user of its own only while it runs, unless there is one of its name:
    `lasting_user`. systemd, as root, reads the configuration and the passwords and hands them over
    in a directory of credentials.
    """
    names = ["cluster.toml", *map(key_file, secrets(cluster, node))]
    credentials = [f"LoadCredential={name}:{places.configuration}/{name}" for name in names]
    return template(
        "carpool.service",
        after=f"{_NETWORK} {_MANAGERS}" if managed_services(cluster, node) else _NETWORK,
        # systemd puts the directory there, which no quoting may hide from it.
        start=f"{_escape(command(node, places, '')[:-1])} ${{CREDENTIALS_DIRECTORY}}/cluster.toml",
        reload=_escape(restart_command(node, places)),
        stop_timeout=str(stop_timeout(cluster, node)),
        credentials="\n".join(line.replace("%", "%%") for line in credentials),
        realtime="\n".join(_REALTIME if _is_fast(cluster, node) else _NO_REALTIME),
    )


def polkit_rules(cluster: Cluster, node: Node) -> str | None:
    """Return the rule of polkit(8) with which the unit's user may start and stop services.

    None if no group of the node has any.
    """
    names = managed_services(cluster, node)
    # As systemctl does: a dot may be part of the name, as in php8.2-fpm.
    units = [name if name.endswith(_UNIT_TYPES) else f"{name}.service" for name in names]
    return template("carpool.rules", units=json.dumps(units)) if units else None


def lasting_user(cluster: Cluster, node: Node) -> str | None:
    """Return the lines of sysusers.d(5) that make a user for the unit, which then takes it.

    Only where there are services to start: dbus-daemon refuses the user of DynamicUser=. None if no
    group of the node has any.
    """
    return template("carpool-user.conf") if managed_services(cluster, node) else None


def lx_unit(cluster: Cluster, node: Node, places: Places = ZONE) -> str:
    """Return the unit of an lx zone, where systemd has no namespaces to confine a service with."""
    return template(
        "carpool-lx.service",
        start=_escape(command(node, places)),
        reload=_escape(restart_command(node, places)),
        stop_timeout=str(stop_timeout(cluster, node)),
    )


def _is_fast(cluster: Cluster, node: Node) -> bool:
    """Return whether the daemon of a node may take a real-time priority."""
    fast = any(group.profile == "fast" for group in cluster.groups_of(node.name))
    return fast and node.realtime


def _escape(words: list[str]) -> str:
    """Return a command line for ExecStart= (systemd.service(5), "COMMAND LINES")."""
    return " ".join(
        shlex.quote(word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$"))
        for word in words
    )
