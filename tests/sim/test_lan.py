"""The cluster under one fault at a time, on the virtual LAN."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from tests.sim.support import (
    MS,
    VHID,
    VIP,
    VIP6,
    cluster,
    doubled_for,
    longest_dark,
    settled,
    states,
)
from tests.support.cluster_files import cluster_at

from carpool.carp import timing
from carpool.carp.auth import Address
from carpool.carp.election import Event, State
from carpool.carp.packet import Datagram
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND, TICK
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Rejection
from carpool.sim.lan import Lan
from carpool.sim.network import DELAY
from carpool.sim.record import Change

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "two-zones.toml"

FAMILIES = pytest.mark.parametrize(
    "addresses", [(VIP,), (VIP6,), (VIP, VIP6)], ids=["ipv4", "ipv6", "dual stack"]
)
PREEMPT = pytest.mark.parametrize("preempt", [False, True], ids=["neutral", "preempt"])

# Two nodes.


@FAMILIES
@PREEMPT
def test_the_faster_node_becomes_master_alone(
    addresses: tuple[Address, ...], preempt: bool
) -> None:
    lan = settled(cluster({"a": 0, "b": 100}, preempt=preempt, addresses=addresses))
    assert states(lan) == {"a": State.MASTER, "b": State.BACKUP}
    assert lan.record.holders(VHID) == {"a"}
    assert not lan.record.doubled(VHID)
    assert lan.record.dark(VHID)[0].length == 3 * SECOND


@FAMILIES
def test_failover_after_a_crash_takes_3_s_and_the_skew(addresses: tuple[Address, ...]) -> None:
    lan = settled(cluster({"a": 0, "b": 100}, addresses=addresses))
    start = lan.now
    lan.crash("a")
    lan.run(5 * SECOND)
    assert lan.record.holders(VHID) == {"b"}
    patience = 3 * SECOND + 100 * TICK
    assert patience - SECOND < longest_dark(lan, start) <= patience + DELAY[1]
    assert not lan.record.doubled(VHID)


def test_clean_stop_hands_over_in_milliseconds() -> None:
    lan = settled(cluster({"a": 0, "b": 100}))
    start = lan.now
    lan.stop("a")
    lan.run(SECOND)
    assert lan.record.holders(VHID) == {"b"}
    assert longest_dark(lan, start) < 5 * MS
    assert not lan.record.doubled(VHID)


def test_told_to_yield_hands_over_in_milliseconds_and_back_only_with_preempt() -> None:
    for preempt in (False, True):
        lan = settled(cluster({"a": 0, "b": 100}, preempt=preempt))
        start = lan.now
        lan.tell("a", VirtualHost.yield_mastership)
        lan.run(2 * SECOND)
        assert lan.record.holders(VHID) == {"b"}
        assert longest_dark(lan, start) < 5 * MS
        lan.run(3 * SECOND)
        assert lan.record.holders(VHID) == ({"a"} if preempt else {"b"})


@pytest.mark.parametrize("frozen_for", [3, 4, 10, 100, 1000])
def test_a_frozen_master_never_takes_the_address_back_without_preempt(frozen_for: int) -> None:
    lan = settled(cluster({"a": 0, "b": 100}))
    lan.freeze("a")
    lan.run(frozen_for * SECOND + 500 * MS)
    assert "b" in lan.record.holders(VHID)
    thawed = lan.now
    lan.thaw("a")
    lan.run(20 * SECOND)
    assert lan.record.holders(VHID) == {"b"}
    assert not lan.record.doubled(VHID, thawed)
    assert not lan.record.dark(VHID, thawed)
    after = [change for change in lan.record.timeline if change.instant >= thawed]
    assert after == [Change(thawed, "a", VHID, State.BACKUP, Event.LAPSED)]


def test_a_frozen_master_says_nothing_when_it_wakes() -> None:
    lan = settled(cluster({"a": 0, "b": 100}))
    lan.freeze("a")
    lan.run(30 * SECOND)
    lan.thaw("a")
    thawed = lan.now
    lan.run(20 * SECOND)
    late = [said for said in lan.record.announcements if said.instant >= thawed]
    assert late == []
    assert lan.nodes["b"].hosts[VHID].state is State.MASTER


def test_a_frozen_master_takes_the_address_back_with_preempt() -> None:
    lan = settled(cluster({"a": 0, "b": 100}, preempt=True))
    lan.freeze("a")
    lan.run(10 * SECOND)
    thawed = lan.now
    lan.thaw("a")
    lan.run(3 * SECOND)
    assert lan.record.holders(VHID) == {"a"}
    assert doubled_for(lan, thawed) < MS


@pytest.mark.parametrize("frozen_ms", [200, 1500, 2800])
def test_a_short_pause_of_the_master_changes_nothing(frozen_ms: int) -> None:
    lan = settled(cluster({"a": 0, "b": 100}))
    before = len(lan.record.timeline)
    lan.run(100 * MS)
    lan.freeze("a")
    lan.run(frozen_ms * MS)
    lan.thaw("a")
    lan.run(10 * SECOND)
    assert len(lan.record.timeline) == before


@pytest.mark.parametrize("frozen_for", [2, 10, 1000])
@PREEMPT
def test_a_frozen_backup_stays_backup_when_it_wakes(frozen_for: int, preempt: bool) -> None:
    lan = settled(cluster({"a": 0, "b": 100}, preempt=preempt))
    before = len(lan.record.timeline)
    lan.freeze("b")
    lan.run(frozen_for * SECOND)
    lan.thaw("b")
    lan.run(10 * SECOND)
    assert len(lan.record.timeline) == before


@PREEMPT
def test_cable_pulled_from_the_master(preempt: bool) -> None:
    lan = settled(cluster({"a": 0, "b": 100}, preempt=preempt))
    start = lan.now
    lan.unplug("a")
    assert lan.record.holders(VHID) == frozenset()
    lan.run(5 * SECOND)
    assert states(lan) == {"a": State.INIT, "b": State.MASTER}
    assert longest_dark(lan, start) <= 3 * SECOND + 100 * TICK + DELAY[1]
    lan.plug("a")
    lan.run(5 * SECOND)
    assert lan.record.holders(VHID) == ({"a"} if preempt else {"b"})
    assert doubled_for(lan, start) <= (DELAY[1] if preempt else 0)


def test_cable_pulled_from_the_backup_changes_nothing_for_the_master() -> None:
    lan = settled(cluster({"a": 0, "b": 100}))
    start = lan.now
    lan.unplug("b")
    lan.run(10 * SECOND)
    lan.plug("b")
    lan.run(10 * SECOND)
    assert not lan.record.dark(VHID, start)
    assert not lan.record.doubled(VHID)


@PREEMPT
@FAMILIES
@pytest.mark.parametrize("advskews", [{"a": 0, "b": 100}, {"a": 7, "b": 7}], ids=["fast", "tie"])
def test_a_healed_partition_has_one_master_who_announces_after_the_other_has_left(
    preempt: bool, addresses: tuple[Address, ...], advskews: dict[str, int]
) -> None:
    for seed in range(20):
        lan = settled(cluster(advskews, preempt=preempt, addresses=addresses, seed=seed))
        lan.partition(["a"], ["b"])
        lan.run(10 * SECOND + seed * 97 * MS)
        assert lan.record.holders(VHID) == {"a", "b"}
        healed = lan.now
        lan.heal()
        lan.run(2 * SECOND)
        assert lan.record.holders(VHID) == {"a"}
        assert not lan.record.dark(VHID, healed)
        # Counted from the first advert that gets through.
        (yielded,) = (change for change in lan.record.timeline if change.instant > healed)
        assert (yielded.node, yielded.state) == ("b", State.BACKUP)
        said = [a for a in lan.record.announcements if a.instant > yielded.instant]
        assert {announcement.node for announcement in said} == {"a"}
        assert said[0].instant - yielded.instant < 50 * MS
        assert longest_two(lan, healed) < SECOND + 50 * MS


def longest_two(lan: Lan, since: int) -> int:
    return max((span.length for span in lan.record.doubled(VHID, since)), default=0)


@FAMILIES
def test_nodes_of_equal_interval_settle_on_the_lower_address(
    addresses: tuple[Address, ...],
) -> None:
    for seed in range(20):
        lan = cluster({"a": 0, "b": 0, "c": 0}, addresses=addresses, seed=seed)
        settled(lan)
        assert lan.record.holders(VHID) == {"a"}
        assert doubled_for(lan, 0) < MS
        assert len(lan.record.dark(VHID)) == 1


def test_a_killed_daemon_leaves_its_address_and_takes_it_off_when_it_starts() -> None:
    lan = settled(cluster({"a": 0, "b": 100}))
    lan.kill("a")
    lan.run(5 * SECOND)
    assert lan.record.holders(VHID) == {"a", "b"}
    booted = lan.now
    lan.boot("a")
    lan.run(10 * SECOND)
    assert lan.record.holders(VHID) == {"b"}
    assert not lan.record.doubled(VHID, booted)


def demote(demotion: int) -> Callable[[VirtualHost, int], None]:
    return lambda host, now: host.set_demotion(demotion, now)


@PREEMPT
@FAMILIES
def test_demotion_moves_the_address_preempt_or_not(
    preempt: bool, addresses: tuple[Address, ...]
) -> None:
    lan = settled(cluster({"a": 0, "b": 100, "c": 120}, preempt=preempt, addresses=addresses))
    start = lan.now
    lan.tell("a", demote(1))
    lan.run(5 * SECOND)
    assert lan.record.holders(VHID) == {"b"}
    lan.tell("b", demote(2))
    lan.run(5 * SECOND)
    assert lan.record.holders(VHID) == {"c"}
    lan.tell("c", demote(2))
    lan.run(5 * SECOND)
    assert lan.record.holders(VHID) == {"a"}, "the least demoted"
    assert not lan.record.dark(VHID, start)
    assert doubled_for(lan, start) < 10 * MS


def test_all_equally_demoted_there_is_still_one_master() -> None:
    lan = settled(cluster({"a": 0, "b": 100, "c": 200}))
    start = lan.now
    for name in "abc":
        lan.tell(name, demote(254))
    lan.run(10 * SECOND)
    assert len(lan.record.holders(VHID)) == 1
    assert not lan.record.dark(VHID, start)
    lan.crash(*lan.record.holders(VHID))
    lan.run(5 * SECOND)
    assert len(lan.record.holders(VHID)) == 1


def test_a_master_that_must_not_be_one_hands_over_in_milliseconds_and_for_good() -> None:
    lan = settled(cluster({"a": 0, "b": 100, "c": 200}, preempt=True))
    start = lan.now
    lan.tell("a", demote(255))
    lan.run(10 * SECOND)
    assert lan.record.holders(VHID) == {"b"}
    assert longest_dark(lan, start) < 10 * MS
    assert not lan.record.doubled(VHID, start)
    lan.crash("b")
    lan.crash("c")
    lan.run(100 * SECOND)
    assert not lan.record.holders(VHID)
    lan.tell("a", demote(0))
    lan.run(MS)
    assert lan.record.holders(VHID) == {"a"}


def test_lost_frames_are_borne() -> None:
    """One advert in five lost: three in a row are rare, and the master answers each pretender."""
    lan = settled(cluster({"a": 0, "b": 100}, loss=0.2, seed=5))
    start = lan.now
    lan.run(600 * SECOND)
    assert not lan.record.dark(VHID, start)
    assert doubled_for(lan, start) < 10 * SECOND


# More nodes.


@PREEMPT
@pytest.mark.parametrize(
    "advskews",
    [{"a": 0, "b": 100, "c": 200}, {"a": 0, "b": 50, "c": 100, "d": 150, "e": 200}],
    ids=["3 nodes", "5 nodes"],
)
@pytest.mark.parametrize("deed", [Lan.stop, Lan.crash], ids=["stop", "crash"])
def test_only_the_fastest_takes_over(
    preempt: bool, advskews: dict[str, int], deed: Callable[[Lan, str], None]
) -> None:
    for seed in range(20):
        lan = settled(cluster(advskews, preempt=preempt, seed=seed))
        for name, next_one in pairwise(advskews):
            start = lan.now
            deed(lan, name)
            lan.run(4 * SECOND + 33 * MS)
            assert lan.record.holders(VHID) == {next_one}
            if deed is Lan.stop:
                wait = timing.takeover_wait(advskews[next_one])
                assert longest_dark(lan, start) < wait + MS
        assert not lan.record.doubled(VHID)


def test_nodes_that_come_back_leave_the_master_alone_or_preempt_in_their_order() -> None:
    for preempt in (False, True):
        lan = settled(cluster({"a": 0, "b": 50, "c": 100}, preempt=preempt))
        for name in ("a", "b"):
            lan.crash(name)
            lan.run(5 * SECOND)
        assert lan.record.holders(VHID) == {"c"}
        start = lan.now
        for name in ("b", "a"):
            lan.boot(name)
            lan.run(5 * SECOND)
            assert lan.record.holders(VHID) == ({name} if preempt else {"c"})
        assert not lan.record.dark(VHID, start)
        assert doubled_for(lan, start) <= (2 * DELAY[1] if preempt else 0)


@FAMILIES
@pytest.mark.parametrize("parts", [("a", "bc"), ("a", "b", "c", "d")], ids=["3 parts", "5 parts"])
def test_a_partition_of_five_heals_to_one_master_who_has_the_last_word(
    addresses: tuple[Address, ...], parts: tuple[str, ...]
) -> None:
    for seed in range(20):
        advskews = {name: 40 * n for n, name in enumerate("abcde")}
        lan = settled(cluster(advskews, addresses=addresses, seed=seed))
        lan.partition(*parts)
        lan.run(10 * SECOND + seed * 97 * MS)
        assert len(lan.record.holders(VHID)) == len(parts) + 1
        healed = lan.now
        lan.heal()
        lan.run(1500 * MS)
        assert lan.record.holders(VHID) == {"a"}
        assert not lan.record.dark(VHID, healed)
        gone = lan.record.timeline[-1].instant
        after = [a for a in lan.record.announcements if a.instant > gone]
        assert {announcement.node for announcement in after} == {"a"}
        assert after[0].instant - gone < 130 * MS


def test_255_vhids_converge_and_fail_over() -> None:
    lan = settled(cluster({"a": 0, "b": 100}, vhids=range(1, 256)))
    assert all(lan.record.holders(vhid) == {"a"} for vhid in range(1, 256))
    lan.crash("a")
    lan.run(5 * SECOND)
    assert all(lan.record.holders(vhid) == {"b"} for vhid in range(1, 256))
    assert not any(lan.record.doubled(vhid) for vhid in range(1, 256))


# The LAN itself.


def story(seed: int) -> list[Change]:
    lan = settled(cluster({"a": 0, "b": 100, "c": 200}, seed=seed, loss=0.3))
    lan.partition("a")
    lan.run(20 * SECOND)
    lan.heal()
    lan.run(20 * SECOND)
    return lan.record.timeline


def test_one_seed_is_one_story() -> None:
    assert story(1) == story(1) != story(2)


def test_time_can_be_paced() -> None:
    fast, paced = (cluster({"a": 0, "b": 100}) for _ in range(2))
    fast.run_until(6 * SECOND)
    while (instant := paced.next_event()) is not None and instant <= 6 * SECOND:
        paced.run_until(instant)
        assert paced.now == instant
    assert paced.record.timeline == fast.record.timeline


def test_frames_of_one_path_arrive_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    lan = settled(cluster({"a": 0, "b": 100}, vhids=range(1, 100)))
    heard: list[int] = []
    receive = lan.nodes["b"].receiver.receive

    def listen(datagram: Datagram | Rejection, now: int) -> VirtualHost | Rejection:
        assert isinstance(datagram, Datagram)
        heard.append(datagram.payload[1])
        return receive(datagram, now)

    monkeypatch.setattr(lan.nodes["b"].receiver, "receive", listen)
    lan.run(SECOND)
    assert heard == list(range(1, 100))


def test_spans_have_no_gaps() -> None:
    lan = settled(cluster({"a": 0, "b": 100}))
    lan.crash("a")
    lan.run(10 * SECOND)
    spans = list(lan.record.spans(VHID))
    assert spans[0].start == 0
    assert spans[-1].end == lan.now
    assert all(one.end == other.start for one, other in pairwise(spans))
    assert [set(span.holders) for span in spans] == [set(), {"a"}, set(), {"b"}]
    (last,) = lan.record.spans(VHID, since=lan.now - 5)
    assert last.length == 5


def test_a_name_is_given_once() -> None:
    lan = cluster({"a": 0})
    with pytest.raises(ValueError, match="a node a already"):
        lan.add("a", [], {})


def test_what_makes_no_sense_does_nothing() -> None:
    lan = settled(cluster({"a": 0, "b": 100}))
    before = list(lan.record.timeline)
    lan.boot("a")
    lan.plug("a")
    lan.thaw("a")
    lan.heal()
    assert lan.record.timeline == before
    lan.crash("a")
    after = list(lan.record.timeline)
    for deed in (Lan.crash, Lan.stop, Lan.kill, Lan.freeze, Lan.thaw, Lan.unplug, Lan.plug):
        deed(lan, "a")
    assert lan.record.timeline == after
    assert not lan.nodes["a"].frozen


def test_a_node_booted_without_a_cable_waits_for_it() -> None:
    lan = settled(cluster({"a": 0, "b": 100}))
    lan.crash("a")
    lan.unplug("a")
    lan.boot("a")
    lan.run(10 * SECOND)
    assert states(lan)["a"] is State.INIT
    lan.plug("a")
    lan.run(10 * SECOND)
    assert states(lan) == {"a": State.BACKUP, "b": State.MASTER}


def test_a_node_stopped_while_frozen_stops_when_it_thaws() -> None:
    lan = settled(cluster({"a": 0, "b": 100}))
    lan.freeze("a")
    lan.stop("a")
    lan.run(SECOND)
    assert set(states(lan)) == {"a", "b"}
    lan.thaw("a")
    assert set(states(lan)) == {"b"}
    lan.run(SECOND)
    assert lan.record.holders(VHID) == {"b"}


# From a cluster file.


def test_from_cluster() -> None:
    cluster_file = cluster_at(EXAMPLE)
    lan = Lan.from_cluster(cluster_file, {"www": b"secret"})
    settled(lan)
    assert lan.record.holders(VHID) == {"web1"}
    lan.crash("web1")
    lan.run(5 * SECOND)
    assert lan.record.holders(VHID) == {"web2"}
    (settings,) = lan.nodes["web2"].settings
    assert isinstance(settings, Settings)
    assert settings.advskew == 100
