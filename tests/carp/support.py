"""One virtual host in virtual time, and a peer that shares its secret."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import count
from typing import Any

from carpool.carp.auth import Address, Authenticator
from carpool.carp.counters import Counters, Replay
from carpool.carp.effects import (
    AddAddresses,
    Advertise,
    Announce,
    Effect,
    RemoveAddresses,
    Transition,
)
from carpool.carp.election import State
from carpool.carp.packet import GROUP_V4, GROUP_V6, Datagram
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Advertisement, Rejection, decode

VHID = 42
PASSWORD = b"love"
VIP = ip_address("192.0.2.100")
VIP6 = ip_address("2001:db8::100")
MS = SECOND // 1000
_ANYWHERE = count(0, 1 << 32)


def packed(address: str) -> bytes:
    return ip_address(address).packed


@dataclass
class Peer:
    """Another node of the group, as the network hears it."""

    source: str = "192.0.2.20"
    source6: str = "2001:db8::20"
    addresses: tuple[Address, ...] = (VIP,)
    password: bytes = PASSWORD
    vhid: int = VHID
    counter: int = field(default_factory=_ANYWHERE.__next__)
    """Not sequenced, and another for each peer."""

    def says(
        self, advbase: int = 1, advskew: int = 0, family: int = 4, demotion: int = 0
    ) -> tuple[Datagram, Advertisement]:
        self.counter += 1
        digest = Authenticator(self.password, self.vhid, self.addresses).digest(self.counter)
        advertisement = Advertisement(self.vhid, advbase, advskew, self.counter, digest, demotion)
        source = packed(self.source if family == 4 else self.source6)
        group = GROUP_V4 if family == 4 else GROUP_V6
        return Datagram(source, group, 255, advertisement.encode()), advertisement


LOWER, HIGHER = Peer(source="10.0.1.5"), Peer(source="10.0.0.9")
"""As ucarp compares, by the last byte first; read left to right it is the other way round."""

TAKE_OVER = ["-> MASTER", "add", "advertise 1/0", "announce"]
"""What a bench does that becomes master."""


@dataclass
class Bench:
    """A virtual host, its clock, and everything it ever did: (instant, effect)."""

    host: VirtualHost
    peer: Peer
    now: int = 0
    log: list[tuple[int, Effect]] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        advskew: int = 0,
        *,
        advbase: int = 1,
        preempt: bool = False,
        dead_ratio: int = 3,
        addresses: Iterable[Address] = (VIP,),
        source: str = "192.0.2.10",
        source6: str = "2001:db8::10",
        replay: Replay = Replay.WINDOW,
        **more: Any,
    ) -> "Bench":
        addresses = tuple(addresses)
        settings = Settings(
            VHID, addresses, PASSWORD, advbase, advskew, preempt, dead_ratio, **more
        )
        sources = {4: packed(source), 6: packed(source6)}
        families = {address.version for address in addresses}
        sources = {family: sources[family] for family in families}
        host = VirtualHost(settings, sources=sources, counters=Counters(replay))
        return cls(host, Peer(addresses=addresses))

    def state(self) -> State:
        return self.host.state

    def collect(self) -> None:
        while (effect := self.host.next_effect()) is not None:
            self.log.append((self.now, effect))

    def start(self) -> "Bench":
        self.host.start(self.now)
        self.collect()
        return self

    def wait(self, nanoseconds: int) -> "Bench":
        """Let time pass, the timer called exactly when it wants to be."""
        end = self.now + nanoseconds
        while (due := self.host.timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.host.handle_timer(self.now)
            assert self.host.timer() != due, "the timer stands still"
            self.collect()
        self.now = end
        return self

    def moment(self) -> "Bench":
        """Let as much time pass as a backup may wait before it follows an invitation."""
        return self.wait(10 * MS)

    def pause(self, nanoseconds: int) -> "Bench":
        """Let time pass while the process stands still: no timer runs."""
        self.now += nanoseconds
        return self

    def timer_runs(self) -> None:
        self.host.handle_timer(self.now)
        self.collect()

    def hears(
        self,
        advbase: int = 1,
        advskew: int = 0,
        family: int = 4,
        peer: Peer | None = None,
        demotion: int = 0,
        *,
        more: bool = False,
    ) -> Rejection | None:
        """Hear an advertisement. Unless `more` is queued behind it, a timer that is due runs."""
        datagram, advertisement = (peer or self.peer).says(advbase, advskew, family, demotion)
        rejection = self.host.receive(datagram, advertisement, self.now)
        if rejection is None and not more:
            self.host.handle_timer(self.now)
        self.collect()
        return rejection

    def demoted(self, demotion: int) -> "Bench":
        self.host.set_demotion(demotion, self.now)
        self.collect()
        return self

    def as_master(self) -> "Bench":
        """Start, hear nobody, and be a master whose second announcement is long past."""
        self.start()
        silence = self.host.settings.hold_down + self.host.master_down_time
        self.wait(silence + 2 * self.host.interval)
        assert self.state() is State.MASTER
        self.log.clear()
        return self

    # What it did.

    def did(self) -> list[str]:
        """Tell what was done since the log was last cleared, in short words."""
        return [word(effect) for _, effect in self.log]

    def forget(self) -> None:
        self.log.clear()

    def adverts(self) -> list[tuple[int, Advertisement]]:
        return [
            (instant, read(effect.payload))
            for instant, effect in self.log
            if isinstance(effect, Advertise)
        ]

    def announced_at(self) -> list[int]:
        return [instant for instant, effect in self.log if isinstance(effect, Announce)]

    def transitions(self) -> list[Transition]:
        return [effect for _, effect in self.log if isinstance(effect, Transition)]


def read(payload: bytes) -> Advertisement:
    advertisement = decode(payload)
    assert isinstance(advertisement, Advertisement)
    return advertisement


def word(effect: Effect) -> str:
    match effect:
        case Transition():
            return f"-> {effect.state}"
        case AddAddresses():
            return "add"
        case RemoveAddresses():
            return "remove"
        case Announce():
            return "announce"
        case Advertise():
            said = read(effect.payload)
            demoted = f" demoted {said.demotion}" if said.demotion and not said.is_bow_out else ""
            return f"advertise {said.advbase}/{said.advskew}{demoted}"


def seconds(amount: float) -> int:
    """Nanoseconds, for amounts that are whole in 1/256 s."""
    return int(amount * SECOND)
