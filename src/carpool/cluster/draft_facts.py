"""The facts of a cluster file, for the rules that hold in files of every form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carpool.cluster.facts import At, Claim, Host, Nic, Seat

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from carpool.cluster.draft import Draft
    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key


def hosts_of(draft: Draft, source: Source) -> dict[str, Host]:
    """Return the nodes by their names."""
    return {name: _host(draft, name, source) for name in draft.nodes}


def claims_of(
    draft: Draft, hosts: Mapping[str, Host], passwords: Mapping[str, bytes], source: Source
) -> list[Claim]:
    """Return the groups; ``passwords`` are those that could be read, by group."""
    claims = []
    for name, group in draft.groups.items():
        key = ("groups", name)
        password = passwords.get(name)
        seats = tuple(
            Seat(
                hosts[seat.node],
                advskew=_at(seat.advskew, (*key, "advskew", seat.node)),
                interface=_own_interface(group.get("interface"), seat.node, (*key, "interface")),
            )
            for seat in draft.seats[name]
        )
        claims.append(
            Claim(
                source=source,
                key=key,
                name=name,
                cluster=draft.cluster.get("name", ""),
                vhid=_at(group.get("vhid"), (*key, "vhid")),
                vips=_list(group.get("addresses"), (*key, "addresses")),
                advbase=_at(group.get("advbase"), (*key, "advbase")),
                preempt=_at(group.get("preempt"), (*key, "preempt")),
                seats=seats,
                password=_at(password, (*key, "password_file")),
            )
        )
    return claims


def _host(draft: Draft, name: str, source: Source) -> Host:
    node, key = draft.nodes[name], ("nodes", name)
    addresses = _list(node.get("address"), (*key, "address"))
    hostname = node.get("hostname") or name
    zone = draft.zones.get(name)
    if zone is None:
        return Host(source, key, name, (Nic(key, addresses),))

    def at(field: str) -> At[Any] | None:
        return _at(zone.get(field), draft.zone_key(name, field))

    def each(field: str) -> tuple[At[Any], ...]:
        return _list(zone.get(field), draft.zone_key(name, field))

    nic = Nic(key, addresses, each("gateways"), nic_tag=at("nic_tag"), vlan=at("vlan"))
    return Host(
        source=source,
        key=key,
        name=name,
        nics=(nic,),
        zone=True,
        brand=zone.get("brand"),
        hostname=At(hostname, (*key, "hostname")),
        hypervisor=_at(node.get("hypervisor"), (*key, "hypervisor")),
        uuid=_at(node.get("uuid"), (*key, "uuid")),
        # What a zone needs that has more to do than this, its owner knows.
        memory=None if zone.get("packages") or zone.get("services") else at("memory"),
        resolvers=each("resolvers"),
        interface=_at(node.get("interface"), (*key, "interface")),
    )


def _own_interface(given: object, node: str, key: Key) -> At[str] | None:
    """Return the interface that a group has for the node, if it has one: for it or for all."""
    if isinstance(given, dict):
        return _at(given.get(node), (*key, node))
    return At(given, key) if isinstance(given, str) else None


def _at(value: Any, key: Key) -> At[Any] | None:
    return None if value is None else At(value, key)


def _list(values: Iterable[Any] | None, key: Key) -> tuple[At[Any], ...]:
    return tuple(
        At(value, (*key, index)) for index, value in enumerate(values or ()) if value is not None
    )
