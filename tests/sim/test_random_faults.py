"""Whatever has gone wrong, once it stops going wrong there is one master, within a bound."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from tests.sim.support import MS, VHID, VIP, VIP6, cluster, states

from carpool.carp.auth import Address
from carpool.carp.election import NEVER_MASTER, State
from carpool.carp.timing import SECOND, TICK, interval
from carpool.carp.virtualhost import STAND_BACK_TIME, VirtualHost
from carpool.sim.lan import Lan

NAMES = "abcde"

SLACK = 10 * MS
"""For delays on the way, and answers to answers."""


def demote(demotion: int) -> Callable[[Lan, str], None]:
    return lambda lan, name: lan.tell(name, lambda host, now: host.set_demotion(demotion, now))


FAULTS: dict[str, Callable[[Lan, str], object]] = {
    "crash": Lan.crash,
    "kill": Lan.kill,
    "boot": Lan.boot,
    "stop": Lan.stop,
    "freeze": Lan.freeze,
    "thaw": Lan.thaw,
    "unplug": Lan.unplug,
    "plug": Lan.plug,
    "isolate": lambda lan, name: lan.partition([name]),
    "part": lambda lan, name: lan.partition([n for n in lan.nodes if n <= name]),
    "heal": lambda lan, _: lan.heal(),
    "yield": lambda lan, name: lan.tell(name, VirtualHost.yield_mastership),
    "demote by 1": demote(1),
    "demote by 9": demote(9),
    "forbid": demote(NEVER_MASTER),
    "promote": demote(0),
    "wake": lambda lan, name: lan.tell(name, VirtualHost.woke),
}


@dataclass(frozen=True)
class Scenario:
    advskews: tuple[int, ...]
    preempt: bool
    addresses: tuple[Address, ...]
    loss: float
    seed: int
    delays: dict[str, int]
    """preempt_delay, hold_down, announce_every, where they are not 0."""
    faults: tuple[tuple[int, str, int], ...]
    """(milliseconds to wait, what happens, to the how-manieth node)."""


SCENARIOS = st.builds(
    Scenario,
    advskews=st.lists(st.sampled_from([0, 0, 1, 50, 100, 240, 254]), min_size=2, max_size=5).map(
        tuple
    ),
    preempt=st.booleans(),
    addresses=st.sampled_from([(VIP,), (VIP6,), (VIP, VIP6)]),
    loss=st.sampled_from([0.0, 0.0, 0.3]),
    seed=st.integers(0, 1000),
    delays=st.sampled_from(
        [
            {},
            {"preempt_delay": 5 * SECOND},
            {"hold_down": 5 * SECOND},
            {"preempt_delay": 9 * SECOND, "hold_down": 2 * SECOND, "announce_every": 30 * SECOND},
        ]
    ),
    faults=st.lists(
        st.tuples(
            st.sampled_from([0, 1, 300, 1000, 2999, 3001, 5000, 20_000]),
            st.sampled_from(sorted(FAULTS)),
            st.integers(0, 4),
        ),
        min_size=1,
        max_size=12,
    ).map(tuple),
)


def lived_through(scenario: Scenario) -> Lan:
    """Return the LAN after all faults, with everything mended at this very instant."""
    advskews = dict(zip(NAMES, scenario.advskews, strict=False))
    lan = cluster(
        advskews,
        preempt=scenario.preempt,
        addresses=scenario.addresses,
        loss=scenario.loss,
        vhids=(VHID,),
        seed=scenario.seed,
        **scenario.delays,
    )
    for wait, fault, number in scenario.faults:
        lan.run(wait * MS)
        FAULTS[fault](lan, NAMES[number % len(advskews)])
    lan.network.loss = 0.0
    lan.heal()
    for name in advskews:
        lan.thaw(name)
        lan.plug(name)
        lan.boot(name)
        demote(0)(lan, name)
    return lan


@settings(deadline=None, derandomize=True, max_examples=150)
@given(SCENARIOS)
def test_one_master_within_a_bound_after_the_last_fault(scenario: Scenario) -> None:
    comes_to_rest(scenario)


@pytest.mark.slow
@settings(deadline=None, derandomize=True, max_examples=1000)
@given(SCENARIOS)
def test_one_master_within_a_bound_after_the_last_of_more_faults(scenario: Scenario) -> None:
    comes_to_rest(scenario)


def comes_to_rest(scenario: Scenario) -> None:
    lan = lived_through(scenario)
    mended = lan.now
    slowest = max(scenario.advskews)
    patience = 3 * SECOND + slowest * TICK + SLACK
    if any(fault == "yield" for _, fault, _ in scenario.faults):
        patience += STAND_BACK_TIME
    patience += scenario.delays.get("hold_down", 0)
    lan.run(60 * SECOND)
    for change in lan.record.timeline:
        note(f"{change.instant / SECOND:10.4f} {change.node} {change.state} {change.event}")

    (master,) = lan.record.holders(VHID)
    assert states(lan).pop(master) is State.MASTER
    assert list(states(lan).values()).count(State.MASTER) == 1
    dark = lan.record.dark(VHID, mended)
    assert all(span.end <= mended + patience for span in dark)
    # Two masters meet when the faster one next advertises.
    doubled = lan.record.doubled(VHID, mended)
    assert sum(span.length for span in doubled) <= interval(1, slowest) + SLACK
    if scenario.preempt:
        assert scenario.advskews[NAMES.index(master)] == min(scenario.advskews)
    # And then nothing moves any more.
    settled = mended + patience + scenario.delays.get("preempt_delay", 0) + 4 * SECOND
    assert lan.record.timeline[-1].instant <= settled


@settings(deadline=None, derandomize=True, max_examples=120)
@given(
    SCENARIOS,
    st.lists(st.sampled_from([0, 0, 1, 9, 254, NEVER_MASTER]), min_size=5, max_size=5),
)
def test_the_least_demoted_is_master_in_the_end_whatever_came_before(
    scenario: Scenario, demotions: list[int]
) -> None:
    lan = lived_through(scenario)
    own = dict(zip(lan.nodes, demotions, strict=False))
    for name, demotion in own.items():
        demote(demotion)(lan, name)
    lan.run(60 * SECOND)
    fit = [demotion for demotion in own.values() if demotion != NEVER_MASTER]
    holders = lan.record.holders(VHID)
    assert len(holders) == bool(fit)
    assert {own[name] for name in holders} <= {min(fit, default=0)}
    end = lan.now
    lan.run(10 * SECOND)
    assert not [change for change in lan.record.timeline if change.instant > end]
