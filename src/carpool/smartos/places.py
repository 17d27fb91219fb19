"""Where things lie on a node, and what they are called: what all rendered files agree on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carpool.carp.timing import SECOND

if TYPE_CHECKING:
    from carpool.cluster.model import Cluster, Node, Zone

FMRI = "svc:/network/carpool:default"
USER = "carpool"
"""User that the daemon runs as in a SmartOS zone."""
STATE = "/var/lib/carpool"
"""What survives a restart of the daemon, which looks here by itself."""

_TO_END = 4 * SECOND
"""From the end of a program's time to when it is no longer waited for: `node.hooks`."""
_PYTHON = re.compile(r"python3([0-9]{1,2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Places:
    """Directories of a node. The daemon's configuration and its keys are in one of them."""

    program: str
    configuration: str

    @property
    def archive(self) -> str:
        """The single file that is the program."""
        return f"{self.program}/carpool.pyz"

    @property
    def config(self) -> str:
        """The daemon's cluster file."""
        return f"{self.configuration}/cluster.toml"


ZONE = Places("/opt/carpool", "/opt/carpool")
"""In a SmartOS zone: /opt is the zone's own there, and survives an update of the platform."""

HOST = Places("/opt/carpool", "/etc/carpool")
"""On any other machine."""


def key_file(secret: str) -> str:
    """Return the name of the file, beside the configuration, for one of `secrets`."""
    return f"{secret}.pw"


def metadata_key(secret: str) -> str:
    """Return the key of internal_metadata for one of `secrets`.

    Of the keys there, only those that end in ``_pw`` are kept from everyone but the zone.
    """
    return f"carpool_{secret}_pw"


def secrets(cluster: Cluster, node: Node) -> list[str]:
    """Return the names of all secrets that the node needs: keys of what `read_secrets` returns."""
    passwords = [name for group in cluster.groups_of(node.name) for name in group.password_files]
    notifiers = cluster.notifiers_of(node.name)
    return passwords + [one.secret_name for one in notifiers if one.secret_file is not None]


def managed_services(cluster: Cluster, node: Node) -> list[str]:
    """Return the services of the node's groups that a service manager starts: no scripts."""
    named = [name for group in cluster.groups_of(node.name) for name in group.services]
    return [name for name in dict.fromkeys(named) if not name.startswith("/")]


def python(zone: Zone | None) -> str:
    """Return the interpreter: pkgsrc's, whose name has the version, or the system's."""
    if zone is None or zone.brand == "lx":
        return "/usr/bin/python3"
    found = filter(None, map(_PYTHON.fullmatch, zone.packages))
    minor = next((match[1] for match in found), None)
    return f"/opt/local/bin/python3.{minor}" if minor else "/opt/local/bin/python3"


def command(node: Node, places: Places, config: str | None = None) -> list[str]:
    """Return the words that start the daemon; -I and -S keep everything foreign out of Python."""
    words = [python(node.zone), "-IS", places.archive, "run", "--node", node.name]
    return [*words, places.config if config is None else config]


def restart_command(node: Node, places: Places) -> list[str]:
    """Return the words that make the running daemon replace its program, without a failover."""
    return [python(node.zone), "-IS", places.archive, "restart", "--node", node.name]


def stop_timeout(cluster: Cluster, node: Node) -> int:
    """Return how many seconds the daemon may take to stop.

    Each group may have a script running, and its down script waits for that one to end; or the
    start of a service, and then all are stopped. What takes too long gets a while to end.
    """
    longest = max(
        (
            2 * group.script_timeout
            + (len(group.services) + bool(group.services)) * (group.service_timeout + _TO_END)
            for group in cluster.groups_of(node.name)
        ),
        default=0,
    )
    return 10 + -(-longest // SECOND)
