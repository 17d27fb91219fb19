"""All files of one node: what `carpool render` writes, and `carpool apply` puts in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from carpool.smartos.config import config
from carpool.smartos.firstboot import user_script
from carpool.smartos.payload import Compat, RenderError, payload, to_json
from carpool.smartos.places import key_file, secrets
from carpool.smartos.service import manifest
from carpool.smartos.unit import lasting_user, lx_unit, polkit_rules, unit
from carpool.smartos.vip import vip_down, vip_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carpool.cluster.model import Cluster, Node

PLACEHOLDER = "(hidden)"
"""What stands for a password that is not to be shown."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a node; ``mode`` is its permissions: 0o600 for what has a secret in it."""

    name: str
    text: str
    mode: int = 0o644

    @property
    def data(self) -> bytes:
        """What goes into the file."""
        return self.text.encode("utf-8", "surrogateescape")


def files(
    cluster: Cluster,
    node: Node,
    passwords: Mapping[str, bytes] | None,
    compat: Compat = Compat.NONE,
) -> tuple[File, ...]:
    """Return the node's files, in a fixed order; the same for the same cluster, every time.

    ``passwords`` has the node's secrets by their names; with None, a placeholder stands in their
    places. Raises RenderError.
    """
    texts = {
        name: PLACEHOLDER
        if passwords is None
        else _text(passwords[name], name, in_zone=node.zone is not None)
        for name in secrets(cluster, node)
    }
    daemon = File("cluster.toml", config(cluster, node))
    if node.zone is None:
        keys = [File(key_file(name), f"{text}\n", 0o600) for name, text in texts.items()]
        rights = {
            "carpool.rules": polkit_rules(cluster, node),
            "carpool-user.conf": lasting_user(cluster, node),
        }
        more = [File(name, text) for name, text in rights.items() if text is not None]
        return (daemon, *keys, File("carpool.service", unit(cluster, node)), *more)
    script = user_script(cluster, node, node.zone, vip_scripts=compat is Compat.UCARP)
    made = payload(cluster, node, user_script=script, passwords=texts, compat=compat)
    service = (
        File("carpool.service", lx_unit(cluster, node))
        if node.zone.brand == "lx"
        else File("carpool.xml", manifest(cluster, node))
    )
    return (
        File("payload.json", to_json(made), 0o600),
        File("first-boot.sh", script, 0o755),
        service,
        daemon,
        File("vip-up", vip_up(cluster, node), 0o755),
        File("vip-down", vip_down(cluster, node), 0o755),
    )


def _text(password: bytes, name: str, *, in_zone: bool) -> str:
    try:
        return password.decode("utf-8", "strict" if in_zone else "surrogateescape")
    except UnicodeDecodeError:
        raise RenderError(
            f"secret {name}: it is not UTF-8, and a zone's metadata has only text; use another one"
        ) from None
