"""What rules are held against: nodes and groups as one file tells of them, whatever its form.

A cluster file, a vmadm payload and a ucarp command line each say a part; every value has the key
by which its source finds where it is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from carpool.cluster.model import Interface
    from carpool.cluster.source import Source
    from carpool.cluster.wording import Key

    Address: TypeAlias = IPv4Address | IPv6Address

_T = TypeVar("_T")


class At(NamedTuple, Generic[_T]):
    """A value and where its file has it."""

    value: _T
    key: Key


@dataclass(frozen=True, slots=True)
class Nic:
    """A network interface. ``allowed`` is what a payload lets it use besides its own addresses.

    It is None where carpool will write the payload itself, or there is none. ``nic_tag`` and
    ``vlan`` are None outside SmartOS.
    """

    key: Key
    addresses: tuple[At[Interface], ...] = ()
    gateways: tuple[At[Address], ...] = ()
    allowed: tuple[At[Address], ...] | None = None
    spoofs_ip: bool = False
    nic_tag: At[str] | None = None
    vlan: At[int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Host:
    """A node. ``memory`` is in MiB; ``interface`` is what carpool is to find in the zone."""

    source: Source
    key: Key
    name: str
    nics: tuple[Nic, ...]
    zone: bool = False
    brand: str | None = None
    hostname: At[str] | None = None
    hypervisor: At[str] | None = None
    uuid: At[str] | None = None
    memory: At[int] | None = None
    resolvers: tuple[At[Address], ...] = ()
    interface: At[str] | None = None
    secrets: dict[str, At[str]] = field(default_factory=dict, repr=False)
    """Passwords in the zone's internal metadata, by their name."""

    @property
    def addresses(self) -> tuple[At[Interface], ...]:
        """The addresses of all nics."""
        return tuple(address for nic in self.nics for address in nic.addresses)


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """A node's part in a group; ``host`` is None if the file has only its ``address``.

    ``interface`` is what the group is on, if that is not the host's.
    """

    host: Host | None
    address: At[Address] | None = None
    advskew: At[int] | None = None
    interface: At[str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """What one file says of one group.

    ``cluster`` is the name of the cluster, None where the file is one node's own and its peers
    have others. ``advbase`` is in seconds.
    """

    source: Source
    key: Key
    name: str
    cluster: str | None
    vhid: At[int] | None
    vips: tuple[At[Interface], ...]
    advbase: At[int] | None
    preempt: At[bool] | None
    seats: tuple[Seat, ...]
    password: At[bytes] | None = field(default=None, repr=False)
