"""What was gathered: all that the rules look at. Durations and instants are in nanoseconds."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Interface, IPv6Interface, ip_address

from carpool.carp.auth import Address
from carpool.carp.packet import GROUP_V4, GROUP_V6, Datagram
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND, interval
from carpool.carp.wire import Advertisement, Rejection, decode
from carpool.watch.sighting import Protocol, Sighting

Interface = IPv4Interface | IPv6Interface
Answers = Mapping[bytes, Mapping[bytes, bytes]]
"""By address (packed) and MAC: the frame in which that MAC says that it has the address."""


@dataclass(frozen=True, slots=True)
class Word:
    """What one sender says of one vhid: one frame, and how often the like was heard."""

    interface: str
    frame: bytes
    """With its Ethernet header, unless `mac` is empty: then it is an IP packet or payload."""
    mac: bytes
    """Of the sender, empty where the system does not tell."""
    datagram: Datagram
    reading: Sighting | Rejection
    outgoing: bool = False
    """This host sent it."""
    number: int = 1
    first: int = 0
    last: int = 0
    due: int = 0
    """How many should have followed the first, in thousandths, by what each said of the next."""
    same_counter: int = 0
    """How many in a row had the counter of the one before."""
    repeated: int = 0
    """How many had a counter of one before, in all."""
    delivered: int | None = None
    """How many of them a raw socket of this host received; None where that is not known."""

    @property
    def vhid(self) -> int:
        """The vhid, or VRRP's router id; 0 where there is none."""
        return self.datagram.payload[1] if len(self.datagram.payload) > 1 else 0

    @property
    def source(self) -> str:
        """From which address."""
        return str(ip_address(self.datagram.source))

    @property
    def advertisement(self) -> Advertisement | None:
        """What CARP reads in it."""
        read = decode(self.datagram.payload)
        return read if isinstance(read, Advertisement) else None

    @property
    def interval(self) -> int:
        """How often its sender says that it speaks, 0 where it does not say."""
        return self.reading.interval if isinstance(self.reading, Sighting) else 0

    @property
    def is_carp(self) -> bool:
        """Whether it is an advertisement of CARP that stays."""
        said = self.reading
        return isinstance(said, Sighting) and said.protocol is Protocol.CARP and not said.leaving


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node of a group, as the cluster file has it: addresses packed."""

    name: str
    addresses: tuple[bytes, ...]
    advskew: int


@dataclass(frozen=True, slots=True)
class Told:
    """What the daemon says of a group, after the listening."""

    state: str
    lasting: bool
    """It said the same state before, and did not change it meanwhile."""
    demotions: Mapping[str, int]
    rejected: Mapping[str, int]
    """By reason: what was rejected while we listened."""
    heard: frozenset[bytes]
    """From whom it accepts advertisements, packed."""
    mismatches: Mapping[bytes, str]
    """What does not fit in those of a source, packed."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group that should be there, as the cluster file or else the daemon says."""

    name: str
    vhid: int
    interface: str
    addresses: tuple[Interface, ...]
    advbase: int
    advskew: int | None
    """Of this node, None for an onlooker."""
    preempt: bool = False
    multicast: bytes = GROUP_V4
    """Where it advertises over IPv4, packed; empty where that is not known."""
    virtual_mac: bool = False
    """It advertises from 00:00:5e:00:01:VHID."""
    carp: Settings | None = None
    """With the password, where the file tells it."""
    peers: tuple[Peer, ...] = ()
    """The other nodes, where the file tells them."""
    told: Told | None = None

    @property
    def interval(self) -> int:
        """How often its master speaks."""
        return interval(self.advbase, self.advskew or 0)

    @property
    def vips(self) -> tuple[Address, ...]:
        """The virtual addresses without their prefixes."""
        return tuple(one.ip for one in self.addresses)

    @property
    def families(self) -> frozenset[int]:
        """Of its addresses: 4, 6 or both. It advertises over each."""
        return frozenset(one.version for one in self.addresses)

    def multicast_of(self, family: int) -> bytes:
        """Return where it advertises over a family, packed; empty where that is not known."""
        return self.multicast if family == 4 else GROUP_V6

    def peer_at(self, source: bytes) -> Peer | None:
        """Return the node that has that address."""
        return next((one for one in self.peers if source in one.addresses), None)


@dataclass(frozen=True, slots=True)
class Port:
    """An interface: what this host knows of it, and who answered there."""

    name: str
    present: bool = True
    up: bool = True
    carrier: bool = True
    mac: bytes = b""
    listened: bool = True
    """It could be listened to."""
    addresses: frozenset[bytes] = frozenset()
    """On it now, packed."""
    own_macs: frozenset[bytes] = frozenset()
    """Of all interfaces of this host."""
    joined: frozenset[bytes] | None = None
    """Multicast groups it was a member of before the doctor joined; None if not known."""
    bridge: str = ""
    """What a bridge of this host that it belongs to does with multicast."""
    reverse_path: bool = False
    """The kernel drops what comes from where it has no route to, on this interface."""
    drops_in: str = ""
    """The rule of this host's packet filter that drops advertisements on input, if one does."""
    drops_out: str = ""
    asked: frozenset[bytes] = frozenset()
    """Who was asked for, packed."""
    answers: Answers = field(default_factory=dict)
    """Who answered, the last time that anybody did."""
    claims: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)
    """By MAC: all addresses that it said were its own."""

    @property
    def usable(self) -> bool:
        """Whether it can hear and reach anybody."""
        return self.present and self.up and self.carrier

    @property
    def link_local(self) -> bytes | None:
        """An IPv6 address from which this host could speak there; None without IPv6."""
        return min((one for one in self.addresses if one[:2] == b"\xfe\x80"), default=None)

    def macs_of(self, addresses: Iterator[bytes] | tuple[bytes, ...]) -> frozenset[bytes]:
        """Return the MACs that answered for any of the addresses."""
        return frozenset(mac for one in addresses for mac in self.answers.get(one, ()))


class Running(StrEnum):
    """What is known of the daemon of this node."""

    YES = "yes"
    NO = "no"
    MUTE = "does not answer"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything."""

    began: int
    ended: int
    groups: tuple[Group, ...] = ()
    ports: Mapping[str, Port] = field(default_factory=dict)
    words: tuple[Word, ...] = ()
    node: str | None = None
    """Which node of the file this host is, None if none or if there is no file."""
    file: str | None = None
    running: Running = Running.UNKNOWN
    problem: str = ""
    """Why the daemon cannot be asked."""
    lacking: tuple[str, ...] = ()
    """Capabilities that the daemon does not have, or that nothing here can have."""
    legacy_tables: tuple[str, ...] = ()
    """The tables that iptables of the older kind has here: what is in them is not known."""
    late: int = 0
    """By how much a wait ended too late, at the most."""
    clock_step: int = 0
    """By how much the time of day jumped, at the most; may be negative."""
    blind: tuple[str, ...] = ()
    """What could not be looked at, and why."""

    _by_vhid: dict[tuple[str, int], list[Word]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        for word in self.words:
            self._by_vhid.setdefault((word.interface, word.vhid), []).append(word)

    def of(self, group: Group) -> list[Word]:
        """Return the words with a group's vhid, on its interface."""
        return self._by_vhid.get((group.interface, group.vhid), [])

    def speaks_on(self, word: Word) -> bool:
        """Tell whether its sender has been master for longer than an election takes, and is."""
        if not word.is_carp or word.number < 3:
            return False
        pace = word.interval
        return word.last - word.first >= pace and self.ended - word.last <= pace * 5 // 2 + _SLACK

    def masters(self, words: Iterable[Word]) -> list[Word]:
        """Return of what was said of one group, over one family, what its masters say.

        A master that has taken over from another has not spoken beside it for an interval.
        """
        speaking = [word for word in words if self.speaks_on(word)]
        newest = max(speaking, key=lambda word: word.first, default=None)
        return [
            word
            for word in speaking
            if newest in (None, word)
            or word.last - newest.first >= max(word.interval, newest.interval)
        ]

    def heard_enough_of(self, group: Group) -> bool:
        """Tell whether its master, if it had one, would have been heard."""
        port = self.ports[group.interface]
        waited = self.ended - self.began >= 2 * group.interval
        return port.usable and port.listened and waited

    @property
    def seconds(self) -> float:
        """How long was listened."""
        return (self.ended - self.began) / SECOND


_SLACK = SECOND // 10
