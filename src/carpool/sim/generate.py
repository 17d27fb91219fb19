"""Scenarios by chance: one for every seed."""

import random
from collections.abc import Callable
from dataclasses import replace
from string import ascii_lowercase
from typing import Final

from carpool.carp.election import NEVER_MASTER
from carpool.carp.timing import SECOND
from carpool.sim.attacker import FORGERIES
from carpool.sim.bounds import Bounds
from carpool.sim.scenario import Fault, Member, Scenario

_MS: Final = SECOND // 1000

_SKEWS: Final = (0, 0, 1, 50, 100, 200, 254)
_WAITS: Final = (0, 1, 300, 1_000, 2_999, 3_001, 4_000)
"""Milliseconds between two faults, around what the timers of default timing wait for."""
_SETTLING: Final = 0.25
"""How often there is time enough for all to settle between two faults."""
_SEEKING: Final = 0.03
"""How often masters look for rivals."""
_KINDS: Final = ("ucarp", "netbsd", "openbsd")
_UNDER_ATTACK: Final = (
    *("replay", "replay", "replay", "crash", "kill", "stop", "freeze", "thaw", "yield", "demote"),
    *("restart", "drift"),
)
"""What may befall beside an attacker: nothing that keeps a frame from a node that hears again
later, for to that node its replay is new."""
_OF_NODE: Final = ("deafen", "drift", "demote", "replay")
_DELAYS: Final = (*4 * ((0, 0),), (5 * SECOND, 0), (0, 5 * SECOND), (9 * SECOND, 2 * SECOND))
"""preempt_delay and hold_down."""
_PPM: Final = (-5_000, -200, 50, 5_000)

_DEEDS: Final = (
    *("crash", "kill", "stop", "freeze", "sleep", "unplug", "yield", "restart"),
    *("boot", "thaw", "plug", "boot", "thaw", "plug"),
    *("partition", "heal", "heal", "deafen", "demote", "demote", "disturb", "calm", "drift"),
)


def generate(seed: int) -> Scenario:
    """Return the scenario of a seed: two to five nodes, one to six faults, and an end in calm.

    Nodes that are down at the end may stay so, and the network may stay partitioned; frames are
    no longer lost or late, and no node is deaf.
    """
    rng = random.Random(seed)  # noqa: S311 - the same chances each time, no secrets
    members = _members(rng)
    names = [member.name for member in members]
    families = rng.choice(((4,), (4,), (4,), (6,), (4, 6)))
    if not all(member.is_carpool for member in members):
        families = (4,)
    delays = rng.choice(_DELAYS)
    attacked = rng.random() < 0.15 and all(member.is_carpool for member in members)
    deeds = _deeds(members, attacked=attacked)
    faults: list[Fault] = []
    now = rng.choice((0, 3 * SECOND, 5 * SECOND)) + rng.randrange(SECOND)
    for _ in range(rng.randint(1, 6)):
        faults.append(_fault(rng, now, names, deeds))
        settling = _settling(members, faults, delays)
        slept = settling if rng.random() < _SETTLING else rng.choice(_WAITS) * _MS
        now += slept + rng.randrange(_MS) * rng.choice((1, 1000))
    for what in ("calm", "heal"):
        if any(fault.what in ("disturb", "deafen") for fault in faults):
            faults.append(Fault(now, what))
    end = now + _settling(members, faults, delays) + 2 * SECOND
    whole = Scenario(seed, members, tuple(faults), end, families, seek_rival=_search(rng))
    return replace(whole, preempt_delay=delays[0], hold_down=delays[1])


def _search(rng: random.Random) -> int:
    """Return `seek_rival`: seldom any, for there are thirty times as many frames then."""
    return rng.choice((SECOND, 5 * SECOND, 3600 * SECOND)) if rng.random() < _SEEKING else 0


def _settling(members: tuple[Member, ...], faults: list[Fault], delays: tuple[int, int]) -> int:
    so_far = Scenario(0, members, tuple(faults), 0, preempt_delay=delays[0], hold_down=delays[1])
    return Bounds.of(so_far).settled


def _members(rng: random.Random) -> tuple[Member, ...]:
    names = ascii_lowercase[: rng.choice((2, 2, 2, 3, 3, 4, 5))]
    skews = [rng.choice(_SKEWS) for _ in names]
    kinds = ["carpool"] * len(names)
    if rng.random() < 0.25:
        # Two foreign kinds of equal interval may dance for ever: that is theirs to mend.
        skews = rng.sample(range(0, 255, 17), len(names))
        kinds[1:] = [rng.choice(("carpool", *_KINDS)) for _ in names[1:]]
    preempt = rng.random() < 0.5
    drifting = rng.random() < 0.25
    return tuple(
        Member(name, skew, 1, preempt, kind, rng.choice(_PPM) if drifting else 0)
        for name, skew, kind in zip(names, skews, kinds, strict=True)
    )


def _deeds(members: tuple[Member, ...], *, attacked: bool) -> list[str]:
    """Return what may befall these nodes.

    OpenBSD ranks by demotion before interval, ucarp and NetBSD by interval alone. With both in
    one group a demoted node can be better than a second, that better than a third, and that
    better than the first: no election ends then, whatever carpool does.
    """
    kinds = {member.kind for member in members}
    if attacked:
        return list(_UNDER_ATTACK)
    circular = "openbsd" in kinds and kinds & {"ucarp", "netbsd"}
    return [deed for deed in _DEEDS if not (circular and deed == "demote")]


def _fault(rng: random.Random, at: int, names: list[str], deeds: list[str]) -> Fault:
    what = rng.choice(deeds)
    node = rng.choice(names)
    if what in ("heal", "calm"):
        return Fault(at, what)
    if what in _VALUES:
        value = _VALUES[what](rng, node, names)
        return Fault(at, what, node if what in _OF_NODE else None, value)
    return Fault(at, what, node)


def _some(rng: random.Random, _node: str, names: list[str]) -> object:
    return rng.sample(names, rng.randint(1, len(names) - 1))


def _another(rng: random.Random, node: str, names: list[str]) -> object:
    return rng.choice([name for name in names if name != node])


def _weather(rng: random.Random, _node: str, _names: list[str]) -> object:
    loss, doubled = rng.choice((0.0, 0.1, 0.5)), rng.choice((0.0, 0.0, 0.3))
    return [loss, doubled, rng.choice((0, 5 * _MS, 900 * _MS)), rng.random() < 0.5]


def _rate(rng: random.Random, _node: str, _names: list[str]) -> object:
    return rng.choice((0, *_PPM))


def _amount(rng: random.Random, _node: str, _names: list[str]) -> object:
    return rng.choice((0, 0, 1, 20, NEVER_MASTER))


def _attack(rng: random.Random, _node: str, _names: list[str]) -> object:
    return [rng.choice(sorted(FORGERIES)), rng.randint(1, 20), rng.choice((10, 300, 900)) * _MS]


_VALUES: Final[dict[str, Callable[[random.Random, str, list[str]], object]]] = {
    "partition": _some,
    "deafen": _another,
    "disturb": _weather,
    "drift": _rate,
    "demote": _amount,
    "replay": _attack,
}
