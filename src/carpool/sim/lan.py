"""A virtual LAN in virtual time, around the same protocol core that the daemon runs.

::

    lan = Lan(seed=1)
    lan.add("a", [settings], {4: source})
    lan.add("b", ...)
    lan.run(5 * SECOND)
    lan.crash("a")
    lan.run(5 * SECOND)
    lan.record.dark(vhid)       when nobody held the addresses; when several did: doubled()

Frames are built and parsed as on a real network, and arrive after a random delay, in the order in
which they were sent. With one seed every run is the same to the byte. Time passes only in `run`
and `run_until`: as fast as possible, or as the caller paces it by `next_event`.

Instants and durations are integer nanoseconds; the LAN's clock begins at 0.
"""

import heapq
import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv6Address
from typing import Self

from carpool.carp.counters import Counters
from carpool.carp.effects import (
    AddAddresses,
    Advertise,
    Announce,
    Effect,
    RemoveAddresses,
    Transition,
)
from carpool.carp.packet import ipv4_packet, ipv6_packet, parse_ipv4, parse_ipv6
from carpool.carp.receiver import Receiver
from carpool.carp.settings import Settings
from carpool.carp.virtualhost import VirtualHost
from carpool.cluster.model import Cluster
from carpool.sim.record import Record

DELAY = (100_000, 300_000)
"""Nanoseconds from one node to another, at least and at most."""

QUEUE = 256
"""Frames that wait in the socket of a frozen node; what comes later is lost."""


@dataclass(slots=True)
class Node:
    """One machine on the LAN. Change it through `Lan` only."""

    name: str
    settings: tuple[Settings, ...]
    sources: dict[int, bytes]
    alive: bool = False
    frozen: bool = False
    plugged: bool = True
    part: int = 0
    hosts: dict[int, VirtualHost] = field(default_factory=dict)
    """The running virtual hosts, by vhid: none while the node is down."""
    receiver: Receiver = field(default_factory=Receiver)
    wakes: dict[int, int] = field(default_factory=dict)
    """The next instant at which each vhid's timer is looked at."""
    waiting: deque[Callable[[], None]] = field(default_factory=deque)
    """What a frozen node will find when it thaws."""
    wall: int = 0
    """What the node's clock shows at instant 0, in nanoseconds since 1970."""
    counters: dict[int, Counters] = field(default_factory=dict)
    """Which adverts each vhid has heard and sent: a boot does not forget it."""


class Lan:
    """Nodes, a clock, and what can go wrong between them."""

    def __init__(self, *, seed: int = 0, delay: tuple[int, int] = DELAY, loss: float = 0.0) -> None:
        """Make an empty LAN. `loss` is the probability that a frame does not reach a node."""
        self.now = 0
        self.delay = delay
        self.loss = loss
        self.nodes: dict[str, Node] = {}
        self.record = Record(lambda: self.now)
        self._rng = random.Random(seed)  # noqa: S311 - the same chances each time, no secrets
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = 0
        self._last_arrival: defaultdict[tuple[str, str], int] = defaultdict(int)

    @classmethod
    def from_cluster(
        cls, cluster: Cluster, passwords: Mapping[str, bytes], *, seed: int = 0
    ) -> Self:
        """Return a LAN with the nodes of a cluster file, all started at instant 0.

        `passwords` are by group name. Interfaces and multicast groups do not matter here: all is
        one network, on which a vhid can be only one group's (`ValueError`). Every node has an IPv6
        link-local address, as real ones do.
        """
        lan = cls(seed=seed)
        for number, node in enumerate(cluster.nodes, start=1):
            settings = [
                group.carp_settings(member, passwords[group.name])
                for group in cluster.groups
                if (member := group.member(node.name)) is not None
            ]
            sources = {6: IPv6Address(f"fe80::{number:x}").packed}
            sources |= {real.version: real.ip.packed for real in reversed(node.addresses)}
            lan.add(node.name, settings, sources)
        return lan

    # Time.

    def next_event(self) -> int | None:
        """Return the instant at which something happens next, or None."""
        return self._events[0][0] if self._events else None

    def run(self, duration: int) -> None:
        """Let `duration` pass."""
        self.run_until(self.now + duration)

    def run_until(self, instant: int) -> None:
        """Let time pass until `instant`, which is included."""
        while self._events and self._events[0][0] <= instant:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        self.now = max(self.now, instant)

    def _at(self, instant: int, happen: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._events, (instant, self._serial, happen))

    # Nodes and what befalls them. What makes no sense for a node as it is does nothing.

    def add(self, name: str, settings: Iterable[Settings], sources: Mapping[int, bytes]) -> None:
        """Add a node and boot it. `sources`: its real address of each IP family (4, 6), packed."""
        if name in self.nodes:
            raise ValueError(f"there is a node {name} already")
        self.nodes[name] = Node(name, tuple(settings), dict(sources))
        self.boot(name)

    def boot(self, name: str) -> None:
        """Start a node that is not running, as new."""
        node = self.nodes[name]
        if node.alive:
            return
        node.alive = True
        node.receiver = Receiver()
        for settings in node.settings:
            fresh = Counters(settings.replay, seed=self._rng.getrandbits(64))
            counters = node.counters.setdefault(settings.vhid, fresh)
            counters.wall = node.wall
            host = VirtualHost(settings, sources=node.sources, counters=counters)
            node.receiver.add(host)
        node.hosts = node.receiver.hosts
        self.tell(name, VirtualHost.start)
        if not node.plugged:
            self.tell(name, VirtualHost.link_lost)

    def set_clock(self, name: str, wall: int) -> None:
        """Let a node's clock have shown `wall` ns at instant 0. It is read at the next boot."""
        self.nodes[name].wall = wall

    def forget(self, name: str) -> None:
        """Lose what a node keeps on disk; felt from its next boot."""
        self.nodes[name].counters = {}

    def tell(self, name: str, command: Callable[[VirtualHost, int], None]) -> None:
        """Do `command(host, now)` to each virtual host of a node: `VirtualHost.stop`, say."""
        self._let(self.nodes[name], partial(self._command, self.nodes[name], command))

    def stop(self, name: str) -> None:
        """Stop a node cleanly; `boot` starts it again."""
        self.tell(name, VirtualHost.stop)
        self._let(self.nodes[name], partial(self._go_down, self.nodes[name]))

    def crash(self, name: str) -> None:
        """Let a machine die at once, its addresses with it; `boot` starts it again."""
        node = self.nodes[name]
        self._go_down(node)
        for settings in node.settings:
            self.record.dropped(name, settings.vhid)

    def kill(self, name: str) -> None:
        """Kill a process (SIGKILL): its addresses stay behind; `boot` starts it again."""
        self._go_down(self.nodes[name])

    def freeze(self, name: str) -> None:
        """Stop a process in its tracks (SIGSTOP): it keeps its addresses and hears nothing."""
        node = self.nodes[name]
        node.frozen = node.alive

    def thaw(self, name: str) -> None:
        """Let a frozen process go on: it reads what is queued before its timers run."""
        node = self.nodes[name]
        node.frozen = False
        while node.waiting:
            node.waiting.popleft()()
        self.tell(name, VirtualHost.handle_timer)

    def unplug(self, name: str) -> None:
        """Pull a node's cable."""
        self._set_link(name, plugged=False)

    def plug(self, name: str) -> None:
        """Put a node's cable back."""
        self._set_link(name, plugged=True)

    def partition(self, *parts: Iterable[str]) -> None:
        """Let only nodes of the same part hear each other; the unnamed form one more part."""
        self.heal()
        for number, part in enumerate(parts, start=1):
            for name in part:
                self.nodes[name].part = number

    def heal(self) -> None:
        """End the partition."""
        for node in self.nodes.values():
            node.part = 0

    # Inside.

    def _let(self, node: Node, happen: Callable[[], None]) -> None:
        """Let a node's process see to something: now, or when it thaws."""
        if node.frozen:
            node.waiting.append(happen)
        elif node.alive:
            happen()

    def _command(self, node: Node, command: Callable[[VirtualHost, int], None]) -> None:
        for host in node.hosts.values():
            command(host, self.now)
            self._carry_out(node, host)

    def _go_down(self, node: Node) -> None:
        for vhid in node.hosts:
            self.record.changed(node.name, vhid, None, None)
        node.alive = node.frozen = False
        node.hosts = {}
        node.wakes.clear()
        node.waiting.clear()

    def _set_link(self, name: str, *, plugged: bool) -> None:
        node = self.nodes[name]
        if node.plugged != plugged:
            node.plugged = plugged
            self.tell(name, VirtualHost.link_back if plugged else VirtualHost.link_lost)

    def _carry_out(self, node: Node, host: VirtualHost) -> None:
        while (effect := host.next_effect()) is not None:
            self._do(node, host.settings.vhid, effect)
        self._look_again(node, host)

    def _do(self, node: Node, vhid: int, effect: Effect) -> None:
        match effect:
            case Transition(state=state, event=event):
                self.record.changed(node.name, vhid, state, event)
            case AddAddresses():
                self.record.took(node.name, vhid)
            case RemoveAddresses():
                self.record.dropped(node.name, vhid)
            case Advertise(family=family, payload=payload):
                self._send(node, family, payload)
            case Announce():
                self.record.announced(node.name, vhid)

    def _look_again(self, node: Node, host: VirtualHost) -> None:
        """See to it that the host's timer is looked at in time.

        A backup's timer moves away with every advert heard: only an earlier one is set anew.
        """
        due, vhid = host.timer(), host.settings.vhid
        if due is not None and due < node.wakes.get(vhid, due + 1):
            node.wakes[vhid] = due
            self._at(due, partial(self._wake, node, host, due))

    def _wake(self, node: Node, host: VirtualHost, instant: int) -> None:
        vhid = host.settings.vhid
        if node.hosts.get(vhid) is not host or node.wakes.get(vhid) != instant:
            return
        del node.wakes[vhid]
        if not node.frozen:
            host.handle_timer(self.now)
            self._carry_out(node, host)

    def _send(self, sender: Node, family: int, payload: bytes) -> None:
        source = sender.sources.get(family)
        if source is None or not sender.plugged:
            return
        packet = ipv4_packet(source, payload) if family == 4 else ipv6_packet(source, payload)
        for node in self.nodes.values():
            if node is sender or node.part != sender.part or self._rng.random() < self.loss:
                continue
            path = (sender.name, node.name)
            arrival = max(self.now + self._rng.randint(*self.delay), self._last_arrival[path])
            self._last_arrival[path] = arrival
            self._at(arrival, partial(self._arrive, node, packet))

    def _arrive(self, node: Node, packet: bytes) -> None:
        if node.plugged and not (node.frozen and len(node.waiting) >= QUEUE):
            self._let(node, partial(self._receive, node, packet))

    def _receive(self, node: Node, packet: bytes) -> None:
        parse = parse_ipv4 if packet[0] >> 4 == 4 else parse_ipv6
        host = node.receiver.receive(parse(packet), self.now)
        if isinstance(host, VirtualHost):
            self._carry_out(node, host)
