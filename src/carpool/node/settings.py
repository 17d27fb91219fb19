"""What one node is to run: the same whether a cluster file or ucarp's options say so."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

from carpool.carp.auth import Address
from carpool.carp.packet import GROUP_V4
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND, lapse_time

DEFAULT_MULTICAST = IPv4Address(GROUP_V4)


class Advertise(StrEnum):
    """How advertisements leave the host."""

    REAL_MAC = "real"
    """Through a raw IP socket, so from the interface's own MAC: passes every MAC filter."""
    VIRTUAL_MAC = "virtual"
    """From 00:00:5e:00:01:VHID, as the kernels do."""
    BROADCAST = "broadcast"
    """To the Ethernet broadcast address, from the own MAC (ucarp's ``--nomcast``)."""


class OnConflict(StrEnum):
    """What to do about a stranger that uses an address while we are master."""

    DEFEND = "defend"
    """Say so, and announce the address again, once per second at most (RFC 5227 section 2.4)."""
    YIELD = "yield"
    """Say so, and leave the address alone for a minute."""
    REPORT = "report"
    """Say so."""
    IGNORE = "ignore"
    """Do not even look."""


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """One VIP group on this node."""

    name: str
    carp: Settings
    interface: str
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    """The virtual addresses with their prefixes."""
    sources: tuple[Address, ...] = ()
    """The node's real addresses, where configured; else the interface's first of each family."""
    neighbours: tuple[Address, ...] = ()
    """The real addresses of its other nodes, where configured."""
    manage_addresses: bool = True
    """Whether the daemon puts the addresses on the interface, or leaves that to the scripts."""
    up: tuple[str, ...] = ()
    """Program and first arguments to run as master; the interface and an address follow them."""
    down: tuple[str, ...] = ()
    down_at_start: bool = True
    script_timeout: int = 30 * SECOND
    """Nanoseconds."""
    services: tuple[str, ...] = ()
    """To be started in this order on the master, and stopped elsewhere."""
    service_timeout: int = 60 * SECOND
    """Nanoseconds for the start or the stop of one."""
    service_demote: int = 0
    """By how much a node is demoted whose services do not start."""
    xparam: str | None = None
    """A last argument for both scripts."""
    advertise: Advertise = Advertise.REAL_MAC
    multicast: IPv4Address = DEFAULT_MULTICAST
    ignore_link: bool = False
    """Stay master without carrier."""
    on_conflict: OnConflict = OnConflict.IGNORE
    together: str | None = None
    """Groups of this node with the same name share fate."""
    refuse_if_late: bool = False
    """In the fast profile: do not start on a machine that cannot hold the interval."""
    nodes: tuple[str, ...] = ()
    """The names of the group's nodes, in order; none where they are not known."""
    patience: int | None = None
    """The shortest of the other nodes' (ns); None: that of a node with our timing and no skew."""

    @property
    def shortest_patience(self) -> int:
        """How long after our last advertisement another node takes over at the earliest (ns)."""
        if self.patience is not None:
            return self.patience
        return lapse_time(self.carp.advbase, self.carp.advskew, self.carp.dead_ratio)
