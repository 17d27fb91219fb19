"""A group on a host that is made of words: demotion, and groups that move together."""

from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from tests.node.world import SOURCE, FakeLink, World, demotions, holds, state, unplug

from carpool.carp.election import State
from carpool.carp.timing import SECOND
from carpool.node.blink import LONGEST_BLINK, SHORTEST_BLINK
from carpool.node.daemon import DEMOTED_REASON, restore_demotions
from carpool.node.handover import GroupState, Handover
from carpool.node.health.settings import CheckSettings
from carpool.node.host import Interface, Link
from carpool.node.services import REASON, Services, _Service
from carpool.node.together import join


@pytest.fixture
def world() -> World:
    return World()


def test_demoted_for_a_reason_it_says_so_at_once_on_the_wire_and_in_the_log(world: World) -> None:
    group = world.group("www", 1)
    group.demote("the web server is down", 10)
    group.demote("the disk is full", 5)
    assert [said.demotion for said in world.links["www"].said[-2:]] == [10, 15]
    assert world.lines.texts[-2:] == [
        "www: demoted by 10: the web server is down",
        "www: demoted by 5: the disk is full (15 in all)",
    ]
    assert group.demotions == {"the web server is down": 10, "the disk is full": 5}
    group.demote("the web server is down", 0)
    group.demote("the disk is full", 0)
    assert world.links["www"].said[-1].demotion == 0
    assert world.lines.texts[-1] == "www: no longer demoted: the disk is full"


def test_a_master_whose_link_blinks_stays_master_and_announces(world: World) -> None:
    group = world.group("www", 1)
    told = world.links["www"].announced
    for _ in range(5):
        group.link_changed(carrier=False)
        world.loop.run(LONGEST_BLINK - 1)
        group.link_changed(carrier=True)
        assert world.links["www"].announced == told + 1
        told += 1
        world.loop.run(LONGEST_BLINK // 2)
        told = world.links["www"].announced
    assert state(group) is State.MASTER


def test_a_master_without_a_carrier_has_no_addresses_after_50_ms(world: World) -> None:
    group = world.group("www", 1)
    said = len(world.links["www"].said)
    group.link_changed(carrier=False)
    world.loop.run(SHORTEST_BLINK - 1)
    assert holds(world, "www")
    world.loop.run(1)
    assert not holds(world, "www")
    assert state(group) is State.MASTER
    world.loop.run(LONGEST_BLINK - SHORTEST_BLINK - 1)
    assert len(world.links["www"].said) == said, "of addresses that are off nothing is said"
    group.link_changed(carrier=True)
    assert holds(world, "www")
    world.loop.run(SECOND)
    assert len(world.links["www"].said) > said


@pytest.mark.parametrize("was_master", [True, False])
def test_resumed_without_a_carrier_it_falls_silent_as_it_would_have(
    world: World, was_master: bool
) -> None:
    before = world.group("www", 1)
    if not was_master:
        unplug(world, before)
        world.loop.run(SECOND)
    saved = before.saved()
    after = world.make("www", 1, together="all")
    beside = world.group("db", 2, interface="net1", together="all")
    join([after, beside])
    after.resume(saved, carrier=False)
    world.loop.run(LONGEST_BLINK)
    assert state(after) is State.INIT
    assert not holds(world, "www")
    assert beside.demotions == {"www has no link on net0": 240}
    said = len(world.links["www"].said)
    world.loop.run(10 * SECOND)
    assert len(world.links["www"].said) == said
    after.link_changed(carrier=True)
    assert state(after) is State.BACKUP
    assert beside.demotions == {}


@pytest.mark.parametrize("services", [(), ("/nowhere/new",)])
def test_a_resumed_master_knows_what_had_been_started(
    world: World, services: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[object] = []
    monkeypatch.setattr(Services, "take_over", lambda _, started: taken.append(started))
    monkeypatch.setattr(Services, "start", lambda _: taken.append("start"))
    before = world.group("www", 1)
    saved = replace(before.saved(), services=("/nowhere/old",))
    after = world.make("www", 1, services=services)
    after.resume(saved, carrier=True)
    assert taken == [("/nowhere/old",), "start"]


def test_a_resumed_backup_is_forgiven_what_its_services_did(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carpool.node.services.FORGIVEN_AFTER", SECOND)
    before = world.make("www", 1, services=("/nowhere/app",), service_demote=20)
    saved = replace(before.saved(), demotions={REASON: 20})
    assert not saved.memory.master
    after = world.make("www", 1, services=("/nowhere/app",), service_demote=20)
    restore_demotions([after], handover(saved), ())
    after.resume(saved, carrier=True)
    assert after.demotions == {REASON: 20}
    world.loop.run(2 * SECOND)
    assert state(after) is State.BACKUP
    assert after.demotions == {}


def test_what_outlasts_a_restart_holds_for_the_companions_from_the_first_moment(
    world: World,
) -> None:
    before = world.together("net0", "net1")
    before[0].demote(DEMOTED_REASON, 10)
    before[0].demote("check shop", 20)
    before[0].demote("check former", 30)
    saved = [one.saved() for one in before]
    after = [world.make(one.settings.name, 1 + n, together="all") for n, one in enumerate(before)]
    join(after)
    check = cast("CheckSettings", SimpleNamespace(name="shop", groups=("a",)))
    restore_demotions(after, handover(*saved), [check])
    assert demotions(after) == [30, 30]
    assert after[1].demotions == {f"a: {DEMOTED_REASON}": 10, "a: check shop": 20}
    for group, was in zip(after, saved, strict=True):
        group.resume(was, carrier=True)
        assert world.links[group.settings.name].said[0].demotion == 30
    after[0].demote(DEMOTED_REASON, 0)
    after[0].demote("check shop", 0)
    assert demotions(after) == [0, 0]


def test_of_the_services_that_a_reload_brings_a_backup_stops_those_that_are_new(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr("carpool.node.services._services", defaultdict(_Service))
    monkeypatch.setattr(Services, "_step", lambda _, service, start: steps.append(service))
    old, new = "/nowhere/old", "/nowhere/new"
    saved = world.make("www", 1, services=(old,)).saved()
    same = world.make("www", 1, services=(old,))
    same.resume(saved, carrier=True)
    world.loop.run(SECOND)
    assert steps == []
    after = world.make("www", 1, services=(old, new))
    after.resume(saved, carrier=True)
    world.loop.run(SECOND)
    assert steps == [new]


def test_an_address_of_its_own_that_is_missing_is_told_once(world: World) -> None:
    group = world.make("www", 1)

    def told() -> int:
        return sum("has no IPv4 address of its own" in line for line in world.lines.texts)

    for _ in range(3):
        group.use_sources({6: bytes(16)})
    assert told() == 1
    group.use_sources({4: SOURCE})
    group.use_sources({})
    group.use_sources({})
    assert told() == 2


def test_a_node_that_has_nothing_to_speak_from_is_demoted_until_it_has(world: World) -> None:
    group, beside = world.together("net0", "net1")
    group.use_sources({})
    assert demotions([group, beside]) == [240, 240]
    assert state(group) is State.MASTER, "nobody better has been heard yet"
    group.use_sources({4: SOURCE})
    assert demotions([group, beside]) == [0, 0]


def handover(*states: GroupState) -> Handover:
    return Handover("web1", "/nowhere", 3, 4, 1, {}, states)


def test_a_link_that_blinks_for_a_moment_costs_not_even_the_addresses(world: World) -> None:
    group, host = world.group("www", 1), world.hosts["www"]
    removals = host.removals
    group.link_changed(carrier=False)
    world.loop.run(SHORTEST_BLINK - 1)
    group.link_changed(carrier=True)
    world.loop.run(SECOND)
    assert host.removals == removals


def test_addresses_that_cannot_be_taken_back_are_handed_over(world: World) -> None:
    group = world.group("www", 1)
    group.link_changed(carrier=False)
    world.loop.run(SHORTEST_BLINK)
    world.hosts["www"].problem = "no room"
    group.link_changed(carrier=True)
    assert state(group) is State.BACKUP
    assert world.links["www"].said[-1].is_bow_out


def test_told_to_yield_while_it_has_let_go_it_puts_nothing_on(world: World) -> None:
    group = world.group("www", 1)
    group.link_changed(carrier=False)
    world.loop.run(SHORTEST_BLINK)
    group.yield_mastership()
    group.link_changed(carrier=True)
    assert state(group) is State.BACKUP
    assert not holds(world, "www")


def test_a_master_without_a_link_lets_go_after_a_moment(world: World) -> None:
    group = world.group("www", 1)
    group.link_changed(carrier=False)
    group.link_changed(carrier=False)
    world.loop.run(LONGEST_BLINK)
    assert state(group) is State.INIT
    group.link_changed(carrier=True)
    group.link_changed(carrier=False)  # not master: at once
    assert state(group) is State.INIT


def test_a_master_with_short_intervals_waits_for_half_of_one(world: World) -> None:
    group = world.group("www", 1, advbase=0, advskew=64)
    group.link_changed(carrier=False)
    world.loop.run(SECOND // 8 - 1)
    assert state(group) is State.MASTER
    world.loop.run(1)
    assert state(group) is State.INIT


def test_forbidden_for_a_reason_it_bows_out(world: World) -> None:
    group = world.group("www", 1)
    group.demote("maintenance", 255)
    assert state(group) is State.BACKUP
    assert world.links["www"].said[-1].is_bow_out
    world.loop.run(100 * SECOND)
    assert state(group) is State.BACKUP
    group.demote("maintenance", 0)
    world.loop.run(0)
    assert state(group) is State.MASTER


def test_a_master_that_cannot_send_is_demoted_until_it_can(world: World) -> None:
    group = world.group("www", 1)
    world.links["www"].fails = True
    world.loop.run(2 * SECOND)
    assert group.virtual_host.demotion == 0
    world.loop.run(SECOND)
    assert group.virtual_host.demotion == 240
    world.links["www"].fails = False
    world.loop.run(2 * group.virtual_host.interval)
    assert group.virtual_host.demotion == 240
    world.loop.run(2 * group.virtual_host.interval)
    assert group.virtual_host.demotion == 0
    assert world.lines.texts[-1].startswith("www: no longer demoted")


def test_an_address_has_the_term_of_the_interval_that_begins(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is another, because the advertisement before it could not be sent."""
    group = world.group("www", 1)
    terms: list[int] = []
    monkeypatch.setattr(
        type(group._holding), "advertised", lambda _, interval: terms.append(interval)
    )
    world.links["www"].fails = True
    world.loop.run(3 * SECOND)
    assert group.virtual_host.demotion == 240
    assert terms[0] == SECOND
    assert terms[-1] == group.virtual_host.interval > SECOND


def test_a_node_that_could_not_send_tries_again_after_a_minute_as_a_backup(world: World) -> None:
    group = world.group("www", 1)
    world.links["www"].fails = True
    world.loop.run(3 * SECOND)
    group.demote("maintenance", 255)
    assert state(group) is State.BACKUP
    world.links["www"].fails = False
    world.loop.run(58 * SECOND)
    assert len(group.demotions) == 2
    world.loop.run(2 * SECOND)
    assert group.demotions.keys() == {"maintenance"}


def test_what_an_interface_could_not_do_says_nothing_of_the_next_one(world: World) -> None:
    group = world.group("www", 1)
    world.links["www"].fails = True
    world.loop.run(3 * SECOND)
    world.hosts["www"].problem = "no such device"
    group.link_gone()
    group.use_link(None, None)
    group.use_link(cast("Link", FakeLink()), Interface("net0", 1, b"\2" * 6, carrier=True))
    group.link_changed(carrier=True)
    world.loop.run(5 * SECOND)
    assert group.demotions == {"the addresses cannot be put on": 240}
    world.hosts["www"].problem = None
    group.use_link(cast("Link", FakeLink()), Interface("net0", 2, b"\2" * 6, carrier=True))
    assert group.demotions == {}


def test_a_node_that_cannot_hold_the_addresses_is_demoted_for_a_minute_or_until_it_can(
    world: World,
) -> None:
    group = world.group("www", 1)
    unplug(world, group)
    group.link_changed(carrier=True)
    world.hosts["www"].problem = "no room"
    world.loop.run(3 * SECOND)
    assert state(group) is State.BACKUP
    assert group.virtual_host.demotion == 240
    assert world.links["www"].said[-1].is_bow_out
    world.hosts["www"].problem = None
    world.loop.run(10 * SECOND)
    assert state(group) is State.MASTER, "nobody better is there"
    assert group.virtual_host.demotion == 0


def test_after_a_minute_it_may_try_again_before_others(world: World) -> None:
    group = world.group("www", 1)
    unplug(world, group)
    group.link_changed(carrier=True)
    world.hosts["www"].problem = "no room"
    world.loop.run(3 * SECOND)
    group.demote("maintenance", 255)  # So that it does not try before.
    world.loop.run(59 * SECOND)
    assert group.demotions.keys() == {"maintenance", "the addresses cannot be put on"}
    world.loop.run(SECOND)
    assert group.demotions.keys() == {"maintenance"}


def test_groups_without_a_common_name_are_strangers(world: World) -> None:
    groups = [world.group("a", 1), world.group("b", 2, together="x")]
    join(groups)
    groups[0].demote("no reason", 10)
    assert demotions(groups) == [10, 0]


def test_together_demoted(world: World) -> None:
    groups = world.together("net0", "net0", "net1")
    groups[0].demote("the web server is down", 10)
    assert demotions(groups) == [10, 10, 10]
    assert "b: demoted by 10: a: the web server is down" in world.lines.texts
    groups[1].demote("the web server is down", 10)
    assert demotions(groups) == [20, 20, 20]
    groups[0].demote("the web server is down", 0)
    groups[1].demote("the web server is down", 0)
    assert demotions(groups) == [0, 0, 0]


def test_together_a_lost_link_demotes_those_on_other_interfaces(world: World) -> None:
    one, two, three = groups = world.together("net0", "net0", "net1")
    unplug(world, one, two)
    assert demotions(groups) == [0, 0, 254]  # 240 for each
    assert three.virtual_host.state is State.MASTER, "better here than nowhere"
    assert "c: demoted by 240: a has no link on net0" in world.lines.texts
    one.link_changed(carrier=True)
    two.link_changed(carrier=True)
    assert demotions(groups) == [0, 0, 0]
    three.link_gone()
    assert demotions(groups) == [240, 240, 0]


def test_together_told_to_yield(world: World) -> None:
    groups = world.together("net0", "net1")
    groups[1].yield_mastership()
    assert [group.virtual_host.state for group in groups] == [State.BACKUP, State.BACKUP]
    assert all(link.said[-1].is_bow_out for link in world.links.values())


def test_together_one_cannot_hold_its_addresses(world: World) -> None:
    groups = world.together("net0", "net1")
    unplug(world, groups[0])
    groups[0].link_changed(carrier=True)
    world.hosts["a"].problem = "no room"
    world.loop.run(3 * SECOND)
    assert demotions(groups) == [240, 240]
    assert groups[1].virtual_host.state is State.MASTER, "where nobody better is"
