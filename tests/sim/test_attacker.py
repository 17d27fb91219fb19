"""An attacker who sends again what was said achieves nothing; without replay protection he does."""

import pytest

from carpool.carp.counters import Counters
from carpool.carp.timing import SECOND
from carpool.carp.wire import Rejection
from carpool.sim.attacker import FORGERIES
from carpool.sim.scenario import VHID, Fault, Member, Scenario, play
from carpool.sim.verdict import violations

FORGED = pytest.mark.parametrize("forgery", FORGERIES)


def attack(forgery: str, victim: str = "a", *more: Fault) -> Scenario:
    """Return a scenario in which all that the victim said is said again, for 20 s."""
    members = (Member("a"), Member("b", 100), Member("c", 200))
    replay = Fault(13 * SECOND, "replay", victim, [forgery, 100, SECOND // 5])
    return Scenario(1, members, (*more, replay), 40 * SECOND)


@FORGED
@pytest.mark.parametrize("victim", ["a", "b"])
def test_what_a_living_node_said_has_no_effect(forgery: str, victim: str) -> None:
    scenario = attack(forgery, victim)
    lan = play(scenario)
    assert violations(scenario, lan) == []
    assert lan.record.holders(VHID) == {"a"}
    (begun,) = (one.instant for one in lan.record.timeline if one.state == "MASTER")
    assert begun == 3 * SECOND
    if victim == "a":
        assert lan.nodes["b"].hosts[VHID].rejections[Rejection.REPLAY] > 100


@FORGED
def test_a_dead_master_stays_dead(forgery: str) -> None:
    scenario = attack(forgery, "a", Fault(12 * SECOND, "crash", "a"))
    lan = play(scenario)
    assert violations(scenario, lan) == []
    assert lan.record.holders(VHID) == {"b"}


@pytest.mark.parametrize("forgery", ["as is", "bow-out"])
def test_without_replay_protection_it_would_have(
    forgery: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counters, "take", lambda *_: None)
    faults = (Fault(12 * SECOND, "crash", "a"),) if forgery == "as is" else ()
    scenario = attack(forgery, "a", *faults)
    lan = play(scenario)
    if faults:
        assert "never dark" in {one.rule for one in violations(scenario, lan)}
    else:
        assert len([one for one in lan.record.timeline if one.state == "MASTER"]) > 1
