"""One machine on the virtual LAN: its process, its clock, its cable."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, cast

from carpool.carp.counters import Counters
from carpool.carp.effects import Effect
from carpool.carp.election import State
from carpool.carp.packet import Datagram
from carpool.carp.receiver import Receiver
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND, interval, lapse_time
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Advertisement, Rejection
from carpool.cluster.model import Group
from carpool.node.lease import guarded_time, kernel_lifetime
from carpool.sim.clock import Clock


class Host(Protocol):
    """What a node runs for one vhid: the daemon's `VirtualHost`, or a model of another kind's."""

    state: State
    rejections: Counter[Rejection]

    @property
    def settings(self) -> Settings:
        """What it is configured to be."""

    @property
    def demotion(self) -> int:
        """What is held against it; NEVER_MASTER if it must not be master."""

    def start(self, now: int) -> None:
        """Begin as BACKUP."""

    def stop(self, now: int) -> None:
        """Leave."""

    def link_lost(self, now: int) -> None:
        """Fall silent."""

    def link_back(self, now: int) -> None:
        """Begin again as BACKUP."""

    def yield_mastership(self, now: int) -> None:
        """Hand the addresses to another node, if it holds them."""

    def set_demotion(self, demotion: int, now: int) -> None:
        """Become less preferred, by an amount of 0 to 255."""

    def woke(self, now: int) -> None:
        """Know that the machine has slept."""

    def receive(
        self, datagram: Datagram, advertisement: Advertisement, now: int
    ) -> Rejection | None:
        """Take an advertisement."""

    def handle_timer(self, now: int) -> None:
        """Do what is due."""

    def timer(self) -> int | None:
        """Return when `handle_timer` is to be called, on the node's own clock."""

    def next_effect(self) -> Effect | None:
        """Return the next thing to do."""


Make = Callable[[Settings, Mapping[int, bytes], Counters], Host]
"""Makes a node's host from its settings, its addresses by IP family, and the counters it knows."""


def carpool(settings: Settings, sources: Mapping[int, bytes], counters: Counters) -> Host:
    """Return the daemon's own protocol core."""
    return VirtualHost(settings, sources=sources, counters=counters)


def guarded(group: Group) -> int:
    """Return after how long the guard of the slowest node takes the addresses off (ns)."""
    skews = [member.advskew for member in group.members]
    patience = lapse_time(group.advbase, min(skews), group.dead_ratio)
    return guarded_time(patience, interval(group.advbase, max(skews)))


def lifetime(group: Group) -> int:
    """Return for how long Linux keeps a group's addresses after an advertisement (ns)."""
    skews = [member.advskew for member in group.members]
    patience = lapse_time(group.advbase, min(skews), group.dead_ratio)
    return kernel_lifetime(patience, interval(group.advbase, max(skews))) * SECOND


def _write(disk: bytearray, place: int, data: bytes) -> None:
    if place > len(disk):  # As a file does that is written behind its end.
        disk.extend(bytes(place - len(disk)))
    disk[place : place + len(data)] = data


@dataclass(slots=True)
class Node:
    """One machine on the LAN. Change it through `Lan` only."""

    name: str
    settings: tuple[Settings, ...]
    sources: dict[int, bytes]
    make: Make = carpool
    lifetime: int | None = None
    """Nanoseconds for which the kernel keeps an address that no advertisement renews; None: it
    stays for ever."""
    guarded: int | None = None
    """Nanoseconds after which a guard takes it off, punctually; None: there is no guard."""
    clock: Clock = field(default_factory=Clock)
    alive: bool = False
    frozen: bool = False
    asleep: bool = False
    """Frozen as a whole: what arrives is lost."""
    plugged: bool = True
    hosts: dict[int, Host] = field(default_factory=dict)
    """The running virtual hosts, by vhid: none while the node is down."""
    receiver: Receiver = field(default_factory=Receiver)
    wakes: dict[int, int] = field(default_factory=dict)
    """The next instant at which each vhid's timer is looked at."""
    renewed: dict[int, int] = field(default_factory=dict)
    """When the addresses of each vhid were last put on or renewed."""
    wall: int = 0
    """What the node's clock shows at instant 0, in nanoseconds since 1970."""
    disk: dict[int, bytearray] = field(default_factory=dict)
    """What each vhid has saved of the adverts that it heard and sent, for its next boot."""
    waiting: deque[Callable[[], None]] = field(default_factory=deque)
    """What a frozen node will find when it thaws."""

    def populate(self, dice: Callable[[], int]) -> None:
        """Make new hosts, which know what those before have saved; `dice` rolls 64 bits."""
        self.receiver = Receiver()
        for settings in self.settings:
            disk = self.disk.setdefault(settings.vhid, bytearray())
            counters = Counters(
                settings.replay,
                wall=self.wall,
                seed=dice(),
                saved=bytes(disk),
                save=partial(_write, disk),
            )
            host = self.make(settings, self.sources, counters)
            self.receiver.add(cast(VirtualHost, host))
        self.hosts = cast(dict[int, Host], self.receiver.hosts)

    @property
    def demotion(self) -> int:
        """What is held against it, of all vhids the least."""
        return min((host.demotion for host in self.hosts.values()), default=0)

    @property
    def active(self) -> bool:
        """Whether it takes part: its process runs and its cable is in."""
        return self.alive and not self.frozen and self.plugged
