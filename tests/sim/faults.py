"""Short scenarios, each for a rule or two of the election, that together exercise all of it."""

import re
from typing import Any

from carpool.carp.timing import SECOND
from carpool.sim.scenario import Fault, Member, Scenario

REST = 12
"""Seconds for all to settle: more than the bound of every scenario here but the slow ones."""
SOON = SECOND // 10


def scenario(
    nodes: str, faults: str, *, lifetime: int | None = 2 * SECOND, **delays: Any
) -> Scenario:
    """Return a scenario written in short.

    Nodes: "a0 b100p c0/5" are a with advskew 0, b that preempts, c with advbase 5. Faults come
    after a rest each, or soon after the one before if they begin with "+": "stop a, +heal".
    """
    members = tuple(_member(word) for word in nodes.split())
    rest = REST * max(member.advbase for member in members) * SECOND
    listed: list[Fault] = []
    now = 0
    for number, words in enumerate(faults.split(", "), start=1):
        now += SOON if words.startswith("+") else rest + number * 737_000_000
        listed.append(_fault(now, *words.lstrip("+").split()))
    return Scenario(1, members, tuple(listed), now + rest, lifetime=lifetime, **delays)


def _member(word: str) -> Member:
    found = re.fullmatch(r"([a-z])(\d+)(p?)(?:/(\d+))?", word)
    assert found is not None
    name, advskew, preempt, advbase = found.groups("1")
    return Member(name, int(advskew), int(advbase), preempt == "p")


def _fault(at: int, what: str, node: str | None = None, amount: str | None = None) -> Fault:
    if what == "partition":
        return Fault(at, what, value=[node])
    return Fault(at, what, node, None if amount is None else int(amount))


DIRECTED = {
    "crash and return": scenario("a0 b100", "crash a, boot a"),
    "crash and return, preempt": scenario("a0p b100p", "crash a, boot a"),
    "kill and return": scenario("a0 b100", "kill a, boot a"),
    "kill and return, no lifetimes": scenario("a0 b100", "kill a, boot a", lifetime=None),
    "stop and return": scenario("a0 b100 c200", "stop a, boot a, stop a"),
    "stop of the backup": scenario("a0 b100", "stop b, boot b"),
    "yield": scenario("a0 b100", "yield a"),
    "yield, preempt": scenario("a0p b100p", "yield a"),
    "cable of the master": scenario("a0 b100", "unplug a, plug a"),
    "cable of the backup": scenario("a0 b100", "unplug b, plug b"),
    "freeze": scenario("a0 b100", "freeze a, thaw a"),
    "freeze, no lifetimes": scenario("a0 b100", "freeze a, thaw a", lifetime=None),
    "freeze alone": scenario("a0 b100", "crash b, freeze a, thaw a"),
    "partition": scenario("a0 b100", "partition a, heal, partition b, heal"),
    "partition, preempt": scenario("a0p b100p", "partition a, heal"),
    "partition of three": scenario("a0p b1p c200p", ", ".join(4 * ["partition c, heal"])),
    "partition of equals": scenario("a7 b7", "partition a, heal, partition a, heal"),
    "return of an equal": scenario("a7 b7", "crash a, boot a, crash a"),
    "return of the other equal": scenario("a7 b7", "crash b, boot b, crash b"),
    "stop of a rival": scenario("a0 b100", "partition a, heal, +stop b"),
    "sleep": scenario("a0 b100", "sleep a, thaw a"),
    "sleep of the backup": scenario("a0 b100", "sleep b, thaw b"),
    "restart": scenario("a0 b100", "restart a, restart b, crash a, +restart b"),
    "restart alone": scenario("a0 b100", "crash b, restart a"),
    "hold-down": scenario(
        "a0 b100", "crash a, crash b, boot b, unplug b, plug b", hold_down=2 * SECOND
    ),
    "delayed preemption": scenario(
        "a0p b100p",
        "crash a, boot a, unplug a, plug a, demote a 1, demote a 0",
        preempt_delay=3 * SECOND,
    ),
    "demotion": scenario("a0 b100", "demote a 1, demote b 2, crash a, demote b 0"),
    "demotion of a backup": scenario("a0 b100", "demote b 9, crash a, +demote b 0"),
    "forbidden": scenario("a0 b100", "demote a 255, crash b, demote a 0"),
    "partition of demoted": scenario(
        "a0 b100", "demote a 9, partition a, heal, partition a, heal, partition a, heal"
    ),
    "return to a slow master": scenario("a0 b0/5", "crash a, boot a, crash a, boot a"),
    "partition, and a search": scenario(
        "a0 b100", "partition a, heal, partition b, heal", seek_rival=600 * SECOND
    ),
    "partition of slow and fast": scenario("a0 b0/5", "partition a, heal, partition a, heal"),
}
