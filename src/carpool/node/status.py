"""What a daemon tells of itself, as a document for the control socket.

Durations and intervals are in seconds; advskew is in 1/256 s. Keys may be added, and keep their
meaning while the version of the socket stays what it is.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from carpool.carp.election import State
from carpool.carp.peers import Peer
from carpool.carp.timing import SECOND, interval
from carpool.carp.wire import Rejection
from carpool.node.daemon import Daemon
from carpool.node.group import Group
from carpool.node.segment import Segment

if TYPE_CHECKING:
    from carpool.node.health.checks import Check


GROUPS_AT_ONCE = 8
"""To be told in one round of the loop: all of 255 at once would take 5 ms."""


def status_of_the_rest(daemon: Daemon, now: int) -> dict[str, Any]:
    """Return a daemon's health checks and what its interfaces rejected: all but its groups."""
    return {
        "checks": [_check(check, now) for check in daemon.checks],
        "interfaces": [_segment(segment, now) for segment in daemon.segments],
        "punctuality": daemon.punctuality and daemon.punctuality.status(),
    }


def group_status(group: Group, now: int) -> dict[str, Any]:
    """Return what one group is."""
    settings, host = group.settings, group.virtual_host
    script = group.running_script
    return {
        "group": settings.name,
        "vhid": settings.carp.vhid,
        "interface": settings.interface,
        "multicast": str(settings.multicast),
        "addresses": [str(address) for address in settings.addresses],
        "sources": sorted(str(ip_address(source)) for source in host.sources.values()),
        "state": host.state.value,
        "state_seconds": _seconds(now - group.since),
        "why": group.why,
        "transitions": group.transitions,
        "advbase": settings.carp.advbase,
        "advskew": host.advskew,
        "interval": _seconds(host.interval),
        "master_down_time": _seconds(host.master_down_time),
        "demotion": host.demotion,
        "demotions": dict(group.demotions),
        "preempt": settings.carp.preempt,
        "seeking_seconds": _seconds(max(0, host.seeking.until - now)),
        "master": _master(group, now),
        "peers": [_peer(peer, now) for peer in host.peers],
        "rejected": _counts(host.rejections),
        "script": script and {"name": script[0], "seconds": _seconds(now - script[1])},
        "services_problem": group.services_problem,
    }


def _master(group: Group, now: int) -> dict[str, Any] | None:
    """Return the master that a backup obeys, None where that is this node, or nobody."""
    host = group.virtual_host
    if host.state is not State.BACKUP or host.master is None:
        return None
    peer = host.peers.of(host.master)
    return _peer(peer, now) if peer else None


def _peer(peer: Peer, now: int) -> dict[str, Any]:
    return {
        "address": str(ip_address(peer.source)),
        "advbase": peer.advbase,
        "advskew": peer.advskew,
        "demotion": peer.demotion,
        "interval": _seconds(interval(peer.advbase, peer.advskew)),
        "heard_seconds": _seconds(now - peer.heard_at),
    }


def _check(check: "Check", now: int) -> dict[str, Any]:
    return {
        "check": check.settings.name,
        "health": check.health.value,
        "health_seconds": _seconds(now - check.since),
        "problem": check.problem,
        "groups": list(check.settings.groups),
    }


def _segment(segment: Segment, now: int) -> dict[str, Any]:
    return {
        "interface": segment.interface,
        "open": segment.link is not None,
        "rejected": _counts(segment.rejections),
        "strangers": [
            {
                "address": str(one.address),
                "mac": one.mac.hex(":"),
                "noticed_seconds": _seconds(now - one.when),
            }
            for one in segment.conflicts.strangers
        ],
        "mismatches": [
            {
                "address": str(ip_address(one.source)),
                "vhid": one.vhid,
                "noticed_seconds": _seconds(now - one.when),
                "reason": one.what,
            }
            for one in segment.mismatches
        ],
    }


def _counts(rejections: Mapping[Rejection, int]) -> dict[str, int]:
    return {reason.value: number for reason, number in sorted(rejections.items())}


def _seconds(nanoseconds: int) -> float:
    return round(nanoseconds / SECOND, 6)
