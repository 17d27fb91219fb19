"""Links that flap, ports that do not forward yet, caches that nobody mends: the delays at work."""

import pytest
from tests.sim.support import MS, VHID, cluster, doubled_for, longest_dark, settled, states

from carpool.carp.election import Event, State
from carpool.carp.timing import SECOND, TICK

PREEMPT = pytest.mark.parametrize("preempt", [False, True], ids=["neutral", "preempt"])


@PREEMPT
@pytest.mark.parametrize("hold_down", [0, 30 * SECOND])
@pytest.mark.parametrize("delay", [0, 20 * SECOND])
@pytest.mark.parametrize("flapping", ["a", "b"])
def test_ten_flaps_in_five_seconds_leave_one_master_and_no_storm(
    preempt: bool, hold_down: int, delay: int, flapping: str
) -> None:
    lan = cluster({"a": 0, "b": 100}, preempt=preempt, preempt_delay=delay, hold_down=hold_down)
    lan.run(60 * SECOND)
    (before,) = lan.record.holders(VHID)
    start, said = lan.now, len(lan.record.announcements)
    for _ in range(10):
        lan.unplug(flapping)
        lan.run(250 * MS)
        lan.plug(flapping)
        lan.run(250 * MS)
    lan.run(60 * SECOND)
    (master,) = lan.record.holders(VHID)
    if flapping != before:
        assert master == before
        assert not lan.record.dark(VHID, start)
    else:
        assert (master == before) == preempt
        # The first flap unseats the master; the other is patient with it, and then comes.
        assert longest_dark(lan, start) <= 3 * SECOND + 100 * TICK + MS
    assert doubled_for(lan, start) < SECOND
    moves = [change for change in lan.record.timeline if change.instant >= start]
    # Who preempts without a delay does so while its link still flaps, and loses it again.
    most = 4 if preempt and not delay else 2
    assert sum(change.state is State.MASTER for change in moves) <= most
    assert len(lan.record.announcements) - said <= 8


def test_preempt_delay_leaves_a_booted_node_time_but_a_dead_master_is_followed_at_once() -> None:
    lan = settled(cluster({"a": 0, "b": 100}, preempt=True, preempt_delay=20 * SECOND))
    lan.crash("a")
    lan.run(10 * SECOND)
    booted = lan.now
    lan.boot("a")
    lan.run(19 * SECOND)
    assert lan.record.holders(VHID) == {"b"}
    lan.run(3 * SECOND)
    assert lan.record.holders(VHID) == {"a"}
    assert not lan.record.dark(VHID, booted)
    (back,) = (one for one in lan.record.timeline if one.event is Event.PREEMPTIBLE)
    assert 20 * SECOND <= back.instant - booted <= 21 * SECOND + 101 * TICK

    lan.crash("b")
    lan.boot("b")
    lan.run(5 * SECOND)
    died = lan.now
    lan.crash("a")
    lan.run(4 * SECOND)
    assert lan.record.holders(VHID) == {"b"}
    assert longest_dark(lan, died) <= 3 * SECOND + 100 * TICK + MS


def test_hold_down_a_port_that_forwards_late_makes_no_second_master() -> None:
    """For 30 s after link-up the switch lets nothing through: here, a partition."""
    for hold_down in (0, 30 * SECOND):
        lan = settled(cluster({"a": 0, "b": 100}, hold_down=hold_down))
        lan.run(40 * SECOND + 500 * MS)
        lan.unplug("b")
        lan.run(SECOND)
        lan.partition("b")
        lan.plug("b")
        plugged = lan.now
        lan.run(30 * SECOND)
        lan.heal()
        lan.run(10 * SECOND)
        assert states(lan) == {"a": State.MASTER, "b": State.BACKUP}
        assert bool(doubled_for(lan, plugged)) == (hold_down == 0)


def test_a_survivor_whose_rival_died_before_the_heal_announces_again() -> None:
    """Whoever heard the rival has its address in the cache: nothing else would ever mend that."""
    for every in (0, 60 * SECOND):
        lan = settled(cluster({"a": 0, "b": 100}, announce_every=every))
        lan.partition("a", "b")
        lan.run(10 * SECOND)
        lan.crash("b")
        lan.heal()
        healed = lan.now
        lan.run(61 * SECOND)
        said = [one.node for one in lan.record.announcements if one.instant > healed]
        assert said == (["a"] if every else [])


def test_a_lesser_master_in_the_middle_of_yielding_delays_no_takeover_by_its_last_word() -> None:
    """It yields on hearing the greater one, and says its last word at once, not later."""
    for ms in range(0, 1000, 97):
        lan = settled(cluster({"a": 0, "b": 100, "c": 200}))
        lan.partition("c")
        lan.run(10 * SECOND + ms * MS)
        lan.heal()
        while lan.nodes["c"].hosts[VHID].state is State.MASTER:
            lan.run(MS // 10)
        died = lan.now
        lan.crash("a")
        lan.run(5 * SECOND)
        assert lan.record.holders(VHID) == {"b"}
        assert lan.record.timeline[-1].instant - died <= 3 * SECOND + 100 * TICK + MS
