"""A cluster as the rest of carpool sees it: checked, complete, every default filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from carpool.carp.counters import Replay
from carpool.carp.settings import Settings

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
    from pathlib import Path

    Interface: TypeAlias = IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True)
class Zone:
    """What the SmartOS zone of a node is like: what the file says of all, and of this node.

    ``image`` is a UUID in lower case, ``memory`` is in MiB, ``quota`` in GiB, ``mtu`` in bytes.
    ``vlan`` is 0 for none. ``packages`` are installed at the first boot, and ``services`` enabled
    after carpool's own.
    """

    brand: Literal["joyent", "joyent-minimal", "lx"]
    image: str
    kernel_version: str | None
    memory: int
    quota: int
    nic_tag: str
    vlan: int
    mtu: int | None
    gateways: tuple[IPv4Address, ...]
    resolvers: tuple[IPv4Address | IPv6Address, ...]
    dns_domain: str | None
    packages: tuple[str, ...]
    services: tuple[str, ...]
    autoboot: bool


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the cluster, with its real addresses and the interface that has them.

    ``weight``, 0 to 255, ranks the nodes where a group says nothing: the heaviest is preferred.
    ``zone`` is None for a machine that is no SmartOS zone, and so is ``uuid``, the zone's own.
    ``hypervisor`` is ``[user@]host[:port]`` of the global zone that it runs in. ``realtime`` says
    whether the daemon may have a real-time priority there.
    """

    name: str
    addresses: tuple[Interface, ...]
    interface: str
    weight: int
    hostname: str
    alias: str | None = None
    hypervisor: str | None = None
    uuid: str | None = None
    zone: Zone | None = None
    realtime: bool = True


class Url(NamedTuple):
    """A page on a host; ``path`` has the query too, and begins with a slash."""

    tls: bool
    address: IPv4Address | IPv6Address
    port: int
    path: str

    def __str__(self) -> str:
        """Return it as it is written."""
        scheme, usual = ("https", 443) if self.tls else ("http", 80)
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        port = "" if self.port == usual else f":{self.port}"
        return f"{scheme}://{host}{port}{self.path}"


@dataclass(frozen=True, slots=True)
class Check:
    """A health check: something to look at on a node, again and again.

    ``interval`` and ``timeout`` are in ns. ``demote`` is by how much a bad check demotes its
    groups, None where its ``action`` is to make them backup. What is not for its ``type`` is None.
    ``interface`` is one for all nodes, or by the names of the nodes.
    """

    name: str
    type: Literal["command", "tcp", "http", "gateway", "interface", "file"]
    interval: int
    timeout: int
    rise: int
    fall: int
    action: Literal["demote", "backup"]
    demote: int | None
    command: tuple[str, ...] | None = None
    address: IPv4Address | IPv6Address | None = None
    port: int | None = None
    url: Url | None = None
    host: str | None = None
    verify: bool | None = None
    status: tuple[int, ...] | None = None
    text: str | None = None
    interface: str | dict[str, str] | None = None
    path: str | None = None
    expect: Literal["absent", "present"] | None = None

    def interface_on(self, node: Node) -> str:
        """Return the interface that is looked at on a node."""
        if isinstance(self.interface, dict):
            return self.interface.get(node.name, node.interface)
        return self.interface or node.interface


@dataclass(frozen=True, slots=True)
class Notifier:
    """Somebody to be told what happens to groups, and how; each node tells of itself.

    ``timeout`` and ``every`` are in ns. ``groups`` are the names of all groups that it is about.
    ``secret_file`` is absolute; ``ca_file`` and ``path`` are on the node. What is not for its
    ``type`` is None. ``host`` is one for all nodes, or by the names of the nodes.
    """

    name: str
    type: Literal["mail", "webhook", "nrdp", "nagios"]
    on: tuple[str, ...]
    groups: tuple[str, ...]
    timeout: int
    retries: int
    every: int
    server: str | None = None
    port: int | None = None
    security: Literal["starttls", "tls", "none"] | None = None
    to: tuple[str, ...] | None = None
    sender: str | None = None
    user: str | None = None
    url: str | None = None
    headers: dict[str, str] | None = None
    secret_file: Path | None = None
    secret_header: str | None = None
    path: str | None = None
    host: str | dict[str, str] | None = None
    service: str | None = None
    ca_file: str | None = None
    verify: bool | None = None

    @property
    def secret_name(self) -> str:
        """What its secret is called, beside those of groups; no group's is called so."""
        return f"{self.name}+notify"

    def host_on(self, node: Node) -> str:
        """Return what Nagios calls a node."""
        if isinstance(self.host, dict):
            return self.host.get(node.name, node.hostname)
        return self.host or node.hostname


@dataclass(frozen=True, slots=True)
class Member:
    """What a group is on one of its nodes: its interface there, and its advskew (1/256 s)."""

    node: str
    interface: str
    advskew: int


@dataclass(frozen=True, slots=True)
class Group:
    """Virtual addresses that move together: one vhid.

    ``advbase`` is in seconds; ``script_timeout``, ``preempt_delay``, ``hold_down``,
    ``announce_every`` and ``seek_rival`` are in ns. Groups with the same ``together`` share fate.
    ``password_file`` is absolute. ``up`` and ``down`` are a program and its arguments.
    ``multicast`` is where IPv4 advertisements go; those of IPv6 go to ff02::12.
    """

    name: str
    vhid: int
    addresses: tuple[Interface, ...]
    password_file: Path
    advbase: int
    members: tuple[Member, ...]
    preempt: bool
    dead_ratio: int
    up: tuple[str, ...] | None
    down: tuple[str, ...] | None
    script_timeout: int
    source_mac: Literal["real", "virtual"]
    multicast: IPv4Address
    ignore_link: bool
    preempt_delay: int = 0
    hold_down: int = 0
    announce_every: int = 0
    seek_rival: int = 0
    on_conflict: Literal["defend", "yield", "report", "ignore"] = "defend"
    together: str | None = None
    checks: tuple[str, ...] = ()
    """The names of the health checks that it depends on."""
    accept_password_files: tuple[Path, ...] = ()
    replay: Literal["window", "strict", "off"] = "window"
    profile: Literal["standard", "fast"] = "standard"
    interval: int | None = None
    """Of the fast profile, in ns as the file has it; the members' advskew is what it comes to."""
    on_late: Literal["raise", "refuse"] = "raise"
    services: tuple[str, ...] = ()
    service_timeout: int = 60_000_000_000
    """In ns."""
    service_demote: int = 0

    def member(self, node: str) -> Member | None:
        """Return the group's member on the node of that name, None if it has none there."""
        return next((member for member in self.members if member.node == node), None)

    @property
    def password_files(self) -> dict[str, Path]:
        """The files of all its passwords by name: GROUP, which signs, then GROUP+2 and so on."""
        more = enumerate(self.accept_password_files, start=2)
        return {self.name: self.password_file, **{f"{self.name}+{n}": file for n, file in more}}

    def carp_settings(
        self, member: Member, password: bytes, accepted: tuple[bytes, ...] = ()
    ) -> Settings:
        """Return what the protocol core needs to be this group on one of its nodes.

        ``accepted`` are the further passwords.
        """
        in_order = sorted(self.members, key=lambda one: one.advskew)
        return Settings(
            vhid=self.vhid,
            addresses=tuple(address.ip for address in self.addresses),
            password=password,
            advbase=self.advbase,
            advskew=member.advskew,
            preempt=self.preempt,
            dead_ratio=self.dead_ratio,
            preempt_delay=self.preempt_delay,
            hold_down=self.hold_down,
            announce_every=self.announce_every,
            seek_rival=self.seek_rival if len(self.members) > 1 else 0,
            replay=Replay(self.replay),
            place=in_order.index(member),
            accepted_passwords=accepted,
            fast=self.profile == "fast",
        )


class LogServer(NamedTuple):
    """A server that takes messages of RFC 5424."""

    transport: Literal["udp", "tcp"]
    address: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        """Return it as it is written."""
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{self.transport}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Logging:
    """What the daemon logs, and where to.

    ``format`` is None for what suits standard error. ``enterprise`` is the private enterprise
    number of structured data.
    """

    format: Literal["text", "json", "journal", "syslog", "rfc5424"] | None = None
    level: Literal["error", "warning", "notice", "info", "debug"] = "info"
    facility: str = "daemon"
    server: LogServer | None = None
    enterprise: int = 32473


@dataclass(frozen=True, slots=True)
class Cluster:
    """A whole cluster file; ``path`` is the file, None for a cluster made in memory."""

    path: Path | None
    name: str
    nodes: tuple[Node, ...]
    groups: tuple[Group, ...]
    checks: tuple[Check, ...] = ()
    log: Logging | None = None
    """What the file says of the log; None: nothing."""
    notifiers: tuple[Notifier, ...] = ()

    def node(self, name: str) -> Node | None:
        """Return the node of that name, None if there is none."""
        return next((node for node in self.nodes if node.name == name), None)

    def group(self, name: str) -> Group | None:
        """Return the group of that name, None if there is none."""
        return next((group for group in self.groups if group.name == name), None)

    def groups_of(self, node: str) -> tuple[Group, ...]:
        """Return the groups that the node of that name is a member of."""
        return tuple(group for group in self.groups if group.member(node))

    def checks_of(self, node: str) -> tuple[Check, ...]:
        """Return the checks on which any group of the node of that name depends."""
        wanted = {name for group in self.groups_of(node) for name in group.checks}
        return tuple(check for check in self.checks if check.name in wanted)

    def notifiers_of(self, node: str) -> tuple[Notifier, ...]:
        """Return the notifiers that are about any group of the node of that name."""
        here = {group.name for group in self.groups_of(node)}
        return tuple(one for one in self.notifiers if not here.isdisjoint(one.groups))
