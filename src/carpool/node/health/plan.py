"""From a cluster file to the checks that one node runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carpool.node.health.settings import (
    Carrier,
    CheckSettings,
    Command,
    File,
    Gateway,
    Http,
    Target,
    Tcp,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from carpool.carp.auth import Address
    from carpool.cluster.model import Check, Cluster, Interface, Node


def plan_checks(cluster: Cluster, node: Node) -> tuple[CheckSettings, ...]:
    """Return the checks on which the node's groups depend, each of them once."""
    groups = cluster.groups_of(node.name)
    return tuple(
        CheckSettings(
            name=check.name,
            target=_target(check, node),
            groups=tuple(group.name for group in groups if check.name in group.checks),
            interval=check.interval,
            timeout=check.timeout,
            rise=check.rise,
            fall=check.fall,
            demote=check.demote,
        )
        for check in cluster.checks_of(node.name)
    )


def _target(check: Check, node: Node) -> Target:
    # What each type must have was checked when the file was read.
    match check.type:
        case "command":
            assert check.command is not None
            return Command(check.command)
        case "tcp":
            assert check.address is not None
            assert check.port is not None
            return Tcp(check.address, check.port)
        case "http":
            return _http(check)
        case "gateway":
            assert check.address is not None
            interface = check.interface_on(node)
            sources = node.addresses if interface == node.interface else ()
            return Gateway(check.address, interface, _near(check.address, sources))
        case "interface":
            return Carrier(check.interface_on(node))
        case "file":
            assert check.path is not None
            return File(check.path, check.expect == "present", check.text)


def _http(check: Check) -> Http:
    assert check.url is not None
    return Http(
        address=check.url.address,
        port=check.url.port,
        path=check.url.path,
        tls=check.url.tls,
        host=check.host,
        verify=check.verify is not False,
        statuses=check.status or (),
        text=check.text,
    )


def _near(address: Address, sources: Iterable[Interface]) -> Address | None:
    """Return our own address on the network of `address`, else the first of its family."""
    usable = [own for own in sources if own.version == address.version]
    best = min(usable, key=lambda own: address not in own.network, default=None)
    return None if best is None else best.ip
