"""A scenario: nodes, and an exact list of what befalls them and when. Plays, and is a file.

The file is JSON lines: first what holds for all, then a line for each node, then one for each
fault in the order of their instants::

    {"scenario": 1, "seed": 7, "end": 30000000000, "families": [4], "lifetime": 2000000000}
    {"node": "a", "kind": "carpool", "advbase": 1, "advskew": 0, "preempt": false, "ppm": 0}
    {"node": "b", "kind": "ucarp", "advbase": 1, "advskew": 100, "preempt": false, "ppm": 0}
    {"at": 10000000000, "fault": "crash", "node": "a"}
    {"at": 12500000000, "fault": "disturb", "value": [0.3, 0.0, 0, true]}

Instants are integer nanoseconds. Played twice, a scenario is the same to the byte.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from ipaddress import ip_address
from typing import Any

from carpool.carp.counters import Replay
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import VirtualHost
from carpool.sim.lan import Lan
from carpool.sim.node import Make, carpool
from carpool.sim.peers import Kind, Peer

VERSION = 1
VHID = 42
VIPS = {4: ip_address("192.0.2.100"), 6: ip_address("2001:db8::100")}
PASSWORD = b"simulated"
LIFETIME = 2 * SECOND
"""For how long the kernel keeps an address that the daemon does not renew, with default timing."""


class ScenarioError(ValueError):
    """A file that is no scenario; the text says which line and why."""


@dataclass(frozen=True, slots=True)
class Member:
    """A node: what it runs, its timing (seconds, 1/256 s), how wrong its clock is (millionths)."""

    name: str
    advskew: int = 0
    advbase: int = 1
    preempt: bool = False
    kind: str = "carpool"
    ppm: int = 0

    @property
    def is_carpool(self) -> bool:
        """Whether the daemon's own core runs there."""
        return self.kind == "carpool"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at an instant (nanoseconds), to which node if it concerns one."""

    at: int
    what: str
    node: str | None = None
    value: Any = None

    def __str__(self) -> str:
        """Say it in a few words."""
        words = (self.what, self.node, None if self.value is None else json.dumps(self.value))
        return " ".join(filter(None, words))


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that is needed to play it. Instants and durations are in nanoseconds."""

    seed: int
    members: tuple[Member, ...]
    faults: tuple[Fault, ...]
    end: int
    families: tuple[int, ...] = (4,)
    lifetime: int | None = LIFETIME
    preempt_delay: int = 0
    hold_down: int = 0
    seek_rival: int = 0

    def without(self, names: Iterable[str]) -> "Scenario":
        """Return the scenario without these nodes, and without what befell them."""
        gone = set(names)
        faults = (fault for fault in self.faults if fault.node not in gone)
        return replace(
            self,
            members=tuple(member for member in self.members if member.name not in gone),
            faults=tuple(_shorn(fault, gone) for fault in faults if not _names(fault, gone)),
        )


def _names(fault: Fault, gone: set[str]) -> bool:
    return isinstance(fault.value, str) and fault.value in gone


def _shorn(fault: Fault, gone: set[str]) -> Fault:
    if fault.what != "partition":
        return fault
    return replace(fault, value=[name for name in fault.value if name not in gone])


def _tell(command: Callable[[VirtualHost, int], None], lan: Lan, fault: Fault) -> None:
    assert fault.node is not None
    lan.tell(fault.node, command, str(fault))


def _demote(lan: Lan, fault: Fault) -> None:
    _tell(lambda host, now: host.set_demotion(fault.value, now), lan, fault)


def _disturb(lan: Lan, fault: Fault) -> None:
    loss, duplicates, longest, ordered = fault.value
    lan.disturb(loss=loss, duplicates=duplicates, longest=longest, ordered=ordered)


def _on_node(deed: Callable[[Lan, str], None]) -> Callable[[Lan, Fault], None]:
    def happen(lan: Lan, fault: Fault) -> None:
        assert fault.node is not None
        deed(lan, fault.node)

    return happen


FAULTS: dict[str, Callable[[Lan, Fault], None]] = {
    "crash": _on_node(Lan.crash),
    "kill": _on_node(Lan.kill),
    "boot": _on_node(Lan.boot),
    "stop": _on_node(Lan.stop),
    "freeze": _on_node(Lan.freeze),
    "sleep": _on_node(Lan.sleep),
    "thaw": _on_node(Lan.thaw),
    "restart": _on_node(Lan.restart),
    "unplug": _on_node(Lan.unplug),
    "plug": _on_node(Lan.plug),
    # Through the host, not VirtualHost.yield_mastership: a model has a method of its own.
    "yield": partial(_tell, lambda host, now: host.yield_mastership(now)),
    "demote": _demote,
    "deafen": lambda lan, fault: lan.deafen(fault.node or "", fault.value),
    "partition": lambda lan, fault: lan.partition(fault.value),
    "heal": lambda lan, _: lan.heal(),
    "disturb": _disturb,
    "calm": lambda lan, _: lan.calm(),
    "replay": lambda lan, fault: lan.replay(fault.node or "", *fault.value),
    "drift": lambda lan, fault: lan.drift(fault.node or "", fault.value),
}
"""Everything that can befall the nodes, by its name in a file."""


def play(scenario: Scenario) -> Lan:
    """Play a scenario to its end and return the LAN, whose record tells what happened."""
    lan = prepare(scenario)
    for fault in scenario.faults:
        lan.run_until(fault.at)
        FAULTS[fault.what](lan, fault)
    lan.run_until(scenario.end)
    return lan


def prepare(scenario: Scenario) -> Lan:
    """Return the LAN with all nodes booted at instant 0, and nothing befallen them yet."""
    lan = Lan(seed=scenario.seed)
    vips = tuple(VIPS[family] for family in scenario.families)
    # OpenBSD's counter never changes: docs/replay.md.
    constant = any(member.kind == Kind.OPENBSD.value for member in scenario.members)
    replay = Replay.OFF if constant else Replay.WINDOW
    own = [member for member in scenario.members if member.is_carpool]
    in_order = [member.name for member in sorted(own, key=lambda one: (one.advbase, one.advskew))]
    for number, member in enumerate(scenario.members):
        settings = Settings(
            VHID,
            vips,
            PASSWORD,
            member.advbase,
            member.advskew,
            preempt=member.preempt,
            preempt_delay=scenario.preempt_delay,
            hold_down=scenario.hold_down,
            seek_rival=scenario.seek_rival,
            place=in_order.index(member.name) if member.is_carpool else None,
            replay=replay,
        )
        # 10.0.0.9, 10.0.1.8, ...: read in ucarp's order, the first is the highest.
        sources = {
            4: bytes((10, 0, number, 9 - number)),
            6: bytes((0xFE, 0x80, *13 * [0], 9 - number)),
        }
        make: Make = carpool if member.is_carpool else partial(Peer, Kind(member.kind))
        lifetime = scenario.lifetime if member.is_carpool else None
        lan.add(member.name, [settings], sources, make=make, lifetime=lifetime)
        if member.ppm:
            lan.drift(member.name, member.ppm)
    return lan


def write(scenario: Scenario) -> str:
    """Return the scenario as JSON lines."""
    head = {
        "scenario": VERSION,
        "seed": scenario.seed,
        "end": scenario.end,
        "families": scenario.families,
        "lifetime": scenario.lifetime,
        "preempt_delay": scenario.preempt_delay,
        "hold_down": scenario.hold_down,
        "seek_rival": scenario.seek_rival,
    }
    lines = [head]
    for member in scenario.members:
        fields = asdict(member)
        lines.append({"node": fields.pop("name"), **fields})
    for fault in scenario.faults:
        line = {"at": fault.at, "fault": fault.what, "node": fault.node, "value": fault.value}
        lines.append({key: value for key, value in line.items() if value is not None})
    return "".join(json.dumps(line) + "\n" for line in lines)


def read(text: str) -> Scenario:
    """Return the scenario that `write` wrote. Raises ScenarioError."""
    numbered = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    members: list[Member] = []
    faults: list[Fault] = []
    head: dict[str, Any] = {}
    for number, line in numbered:
        try:
            fields = json.loads(line)
            if "scenario" in fields:
                head = fields
            elif "fault" in fields:
                faults.append(_fault(fields, {member.name for member in members}))
            else:
                members.append(Member(name=fields.pop("node"), **fields))
                _ = members[-1].is_carpool or Kind(members[-1].kind)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ScenarioError(f"line {number}: {error!s}") from error
    if head.get("scenario") != VERSION:
        raise ScenarioError(f'line 1: must be a JSON object with "scenario": {VERSION}')
    try:
        return Scenario(
            head["seed"],
            tuple(members),
            tuple(faults),
            head["end"],
            tuple(head["families"]),
            head["lifetime"],
            head.get("preempt_delay", 0),
            head.get("hold_down", 0),
            head.get("seek_rival", 0),
        )
    except (KeyError, TypeError) as error:
        raise ScenarioError(f"line 1: lacks {error}") from error


def _fault(fields: dict[str, Any], names: set[str]) -> Fault:
    fault = Fault(fields["at"], fields["fault"], fields.get("node"), fields.get("value"))
    if fault.what not in FAULTS:
        raise ValueError(f"there is no fault {fault.what!r}; there are: {', '.join(FAULTS)}")
    if fault.node is not None and fault.node not in names:
        raise ValueError(f"there is no node {fault.node!r}")
    return fault
