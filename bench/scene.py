"""Two nodes of one kind of daemon, a client and an observer: where a fault is made and measured."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from itertools import pairwise
from pathlib import Path
from statistics import median
from subprocess import Popen
from types import MappingProxyType
from typing import Any, Self

from bench import observer
from bench.observer import RECORD, Kind, Seen, answering, time_with_two
from bench.peers import (
    CLIENT,
    INTERFACE,
    NODES,
    OBSERVER,
    PATIENCE,
    STRANGER,
    Hook,
    Peer,
    Setup,
    wait_for,
)
from carpool.lab.network import Lab
from carpool.lab.probe import Answer, Probe, outages, start_echo
from carpool.lab.zone import Zone

MILLISECOND = 1_000_000
SKEWS = {"a": 0, "b": 50}
NOISE = 50 * MILLISECOND
"""A shorter silence counts only if it is the longest: a busy machine makes some by itself."""
QUIET = 6.0
"""Seconds from a takeover to the fault: keepalived announces once more after 5 s."""
_SETTLED = 500 * MILLISECOND
_NICENESS = -10
_ALL_OF_IT = 1 << 26
_PACES = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """What one fault cost (ms); `stale`: advertisements of who is not master in the end.

    `recovered`: at the end of the watch one node, and one alone, answered ARP and the client.
    """

    dark: float
    two: float
    stale: int
    recovered: bool


class Scene:
    """A lab with `a` as master and `b` as backup, ready for a fault. A context manager."""

    def __init__(
        self,
        peer: Peer,
        folder: Path,
        hooks: Mapping[str, Hook] = MappingProxyType({}),
        log: Path | None = None,
        *,
        skews: Mapping[str, int] = SKEWS,
        ask_every: int = MILLISECOND,
        quiet: float = QUIET,
        lag: float = 0.0,
        **setup: Any,
    ) -> None:
        """Prepare it. `skews` has the nodes, by their ranks; the client asks every `ask_every` ns.

        `log` is for all daemons; None: a file of each in `folder`. The fault is possible `quiet`
        seconds after the first node has become master; the others start `lag` seconds after that.
        `setup`: more of the Setup.
        """
        self.peer = peer
        self.setup = Setup(folder, skews, hooks, **setup)
        self.nodes = tuple(skews)
        self.log = log
        self._ask_every = ask_every
        self._quiet, self._lag = quiet, lag
        self._names: dict[int, str] = {}
        self.daemons: dict[str, list[Popen[bytes]]] = {}
        self.started: dict[str, int] = {}  # ns, by node: when its daemon was
        self.echoes: dict[str, set[int]] = {}
        self._macs: dict[bytes, str] = {}
        self._stack = ExitStack()
        self._began = self._ended = 0

    def __enter__(self) -> Self:
        with self._stack:
            self.lab = self._stack.enter_context(Lab())
            for name in self.nodes:
                self._add(name, NODES[name])
            self.client = self.lab.add_zone("client", INTERFACE, [CLIENT])
            # Not the client: the answers that it gets would mend the client's ARP cache.
            self._observer = self.lab.add_zone("observer", INTERFACE, [OBSERVER])
            _hurry(os.getpid())  # what is measured is time, and others use the machine too
            self._observe()
            first, *others = self.nodes
            self.run(first)
            told = "the first node to become master"
            wait_for(lambda: self.holds(first), told, more=self.setup.hold_down)
            ready = time.monotonic() + self._quiet
            time.sleep(self._lag)
            for name in others:
                self.run(name)
            self._probe = Probe(
                self.lab, self.client, self.vip, interval=self._ask_every, names=self._names
            )
            self._stack.enter_context(self._probe)
            wait_for(lambda: len(self.answers()) > 100, "answers from the virtual address")
            time.sleep(max(0, ready - time.monotonic()))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # Building.

    def _add(self, name: str, address: IPv4Interface) -> Zone:
        zone = self.lab.add_zone(name, INTERFACE, [address])
        self._names[zone.number] = name
        self.echo(name)
        self.learn()
        return zone

    def echo(self, name: str) -> None:
        """Start in a zone what answers the client."""
        start_echo(self.zone(name))
        self.echoes[name] = set(self.zone(name).processes())

    def stranger(self) -> Zone:
        """Add a machine that nobody has told of the cluster."""
        return self._add("stranger", STRANGER)

    def _observe(self) -> None:
        self._file = os.memfd_create("observed")
        self._stack.callback(os.close, self._file)
        port = self._observer.ports[INTERFACE]
        link = self._observer.route.link(INTERFACE)
        assert link is not None
        arguments = [str(self.vip), link.mac.hex(), str(port.index), str(self._file)]
        program = [sys.executable, "-P", observer.__file__, *arguments]
        self._observer.start(program, keep=[self._file])

    def zone(self, name: str) -> Zone:
        """Return a zone by name."""
        return self.lab.zones[name]

    @property
    def vip(self) -> IPv4Address:
        """The virtual address that the client and the observer ask for."""
        return next(iter(self.setup.vips.values()))

    # What faults do.

    def run(self, name: str) -> list[Popen[bytes]]:
        """Start the daemon of a node."""
        self.started[name] = time.monotonic_ns()
        daemon = self.daemons[name] = self.peer.start(self.zone(name), self.setup, self.log)
        return daemon

    def holds(self, name: str) -> bool:
        """Return whether the node has all virtual addresses."""
        here = {interface.ip for interface in self.zone(name).addresses()}
        return here >= {*self.setup.vips.values()}

    def of_daemon(self, name: str) -> list[int]:
        """Return the processes of a node's daemon: all that runs there but the echo."""
        return [pid for pid in self.zone(name).processes() if pid not in self.echoes[name]]

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to every process of a node's daemon, as good as at once."""
        processes = self.of_daemon(name)
        # None may act on the death of another.
        first = [signal.SIGSTOP] if number == signal.SIGKILL else []
        for wanted in (*first, number):
            for pid in processes:
                with suppress(ProcessLookupError):
                    os.kill(pid, wanted)

    def stop(self, name: str, seconds: float = 10) -> None:
        """Stop the daemon of a node cleanly."""
        for process in self.daemons[name]:
            process.send_signal(signal.SIGTERM)
        for process in self.daemons[name]:
            process.wait(seconds)

    def without_descriptors(self, name: str) -> None:
        """Let no process of the daemon open one more file than it has open now."""
        for pid in self.of_daemon(name):
            used = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()) + 1
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, used))

    def until_answered_by(self, name: str) -> None:
        """Wait until the client has its answers from that node."""
        wait_for(lambda: self.answers()[-1].zone == name, f"an answer of {name}")

    def ip(self, name: str, *arguments: str) -> None:
        """Run the program ip in a zone."""
        with self.zone(name).namespace.entered():
            subprocess.run(["ip", *arguments], check=True, capture_output=True)
        self.learn()

    def learn(self) -> None:
        """Take note of the hardware addresses, to know who answers."""
        for name in self.echoes:
            link = self.zone(name).route.link(INTERFACE)
            if link is not None:
                self._macs[link.mac] = name

    # Measuring.

    def begin(self) -> None:
        """From here on it counts."""
        self._began = self._ended = time.monotonic_ns()

    def end(self) -> None:
        """Take note that the fault is over: from here on a stale advertisement is one."""
        self._ended = time.monotonic_ns()

    def await_advertisement(self) -> None:
        """Return as soon as the observer has heard the master."""
        known = os.fstat(self._file).st_size
        known -= known % RECORD.size
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            fresh = os.pread(self._file, _ALL_OF_IT, known)
            fresh = fresh[: len(fresh) - len(fresh) % RECORD.size]
            if any(one.kind is Kind.ADVERTISED for one in observer.read(fresh)):
                return
            known += len(fresh)
            time.sleep(0.001)
        raise TimeoutError(f"no advertisement in {PATIENCE:.0f} s")

    def answers(self) -> Sequence[Answer]:
        """Return what the client was answered."""
        return self._probe.answers()

    def seen(self) -> list[Seen]:
        """Return what the observer has seen."""
        records = os.pread(self._file, _ALL_OF_IT, 0)
        return list(observer.read(records[: len(records) - len(records) % RECORD.size]))

    @property
    def macs(self) -> frozenset[bytes]:
        """The hardware addresses that the nodes have and had."""
        return frozenset(mac for mac, name in self._macs.items() if name in self.nodes)

    def cost(self) -> Cost:
        """Return what it has cost since `begin`, until now."""
        now = time.monotonic_ns()
        answers = [one for one in self.answers() if one.zone in self.nodes]
        slots = answering(self.seen(), now)
        nodes = self.macs
        lately = [macs & nodes for start, _, macs in slots if start > now - _SETTLED]
        steady = {self._macs[mac] for macs in lately for mac in macs}
        recent = {one.zone for one in answers if one.sent > now - _SETTLED}
        is_one = len(steady) == 1 and all(len(macs) < 2 for macs in lately)
        recovered = is_one and recent == steady and now - answers[-1].received < NOISE
        return Cost(
            dark=self._dark(answers, now) / MILLISECOND,
            two=time_with_two(slots, nodes, self._began) / MILLISECOND,
            stale=self._stale(next(iter(steady)) if is_one else None),
            recovered=recovered,
        )

    @property
    def began(self) -> int:
        """When the fault began (ns)."""
        return self._began

    @property
    def ended(self) -> int:
        """When the fault was over (ns)."""
        return self._ended

    def pace(self) -> float:
        """Return the median time between the last hundred advertisements, in ms."""
        heard = [one.when for one in self.seen() if one.kind is Kind.ADVERTISED][-_PACES:]
        return median(after - before for before, after in pairwise(heard)) / MILLISECOND

    def gap(self, since: int) -> float:
        """Return the longest time without an answer (ms) that was not over at `since` (ns)."""
        now = time.monotonic_ns()  # before the answers are read, which takes a while
        answers = [one for one in self.answers() if one.zone in self.nodes]
        gaps = [one.duration for one in outages(answers, at_least=0) if one.end > since]
        return max([*gaps, now - answers[-1].received]) / MILLISECOND

    def two(self, since: int) -> float:
        """Return how long (ms) both answered ARP after `since` (ns)."""
        slots = answering(self.seen(), time.monotonic_ns())
        return time_with_two(slots, self.macs, since) / MILLISECOND

    def _dark(self, answers: Sequence[Answer], now: int) -> int:
        gaps = [gap.duration for gap in outages(answers, at_least=0) if gap.end > self._began]
        gaps.append(now - max(answers[-1].received, self._began))
        return sum(gap for gap in gaps if gap >= NOISE) or max(gaps)

    def _stale(self, master: str | None) -> int:
        """Count the claims, after the end of the fault, of who is not `master` in the end."""
        if master is None:
            return 0
        return sum(
            one.source != NODES[master].ip.packed
            for one in self.seen()
            if one.kind is Kind.ADVERTISED and one.when > self._ended and not one.is_farewell
        )


def _hurry(pid: int) -> None:
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
