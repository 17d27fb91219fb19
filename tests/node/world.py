"""Groups on a host that is made of words, in virtual time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from typing import Any, cast

from tests.support.virtual_loop import VirtualLoop
from tests.support.written import Written

from carpool.carp.counters import Counters
from carpool.carp.election import State
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.carp.wire import Advertisement, decode
from carpool.node.blink import LONGEST_BLINK
from carpool.node.group import Group
from carpool.node.guard import Guard
from carpool.node.host import Host, Interface, Link
from carpool.node.log import Log
from carpool.node.loop import Loop
from carpool.node.settings import GroupSettings
from carpool.node.together import join
from carpool.node.turns import Turns

SOURCE = bytes((192, 0, 2, 10))


@dataclass
class FakeLink:
    fails: bool = False
    said: list[Advertisement] = field(default_factory=list)

    def advertise(self, _vhid: int, _source: bytes, payload: bytes, _how: object) -> None:
        if self.fails:
            raise OSError(100, "Network is down")
        advertisement = decode(payload)
        assert isinstance(advertisement, Advertisement)
        self.said.append(advertisement)

    announced: int = 0

    def announce(self, _address: bytes) -> None:
        self.announced += 1


@dataclass
class FakeHost:
    problem: str | None = None
    has: bool = False
    removals: int = 0

    def add_addresses(
        self, _on: object, _which: object, done: Callable[..., None], *, lifetime: int
    ) -> None:
        self.has = self.problem is None
        done(self.problem)

    def remove_addresses(self, _on: object, _which: object, done: Callable[..., None]) -> None:
        self.has = False
        self.removals += 1
        done(None)

    def renewal(self, *_: object) -> Callable[[], None]:
        return lambda: None

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_args, **_more: None


@dataclass
class World:
    loop: VirtualLoop = field(default_factory=VirtualLoop)
    lines: Written = field(default_factory=Written)
    hosts: dict[str, FakeHost] = field(default_factory=dict)
    links: dict[str, FakeLink] = field(default_factory=dict)

    def group(self, name: str, vhid: int, **more: Any) -> Group:
        """Return a group that is master on its interface; `more` is for `make`."""
        group = self.make(name, vhid, **more)
        group.start(carrier=True)
        self.loop.run(5 * SECOND)
        assert state(group) is State.MASTER
        return group

    def make(
        self,
        name: str,
        vhid: int,
        *,
        interface: str = "net0",
        together: str | None = None,
        advbase: int = 1,
        advskew: int = 0,
        fast: bool = False,
        refuse_if_late: bool = False,
        seek_rival: int = 0,
        nodes: tuple[str, ...] = (),
        turns: Turns | None = None,
        services: tuple[str, ...] = (),
        service_demote: int = 0,
    ) -> Group:
        """Return a group that has not begun."""
        vip = IPv4Interface(f"192.0.2.{100 + vhid}/24")
        host, link = FakeHost(), FakeLink()
        self.hosts[name], self.links[name] = host, link
        carp = Settings(
            vhid, (vip.ip,), b"secret", advbase, advskew, seek_rival=seek_rival, fast=fast
        )
        group = Group(
            GroupSettings(
                name,
                carp,
                interface,
                (vip,),
                together=together,
                refuse_if_late=refuse_if_late,
                nodes=nodes,
                services=services,
                service_demote=service_demote,
            ),
            host=cast("Host", host),
            loop=cast("Loop", self.loop),
            log=Log(self.lines),
            counters=Counters(),
            lease=Guard([(name, [vip])], cast("Host", host), cast("Loop", self.loop), Log()).lease(
                0
            ),
            settled=lambda: None,
            turns=turns,
        )
        group.use_link(cast("Link", link), Interface(interface, 1, b"\2" * 6, carrier=True))
        group.use_sources({4: SOURCE})
        return group

    def together(self, *interfaces: str) -> Sequence[Group]:
        """Return groups a, b ... that move together, all master."""
        groups = [
            self.group("abc"[number], number + 1, interface=interface, together="all")
            for number, interface in enumerate(interfaces)
        ]
        join(groups)
        self.lines.clear()
        return groups


def unplug(world: World, *groups: Group) -> None:
    """Take the carrier away for longer than a blink."""
    for group in groups:
        group.link_changed(carrier=False)
    world.loop.run(LONGEST_BLINK)


def state(group: Group) -> State:
    return group.virtual_host.state


def holds(world: World, name: str) -> bool:
    return world.hosts[name].has


def demotions(groups: Sequence[Group]) -> list[int]:
    return [group.virtual_host.demotion for group in groups]
