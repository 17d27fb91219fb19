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
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from ipaddress import IPv6Address
from typing import Self, cast

from carpool.carp.effects import (
    AddAddresses,
    Advertise,
    Announce,
    Effect,
    RemoveAddresses,
    Transition,
)
from carpool.carp.election import State
from carpool.carp.packet import Datagram, ipv4_packet, ipv6_packet, parse_ipv4, parse_ipv6
from carpool.carp.settings import Settings
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Rejection
from carpool.cluster.model import Cluster
from carpool.sim.attacker import Attacker
from carpool.sim.network import DELAY, Network
from carpool.sim.node import Host, Make, Node, carpool, lifetime
from carpool.sim.record import Condition, Record

QUEUE = 1024
"""Frames that wait in the socket of a frozen node, in the room that daemons ask for
(`node.links.rawip`); what comes later is lost, and its replay is new to that node."""

COUNTER = slice(8, 16)
"""Where it is in an advertisement."""

EXPIRY_LATE = (0, 300_000_000)
"""How late Linux removes an address whose lifetime has passed, in nanoseconds: measured."""


class Lan:
    """Nodes, a clock, and what can go wrong between them."""

    def __init__(self, *, seed: int = 0, delay: tuple[int, int] = DELAY, loss: float = 0.0) -> None:
        """Make an empty LAN. `loss` is the probability that a frame does not reach a node."""
        self.now = 0
        self.nodes: dict[str, Node] = {}
        self.record = Record(lambda: self.now)
        self._rng = random.Random(seed)  # noqa: S311 - the same chances each time, no secrets
        self.network = Network(self._rng, delay=delay, loss=loss)
        self.attacker = Attacker()
        self._dice = partial(self._rng.getrandbits, 64)
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = 0

    @classmethod
    def from_cluster(
        cls, cluster: Cluster, passwords: Mapping[str, bytes], *, seed: int = 0
    ) -> Self:
        """Return a LAN with the nodes of a cluster file, all started at instant 0.

        `passwords` are by group name. Interfaces and multicast groups do not matter here: all is
        one network, on which a vhid can be only one group's (`ValueError`). Every node has an IPv6
        link-local address, as real ones do, and addresses that expire as on Linux.
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
            lives = [lifetime(group) for group in cluster.groups_of(node.name)]
            lan.add(node.name, settings, sources, lifetime=min(lives, default=None))
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

    def add(
        self,
        name: str,
        settings: Iterable[Settings],
        sources: Mapping[int, bytes],
        *,
        make: Make = carpool,
        lifetime: int | None = None,
    ) -> None:
        """Add a node and boot it. `sources`: its real address of each IP family (4, 6), packed.

        `make` makes its hosts, if it runs something else than carpool. `lifetime` is how long, in
        nanoseconds, its kernel keeps addresses that are not renewed; None: for ever.
        """
        if name in self.nodes:
            raise ValueError(f"there is a node {name} already")
        self.nodes[name] = Node(name, tuple(settings), dict(sources), make, lifetime)
        self.boot(name)

    def boot(self, name: str) -> None:
        """Start a node that is not running, as new."""
        node = self.nodes[name]
        if node.alive:
            return
        node.alive = True
        node.populate(self._dice)
        self._do_to_all(node, lambda host, now: host.start(now))
        if not node.plugged:
            self._do_to_all(node, lambda host, now: host.link_lost(now))
        self._note(f"boot {name}", always=True)

    def restart(self, name: str) -> None:
        """Replace a node's program: its virtual hosts go on where their former selves were."""
        node = self.nodes[name]
        if node.alive and not node.frozen and node.make is carpool:
            former = node.hosts
            node.populate(self._dice)
            node.wakes.clear()
            for vhid, host in node.hosts.items():
                one, other = cast(VirtualHost, former[vhid]), cast(VirtualHost, host)
                other.resume(one.memory(), node.clock.read(self.now))
                self._carry_out(node, host)
            if not node.plugged:
                self._do_to_all(node, lambda host, now: host.link_lost(now))
            self._note(f"restart {name}", always=True)

    def set_clock(self, name: str, wall: int) -> None:
        """Let a node's clock have shown `wall` ns at instant 0. It is read at the next boot."""
        self.nodes[name].wall = wall

    def forget(self, name: str) -> None:
        """Lose what a node keeps on disk; felt from its next boot."""
        self.nodes[name].disk = {}

    def tell(self, name: str, command: Callable[[VirtualHost, int], None], cause: str = "") -> None:
        """Do `command(host, now)` to each virtual host of a node; `now` is on the node's clock.

        `cause` is what the record says of it.
        """
        node = self.nodes[name]
        self._let(node, partial(self._do_to_all, node, cast(Callable[[Host, int], None], command)))
        self._note(cause or f"tell {name}", always=True)

    def stop(self, name: str) -> None:
        """Stop a node cleanly; `boot` starts it again."""
        node = self.nodes[name]
        self._let(node, partial(self._do_to_all, node, lambda host, now: host.stop(now)))
        self._let(node, partial(self._go_down, node, f"stop {name}"))

    def crash(self, name: str) -> None:
        """Let a machine die at once, its addresses with it; `boot` starts it again."""
        node = self.nodes[name]
        self._go_down(node, f"crash {name}")
        for settings in node.settings:
            self.record.dropped(name, settings.vhid)

    def kill(self, name: str) -> None:
        """Kill a process (SIGKILL): its addresses stay, or expire; `boot` starts it again."""
        node = self.nodes[name]
        self._let_expire(node)
        self._go_down(node, f"kill {name}")

    def freeze(self, name: str) -> None:
        """Stop a process in its tracks (SIGSTOP): it hears nothing; addresses may expire."""
        node = self.nodes[name]
        if node.alive and not node.frozen:
            node.frozen = True
            self._let_expire(node)
            self._note(f"freeze {name}")

    def sleep(self, name: str) -> None:
        """Suspend a machine: as if frozen, but what arrives is lost; `thaw` wakes it."""
        self.nodes[name].asleep = self.nodes[name].alive
        self.freeze(name)

    def thaw(self, name: str) -> None:
        """Let a frozen process go on: it reads what is queued before its timers run."""
        node = self.nodes[name]
        if not node.frozen:
            return
        node.frozen = False
        if node.asleep:
            node.asleep = False
            self._do_to_all(node, lambda host, now: host.woke(now))
        while node.waiting:
            node.waiting.popleft()()
        if node.alive:
            self._do_to_all(node, lambda host, now: host.handle_timer(now))
        self._note(f"thaw {name}", always=True)

    def unplug(self, name: str) -> None:
        """Pull a node's cable."""
        self._set_link(name, plugged=False)

    def plug(self, name: str) -> None:
        """Put a node's cable back."""
        self._set_link(name, plugged=True)

    def partition(self, *parts: Iterable[str]) -> None:
        """Let only nodes of the same part hear each other; the unnamed form one more part."""
        named = [tuple(part) for part in parts]
        self.network.partition(*named)
        self._note(f"partition {' | '.join(' '.join(part) for part in named)}")

    def deafen(self, name: str, to: str) -> None:
        """Let node `name` no longer hear node `to`, which hears it still."""
        self.network.cut(to, name)
        self._note(f"deafen {name} to {to}")

    def heal(self) -> None:
        """End every partition and deafness."""
        self.network.heal()
        self._note("heal")

    def disturb(
        self, *, loss: float = 0.0, duplicates: float = 0.0, longest: int = 0, ordered: bool = True
    ) -> None:
        """Let frames be lost or doubled with these probabilities, late by up to `longest` ns."""
        network = self.network
        network.loss, network.duplicates, network.ordered = loss, duplicates, ordered
        least, most = network.usual_delay
        network.delay = (least, max(most, longest))
        self._note(f"disturb loss={loss} duplicates={duplicates} delay={longest} {ordered=}")

    def calm(self) -> None:
        """Let every frame on an intact path arrive again, in order and soon."""
        self.network.calm()
        self._note("calm")
        # What is late on its way still disturbs.
        late = self.network.calm_from
        if late > self.now:
            self._at(late, partial(self._note, "the last late frame"))

    def replay(self, name: str, forgery: str, times: int, every: int) -> None:
        """Let an attacker send all that node `name` said to all nodes, `times` times.

        `forgery` is a name of `attacker.FORGERIES`, `every` in nanoseconds. No fault for the
        record: it is to have no effect.
        """
        for packet in self.attacker.forge(name, forgery, self.now):
            datagram = _parse(packet)
            for node in self.nodes.values():
                self._arrive(node, datagram)
        if times > 1:
            self._at(self.now + every, partial(self.replay, name, forgery, times - 1, every))

    def drift(self, name: str, ppm: int) -> None:
        """Let a node's clock run `ppm` millionths too fast from now on."""
        node = self.nodes[name]
        node.clock.set_rate(ppm, self.now)
        self._note(f"drift {name} {ppm}", always=True)
        node.wakes.clear()
        for host in node.hosts.values():
            self._look_again(node, host)

    # Inside.

    def _note(self, cause: str, *, always: bool = False) -> None:
        """Record what the world is like now, if that has changed."""
        active = frozenset(node.name for node in self.nodes.values() if node.active)
        hears = frozenset(
            (one, other)
            for one in active
            for other in active
            if one != other and self.network.connects(one, other)
        )
        demotions = {name: self.nodes[name].demotion for name in active}
        condition = Condition(
            self.now, cause, active, hears, demotions, self.network.is_calm(self.now)
        )
        conditions = self.record.conditions
        if always or not conditions or not condition.is_like(conditions[-1]):
            conditions.append(condition)

    def _let(self, node: Node, happen: Callable[[], None]) -> None:
        """Let a node's process see to something: now, or when it thaws."""
        if node.frozen:
            node.waiting.append(happen)
        elif node.alive:
            happen()

    def _do_to_all(self, node: Node, command: Callable[[Host, int], None]) -> None:
        for host in node.hosts.values():
            command(host, node.clock.read(self.now))
            self._carry_out(node, host)

    def _go_down(self, node: Node, cause: str) -> None:
        for vhid in node.hosts:
            self.record.changed(node.name, vhid, None, None)
        node.alive = node.frozen = node.asleep = False
        node.hosts = {}
        node.wakes.clear()
        node.waiting.clear()
        self._note(cause)

    def _let_expire(self, node: Node) -> None:
        """Let the kernel remove the addresses of a process that no longer renews them."""
        if node.lifetime is None:
            return
        for vhid in node.hosts:
            renewed = node.renewed.get(vhid)
            if renewed is not None:
                left = node.lifetime + self._rng.randint(*EXPIRY_LATE)
                end = max(self.now, renewed + min(left, node.guarded or left))
                self._at(end, partial(self._expire, node, vhid, renewed))

    def _expire(self, node: Node, vhid: int, renewed: int) -> None:
        if node.renewed.get(vhid) == renewed:
            self.record.dropped(node.name, vhid)

    def _set_link(self, name: str, *, plugged: bool) -> None:
        node = self.nodes[name]
        if node.plugged == plugged:
            return
        node.plugged = plugged
        self._note(f"{'plug' if plugged else 'unplug'} {name}", always=True)
        command: Callable[[Host, int], None] = (
            (lambda host, now: host.link_back(now))
            if plugged
            else (lambda host, now: host.link_lost(now))
        )
        self._let(node, partial(self._do_to_all, node, command))

    def _carry_out(self, node: Node, host: Host) -> None:
        while (effect := host.next_effect()) is not None:
            self._do(node, host, effect)
        self._look_again(node, host)

    def _do(self, node: Node, host: Host, effect: Effect) -> None:
        vhid = host.settings.vhid
        match effect:
            case Advertise(family=family, payload=payload, farewell=farewell):
                is_new = self.record.said(vhid, payload[COUNTER])
                if not farewell and host.state is State.MASTER:
                    if vhid in node.renewed:
                        self._hold(node, vhid)
                    self.record.advertised(node.name, vhid, is_new=is_new)
                self._send(node, family, payload)
            case Transition(state=state, event=event):
                self.record.changed(node.name, vhid, state, event)
            case AddAddresses():
                self._hold(node, vhid)
            case RemoveAddresses():
                node.renewed.pop(vhid, None)
                self.record.dropped(node.name, vhid)
            case Announce():
                self.record.announced(node.name, vhid)

    def _hold(self, node: Node, vhid: int) -> None:
        """Put the addresses on, or renew them; announce them if they had expired."""
        if vhid in node.renewed and node.name not in self.record.holders(vhid):
            self.record.announced(node.name, vhid)
        node.renewed[vhid] = self.now
        self.record.took(node.name, vhid)

    def _look_again(self, node: Node, host: Host) -> None:
        """See to it that the host's timer is looked at in time.

        A backup's timer moves away with every advert heard: only an earlier one is set anew.
        """
        due, vhid = host.timer(), host.settings.vhid
        if due is None:
            return
        due = max(self.now, node.clock.when(due))
        if due < node.wakes.get(vhid, due + 1):
            node.wakes[vhid] = due
            self._at(due, partial(self._wake, node, host, due))

    def _wake(self, node: Node, host: Host, instant: int) -> None:
        vhid = host.settings.vhid
        if node.hosts.get(vhid) is not host or node.wakes.get(vhid) != instant:
            return
        del node.wakes[vhid]
        if not node.frozen:
            now = node.clock.read(self.now)
            host.handle_timer(now)
            # Else time would never pass again.
            assert (host.timer() or now + 1) > now, f"the timer of {node.name} stands still"
            self._carry_out(node, host)

    def _send(self, sender: Node, family: int, payload: bytes) -> None:
        source = sender.sources.get(family)
        if source is None or not sender.plugged:
            return
        packet = ipv4_packet(source, payload) if family == 4 else ipv6_packet(source, payload)
        self.attacker.overhear(self.now + self.network.delay[1], sender.name, packet)
        datagram = _parse(packet)  # Once for all who hear it: it is the same to the byte.
        for node in self.nodes.values():
            if node is not sender:
                for arrival in self.network.arrivals(sender.name, node.name, self.now):
                    self._at(arrival, partial(self._arrive, node, datagram))

    def _arrive(self, node: Node, datagram: Datagram | Rejection) -> None:
        if not node.plugged or not node.alive:
            return
        if not node.frozen:
            self._receive(node, datagram)
        elif not node.asleep and len(node.waiting) < QUEUE:
            node.waiting.append(partial(self._receive, node, datagram))

    def _receive(self, node: Node, datagram: Datagram | Rejection) -> None:
        host = node.receiver.receive(datagram, node.clock.read(self.now))
        if not isinstance(host, Rejection):
            self._carry_out(node, host)


def _parse(packet: bytes) -> Datagram | Rejection:
    return (parse_ipv4 if packet[0] >> 4 == 4 else parse_ipv6)(packet)
