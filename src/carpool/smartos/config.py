"""The cluster file of one node: what its daemon needs to know, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carpool.cluster.check_writing import check_keys
from carpool.cluster.log_schema import TO_SYSLOG
from carpool.cluster.notify_writing import notify_keys
from carpool.cluster.toml_writing import toml_key, toml_line, toml_seconds
from carpool.smartos.places import key_file

if TYPE_CHECKING:
    from carpool.cluster.model import Cluster, Group, Logging, Node

_HEAD = (
    "# Written by carpool render: change the cluster file that it was made from, not this one.\n"
)


def config(cluster: Cluster, node: Node) -> str:
    """Return the cluster file for the node, as TOML: its groups, and the nodes it shares them with.

    Every default is written out. The secrets are files beside it, ``GROUP.pw`` and so on.
    """
    groups = cluster.groups_of(node.name)
    peers = {member.node for group in groups for member in group.members}
    lines = [_HEAD, "[cluster]", toml_line("name", cluster.name)]
    if cluster.log is not None:
        lines += ["", "[log]", *_log(cluster.log)]
    for peer in cluster.nodes:
        if peer.name in peers:
            lines += ["", f"[nodes.{toml_key(peer.name)}]"]
            lines.append(toml_line("address", [str(address) for address in peer.addresses]))
            lines.append(toml_line("interface", peer.interface))
            if peer.hostname != peer.name:
                lines.append(toml_line("hostname", peer.hostname))
            lines.append(toml_line("weight", peer.weight))
            if not peer.realtime:
                lines.append(toml_line("realtime", peer.realtime))
    for group in groups:
        lines += ["", f"[groups.{toml_key(group.name)}]"]
        lines += [toml_line(key, value) for key, value in _keys(group).items() if value is not None]
    for check in cluster.checks_of(node.name):
        lines += ["", f"[checks.{toml_key(check.name)}]"]
        lines += [toml_line(key, value) for key, value in check_keys(check, peers).items()]
    here = [group.name for group in groups]
    for notifier in cluster.notifiers_of(node.name):
        lines += ["", f"[notify.{toml_key(notifier.name)}]"]
        keys = notify_keys(notifier, peers, here, key_file(notifier.secret_name))
        lines += [toml_line(key, value) for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def _log(log: Logging) -> list[str]:
    keys = {
        "format": log.format,
        "level": log.level,
        # Where nothing of it goes to syslog, these would be reported.
        "facility": log.facility if log.server or log.format in TO_SYSLOG else None,
        "server": None if log.server is None else str(log.server),
        "enterprise": log.enterprise if log.server or log.format == "rfc5424" else None,
    }
    return [toml_line(key, value) for key, value in keys.items() if value is not None]


def _keys(group: Group) -> dict[str, Any]:
    signing, *accepted = map(key_file, group.password_files)
    return {
        "vhid": group.vhid,
        "addresses": [str(address) for address in group.addresses],
        "password_file": signing,
        "accept_password_files": accepted or None,
        "replay": group.replay,
        "profile": group.profile if group.profile == "fast" else None,
        "on_late": group.on_late if group.profile == "fast" else None,
        "advbase": group.advbase,
        "advskew": {member.node: member.advskew for member in group.members},
        "preempt": group.preempt,
        "dead_ratio": group.dead_ratio,
        "interface": {member.node: member.interface for member in group.members},
        "nodes": [member.node for member in group.members],
        "up": None if group.up is None else list(group.up),
        "down": None if group.down is None else list(group.down),
        "script_timeout": toml_seconds(group.script_timeout),
        "source_mac": group.source_mac,
        "multicast": str(group.multicast),
        "ignore_link": group.ignore_link,
        "preempt_delay": toml_seconds(group.preempt_delay),
        "hold_down": toml_seconds(group.hold_down),
        "announce_every": toml_seconds(group.announce_every),
        "seek_rival": toml_seconds(group.seek_rival),
        "on_conflict": group.on_conflict,
        "together": group.together,
        "checks": list(group.checks) or None,
        "services": list(group.services) or None,
        "service_timeout": toml_seconds(group.service_timeout) if group.services else None,
        "service_demote": group.service_demote if group.services else None,
    }
