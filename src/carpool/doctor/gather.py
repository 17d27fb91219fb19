"""Gathering: listens, asks who has which address, and looks at the host. Disturbs no election.

What is sent: who has the virtual addresses and those of the other nodes, asked twice, by ARP probes
and neighbour solicitations. Nothing is sent in CARP's name.
"""

import select
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from itertools import islice

from carpool.carp.frames import question
from carpool.carp.timing import SECOND
from carpool.doctor import host
from carpool.doctor.expected import Status, with_told
from carpool.doctor.filtering import dropped
from carpool.doctor.hearing import Hearing
from carpool.doctor.observation import Answers, Group, Observation, Port, Running
from carpool.node.listening import CannotListenError

LEAST_SECONDS = 4.0
MOST_SECONDS = 60.0
_BEAT = SECOND // 50
_QUESTIONS_AT = (0.1, 0.6)
"""When to ask who has what: parts of the time."""
_MOST_SPEAKERS = 64
_STEADY = SECOND // 1000
"""Two readings of one clock closer than this were not interrupted."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon of this node: whether it runs, and how to ask it for its status."""

    running: Running = Running.UNKNOWN
    problem: str = ""
    ask: Callable[[], Status | None] = lambda: None
    """None when it does not answer any more."""


def enough_seconds(groups: Iterable[Group]) -> float:
    """Return how long to listen: at least three intervals of the slowest group."""
    slowest = max((group.interval for group in groups), default=0)
    return min(max(LEAST_SECONDS, 3.2 * slowest / SECOND), MOST_SECONDS)


def gather(
    groups: Sequence[Group],
    interfaces: Sequence[str],
    seconds: float,
    daemon: Daemon,
    *,
    node: str | None = None,
    file: str | None = None,
    blind: Iterable[str] = (),
) -> Observation:
    """Look and listen for so many seconds. Raises nothing for what a user can cause."""
    amiss = list(blind)
    if daemon.running is Running.UNKNOWN and daemon.problem:
        amiss.append(f"the daemon: {daemon.problem}")
    before = daemon.ask()
    ports = host.ports(interfaces)
    wait = _Wait(seconds)
    with ExitStack() as stack:
        hearings: dict[str, Hearing] = {}
        for name, port in ports.items():
            if not (port.present and port.up):
                continue
            on_it = [group for group in groups if group.interface == name]
            try:
                whole = not host.is_part_of_another(name)
                joined = {group.multicast for group in on_it if group.multicast}
                hearings[name] = stack.enter_context(Hearing(name, joined, whole=whole))
            except CannotListenError as error:
                amiss.append(f"{name}: not listened to: {error}")
        asked = {name: _asked(groups, name) for name in hearings}
        answers = _listen(hearings, ports, asked, wait)
        words = tuple(word for hearing in hearings.values() for word in hearing.words())
        claims = {name: hearing.record.claims for name, hearing in hearings.items()}
    after = daemon.ask()
    if before is not None and after is not None:
        groups = [with_told(group, before, after) for group in groups]
    rules = host.ruleset()
    for name, port in host.ports(interfaces).items():
        ports[name] = replace(
            port,
            listened=name in hearings,
            joined=ports[name].joined,
            asked=_askable(asked.get(name, ()), port),
            answers=answers.get(name, {}),
            claims={mac: frozenset(own) for mac, own in claims.get(name, {}).items()},
            drops_in=dropped(rules or (), "input", port, groups, words),
            drops_out=dropped(rules or (), "output", port, groups, words),
        )
    pid = after.get("pid") if after else None
    return Observation(
        began=wait.began,
        ended=wait.ended,
        groups=tuple(groups),
        ports=ports,
        words=words,
        node=node,
        file=file,
        running=daemon.running,
        problem=daemon.problem,
        lacking=host.lacking(pid),
        legacy_tables=host.legacy_tables(),
        late=wait.late,
        clock_step=wait.clock_step,
        blind=tuple(amiss),
    )


class _Wait:
    """The time of listening, and what this host's clocks and scheduler do meanwhile."""

    def __init__(self, seconds: float) -> None:
        self.length = round(seconds * SECOND)
        self.began = self.ended = time.monotonic_ns()
        self.late = self.clock_step = 0
        self._offset: int | None = None

    def begin(self) -> None:
        self.began = self.ended = time.monotonic_ns()

    def is_over(self) -> bool:
        return self.ended - self.began >= self.length

    def beat(self, sockets: Sequence[socket.socket]) -> int:
        """Wait for a moment, or until something arrives. Return the instant."""
        due = self.ended + _BEAT
        select.select(sockets, [], [], _BEAT / SECOND)
        before = time.monotonic_ns()
        self.late = max(self.late, before - due)  # whatever has arrived meanwhile
        wall, now = time.time_ns(), time.monotonic_ns()
        if now - before < _STEADY:
            offset = wall - now
            step = 0 if self._offset is None else offset - self._offset
            self.clock_step = max(self.clock_step, step, key=abs)
            self._offset = offset
        self.ended = now
        return now


def _listen(
    hearings: Mapping[str, Hearing],
    ports: Mapping[str, Port],
    asked: Mapping[str, Sequence[bytes]],
    wait: _Wait,
) -> dict[str, Answers]:
    """Listen until it is over, asking twice. Return who answered, the last time anybody did."""
    sockets = [one for hearing in hearings.values() for one in hearing.sockets]
    if not sockets:
        return {}
    rounds = [round(part * wait.length) for part in _QUESTIONS_AT]
    first: dict[str, Answers] = {}
    wait.begin()
    while not wait.is_over():
        now = wait.beat(sockets)
        for hearing in hearings.values():
            hearing.receive(now)
        if rounds and now - wait.began >= rounds[0]:
            del rounds[0]
            first = {name: hearing.record.answers for name, hearing in hearings.items()}
            for name, hearing in hearings.items():
                hearing.record.answers = {}
                # Also who speaks: a machine may answer from another MAC address than it speaks.
                speakers = (word.datagram.source for word in hearing.words() if not word.outgoing)
                _ask(hearing, ports[name], [*asked[name], *islice(speakers, _MOST_SPEAKERS)])
    return {name: {**first.get(name, {}), **one.record.answers} for name, one in hearings.items()}


def _ask(hearing: Hearing, port: Port, asked: Sequence[bytes]) -> None:
    """Ask who has these addresses."""
    hearing.record.wanted = frozenset(asked)
    # IPv4: from no address, which leaves no trace in a cache. IPv6: such a question would make a
    # node that is just testing the address for duplicates give it up, so from our own.
    for target in _askable(asked, port):
        source = None if len(target) == 4 else port.link_local
        with suppress(OSError):
            hearing.ask(question(port.mac, source, target))


def _askable(asked: Iterable[bytes], port: Port) -> frozenset[bytes]:
    """Return of addresses those that could be asked for."""
    ipv6 = port.link_local is not None
    return frozenset(one for one in asked if port.mac and (len(one) == 4 or ipv6))


def _asked(groups: Sequence[Group], interface: str) -> list[bytes]:
    """Return the virtual addresses on an interface, and the nodes' own."""
    found: dict[bytes, None] = {}
    for group in groups:
        if group.interface == interface:
            found.update(dict.fromkeys(vip.packed for vip in group.vips))
            found.update(dict.fromkeys(one for peer in group.peers for one in peer.addresses))
    return list(found)
