"""Every interleaving: walk all that can happen to a few nodes, to a depth, and miss nothing.

Where `carpool.sim.generate` throws dice, this tries each choice in each state: deliver the next
frame of any path or lose it, let the next timer run although frames are on their way, crash a
node or boot it, cut a node off or heal that. States that differ only in when they happen are one
state. From where the depth ends nothing more goes wrong; then one node must be master, alone and
for good, within a bound.

IPv4 and the shipped core alone; faults cost from a budget, boots and heals are free.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, is_dataclass
from dataclasses import fields as fields_of
from enum import Enum
from ipaddress import ip_address
from typing import Any, Final

from carpool.carp.counters import Counters
from carpool.carp.effects import AddAddresses, Advertise, RemoveAddresses
from carpool.carp.election import State
from carpool.carp.packet import GROUP_V4, TTL, Datagram
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Advertisement, decode

BEGIN: Final = 10**18
"""The first instant: so far from 0 that an instant is told from a duration at sight."""
NEAR: Final = 10**15
OLD: Final = 10 * SECOND
"""Instants longer ago than this are all the same: no rule looks back so far at default timing."""

IRRELEVANT: Final = ("settings", "sources", "rejections", "peers", "_authenticator", "_counters")
"""What of a virtual host does not decide what it does next: every frame is authentic, and no
counter is refused."""

Choice = tuple[str, int, int]
"""What happens, and to which nodes: ("deliver", sender, receiver), ("crash", node, 0)."""


@dataclass(slots=True)
class World:
    """A state of the whole: hosts by number (None: down), frames on their way, who is cut off."""

    now: int
    hosts: tuple[VirtualHost | None, ...]
    holds: tuple[bool, ...]
    frames: dict[tuple[int, int], tuple[bytes, ...]]
    cut_off: int | None
    faults_left: int
    past: tuple[Choice, ...] = ()

    def key(self) -> tuple[object, ...]:
        """Return what tells this state from others, whenever it happens."""
        hosts = tuple(None if host is None else relative(host, self.now) for host in self.hosts)
        frames = tuple(
            (path, tuple(frame[:8] for frame in queue))
            for path, queue in sorted(self.frames.items())
            if queue
        )
        return hosts, self.holds, frames, self.cut_off, self.faults_left

    def connected(self, one: int, other: int) -> bool:
        """Tell whether two nodes hear each other."""
        return self.cut_off is None or self.cut_off not in (one, other)


def relative(thing: Any, now: int) -> object:
    """Return a value, or all that an object consists of, with instants told from `now`."""
    if type(thing) is int:
        return max(thing - now, -OLD) - NEAR if abs(thing - now) < NEAR else thing
    if thing is None or isinstance(thing, str | bytes | bool | Enum | int):
        return thing
    if isinstance(thing, dict):
        return tuple((key, relative(value, now)) for key, value in sorted(thing.items()))
    if is_dataclass(thing):
        return tuple(relative(getattr(thing, one.name), now) for one in fields_of(thing))
    if isinstance(thing, VirtualHost):
        parts = sorted(vars(thing).items())
        return tuple(relative(value, now) for name, value in parts if name not in IRRELEVANT)
    return tuple(relative(one, now) for one in thing)


@dataclass(slots=True)
class Explored:
    """What an exploration saw."""

    states: int = 0
    choices: int = 0
    ends: int = 0
    """States at the full depth, from each of which one master was awaited."""
    faults: list[str] = field(default_factory=list)
    """What was wrong, with the choices that led there."""


class _Trusting(Counters):
    """Refuses nothing: no frame arrives twice here, but some may be later than is believed."""

    def take(self, counter: int, now: int) -> None:
        """Accept a counter."""


class Explorer:
    """Walks what can happen to nodes of these advskews, at advbase 1."""

    def __init__(self, advskews: tuple[int, ...], *, preempt: bool = False) -> None:
        vip = ip_address("192.0.2.100")
        self._settings = [
            Settings(42, (vip,), b"explored", 1, advskew, preempt=preempt) for advskew in advskews
        ]
        self._sources = [bytes((192, 0, 2, number)) for number in range(1, len(advskews) + 1)]
        slowest = max(advskews) * SECOND // 256
        self.bound = 3 * SECOND + slowest + 2 * (SECOND + slowest) + SECOND // 50
        """Nanoseconds in which there must be one master: a master-down time and two intervals."""

    def explore(self, depth: int, *, faults: int = 2) -> Explored:
        """Walk every sequence of `depth` choices with at most `faults` faults."""
        found = Explored(states=1)
        layer = [self.beginning(faults)]
        seen = {layer[0].key()}
        for _ in range(depth):
            following: list[World] = []
            for world in layer:
                for choice in self.choices(world):
                    found.choices += 1
                    after = self.chosen(world, choice)
                    key = after.key()
                    if key in seen:
                        continue
                    seen.add(key)
                    if wrong := self.disorder(after):
                        found.faults.append(f"{wrong}: {after.past}")
                    following.append(after)
            layer = following
        found.states = len(seen)
        found.ends = len(layer)
        for world in layer:
            if wrong := self.unsettled(world):
                found.faults.append(f"{wrong}: {world.past}")
        return found

    def beginning(self, faults: int) -> World:
        """Return the state in which all nodes have just started."""
        nodes = range(len(self._settings))
        world = World(BEGIN, (None,) * len(nodes), (False,) * len(nodes), {}, None, faults)
        for node in nodes:
            world = self.chosen(world, ("boot", node, 0))
        world.past = ()
        return world

    def choices(self, world: World) -> Iterator[Choice]:
        """Yield all that can happen next."""
        on_their_way = [path for path, queue in world.frames.items() if queue]
        for path in on_their_way:
            yield "deliver", *path
        if not on_their_way or world.faults_left:
            yield from (("fire", node, 0) for node in self.due(world))
        for node, host in enumerate(world.hosts):
            if host is None:
                yield "boot", node, 0
        if world.cut_off is not None:
            yield "heal", 0, 0
        if not world.faults_left:
            return
        for path in on_their_way:
            yield "lose", *path
        for node, host in enumerate(world.hosts):
            if host is not None:
                yield "crash", node, 0
            if world.cut_off is None:
                yield "cut off", node, 0

    @staticmethod
    def due(world: World) -> list[int]:
        """Return the nodes whose timers run next: several if at the same instant."""
        timers = {
            node: due
            for node, host in enumerate(world.hosts)
            if host is not None and (due := host.timer()) is not None
        }
        first = min(timers.values(), default=0)
        return [node for node, due in timers.items() if due == first]

    def chosen(self, world: World, choice: Choice) -> World:
        """Return the state after a choice; the one before stays as it is."""
        what, node, other = choice
        late = what == "fire" and any(world.frames.values())
        cost = int(late or what in ("lose", "crash", "cut off"))
        after = World(
            world.now,
            world.hosts,
            world.holds,
            dict(world.frames),
            world.cut_off,
            world.faults_left - cost,
            (*world.past, choice),
        )
        if what in ("deliver", "lose"):
            frame, *rest = after.frames[node, other]
            after.frames[node, other] = tuple(rest)
            host = after.hosts[other]
            if what == "deliver" and host is not None:
                self._change(after, other, self._copied(host), frame)
        elif what == "fire":
            host = after.hosts[node]
            assert host is not None
            due = host.timer()
            after.now = max(after.now, due if due is not None else after.now)
            self._change(after, node, self._copied(host))
        elif what == "crash":
            self._put(after, node, None, holds=False)
        elif what == "boot":
            seed = BEGIN + len(after.past) * 2654435761 + node
            counters = _Trusting(wall=1_700_000_000 * SECOND - BEGIN, seed=seed)
            sources = {4: self._sources[node]}
            host = VirtualHost(self._settings[node], sources=sources, counters=counters)
            host.start(after.now)
            self._carry_out(after, node, host)
        else:
            after.cut_off = node if what == "cut off" else None
        return after

    def _copied(self, host: VirtualHost) -> VirtualHost:
        shared = (host.settings, vars(host)["_authenticator"])
        return deepcopy(host, {id(one): one for one in shared})

    def _change(
        self, world: World, node: int, host: VirtualHost, frame: bytes | None = None
    ) -> None:
        if frame is None:
            host.handle_timer(world.now)
        else:
            source, payload = frame[8:12], frame[12:]
            advertisement = decode(payload)
            assert isinstance(advertisement, Advertisement)
            rejection = host.receive(
                Datagram(source, GROUP_V4, TTL, payload), advertisement, world.now
            )
            assert rejection is None, rejection
        self._carry_out(world, node, host)

    def _carry_out(self, world: World, node: int, host: VirtualHost) -> None:
        holds = world.holds[node]
        while (effect := host.next_effect()) is not None:
            match effect:
                case AddAddresses():
                    holds = True
                case RemoveAddresses():
                    holds = False
                case Advertise(payload=payload):
                    # First what decides, then who says so: the rest differs with every word.
                    frame = payload[:6] + bytes(2) + self._sources[node] + payload
                    for other, receiver in enumerate(world.hosts):
                        heard = other != node and world.connected(node, other)
                        if heard and receiver is not None:
                            queue = world.frames.get((node, other), ())
                            world.frames[node, other] = (*queue, frame)
        self._put(world, node, host, holds=holds)

    @staticmethod
    def _put(world: World, node: int, host: VirtualHost | None, *, holds: bool) -> None:
        world.hosts = (*world.hosts[:node], host, *world.hosts[node + 1 :])
        world.holds = (*world.holds[:node], holds, *world.holds[node + 1 :])
        if host is None:
            for path in world.frames:
                if node == path[1]:
                    world.frames[path] = ()

    def disorder(self, world: World) -> str:
        """Tell what must not be in any state: a holder that is not MASTER, or the other way."""
        for node, host in enumerate(world.hosts):
            is_master = host is not None and host.state is State.MASTER
            if is_master != world.holds[node]:
                return f"node {node} is {host and host.state}, and holds: {world.holds[node]}"
        return ""

    def unsettled(self, world: World) -> str:
        """Tell what is wrong if nothing more happens: no end of the election within the bound."""
        end = world.now + self.bound
        while not self._is_settled(world):
            on_their_way = [path for path, queue in world.frames.items() if queue]
            choice: Choice
            if on_their_way:
                choice = ("deliver", *on_their_way[0])
            elif due := self.due(world):
                choice = ("fire", due[0], 0)
            else:
                return "" if not any(world.hosts) else "no timer runs"
            world = self.chosen(world, choice)
            if wrong := self.disorder(world):
                return wrong
            if world.now > end:
                return f"no one master after {self.bound / SECOND:.1f} s"
        return ""

    def _is_settled(self, world: World) -> bool:
        """Tell whether each part has one master, heard by all, that speaks before any is tired."""
        if any(world.frames.values()):
            return False
        alive = [node for node, host in enumerate(world.hosts) if host is not None]
        for node in alive:
            part = [one for one in alive if one == node or world.connected(node, one)]
            hosts = [host for one in part if (host := world.hosts[one]) is not None]
            masters = [host for host in hosts if host.state is State.MASTER]
            if len(masters) != 1:
                return False
            speaks = masters[0].timer()
            for host in hosts:
                waits = host.timer()
                if speaks is None or (host is not masters[0] and waits and waits <= speaks):
                    return False
        return bool(alive) or not any(world.holds)
