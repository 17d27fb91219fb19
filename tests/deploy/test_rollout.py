from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from tests.deploy.support import made_goal
from tests.deploy.world import FakeOpener, World
from tests.smartos.clusters import ZONE, group, node

from carpool.cluster.model import Cluster
from carpool.deploy import rollout
from carpool.deploy.destroy import destroy
from carpool.deploy.errors import DeployError
from carpool.deploy.fleet import Fleet
from carpool.deploy.groups import GroupState, teams
from carpool.deploy.rollout import Outcome, Report, Rollout, plans
from carpool.deploy.targets import Goal, Program


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "_READY", 0.3)
    monkeypatch.setattr(rollout, "_PAUSE", 0.01)


def impatient(goal: Goal) -> Goal:
    return replace(goal, groups=tuple(replace(one, takeover=0.3) for one in goal.groups))


def make(made: Cluster | None = None, program: bytes = b"old") -> Goal:
    return impatient(made_goal(made=made, program=Program(program)))


def pairs(count: int) -> Cluster:
    nodes = [node(number) for number in range(1, 2 * count + 1)]
    groups = [
        group(
            *nodes[2 * index : 2 * index + 2],
            name=f"g{index}",
            addresses=(f"192.168.0.{100 + index}/24",),
        )
        for index in range(count)
    ]
    return Cluster(None, "pairs", tuple(nodes), tuple(groups))


def chain() -> Cluster:
    """Three nodes: the first two share a group, the last two another."""
    one, two, three = node(1), node(2), node(3)
    groups = (
        group(one, two, name="a", addresses=("192.168.0.100/24",)),
        group(three, two, name="b", addresses=("192.168.0.101/24",)),
    )
    return Cluster(None, "chain", (one, two, three), groups)


def run(world: World, goal: Goal, parallel: int = 8, **options: bool) -> Report:
    world.goal = goal
    with Fleet(goal, FakeOpener(world), parallel) as fleet:
        fleet.survey("us", break_lock=options.pop("break_lock", False))
        report = Rollout(fleet, plans(fleet, **options), lambda _node, _text: None).run()
    assert "us" not in world.locked.values()
    return report


def outcomes(report: Report) -> dict[str, Outcome]:
    return {node.node: node.outcome for node in report.nodes}


def test_zones_are_made_and_a_second_run_changes_nothing() -> None:
    goal = make()
    world = World(goal)
    report = run(world, goal)
    assert outcomes(report) == {"web1": Outcome.CHANGED, "web2": Outcome.CHANGED}
    assert [state.fault for state in report.groups] == [""]
    assert world.actions("web1") == ["import", "validate", "create", "program", "set up"]
    assert world.order() == ["web1", "web2"]  # so that the preferred one is master
    before = list(world.log)
    assert set(outcomes(run(world, goal)).values()) == {Outcome.UNCHANGED}
    assert world.log == before


def test_the_backup_goes_first_and_the_group_is_always_served() -> None:
    goal = make()
    world = World(goal)
    world.deploy()
    assert world.holder == {"www": "web1"}
    report = run(world, make(program=b"new"))
    assert world.order() == ["web2", "web1"]
    assert world.unserved == []
    assert report.problems == ()


def test_the_master_is_last_also_where_it_is_not_the_preferred_node() -> None:
    goal = make()
    world = World(goal)
    world.deploy()
    world.holder["www"] = "web2"
    run(world, make(program=b"new"))
    assert world.order() == ["web1", "web2"]


def test_the_first_failure_ends_a_team_with_its_group_served() -> None:
    world = World(make())
    world.deploy()
    world.hook = lambda node, action: "disk full" if (node, action) == ("web2", "program") else None
    report = run(world, make(program=b"new"))
    assert outcomes(report) == {"web1": Outcome.LEFT, "web2": Outcome.FAILED}
    assert world.holder == {"www": "web1"}
    (problem,) = report.problems
    assert (problem.host, problem.node, problem.step) == (
        *("gz2.example.com", "web2"),
        "put program",
    )
    assert problem.message == "disk full"
    world.hook = lambda _node, _action: None
    assert set(outcomes(run(world, make(program=b"new"))).values()) == {Outcome.CHANGED}


def test_a_service_that_does_not_come_back_ends_the_team() -> None:
    world = World(make())
    world.deploy()
    world.stuck.add("web2")
    report = run(world, make(program=b"new"))
    assert outcomes(report) == {"web1": Outcome.LEFT, "web2": Outcome.FAILED}
    assert "the service is not online" in report.problems[0].message
    assert world.holder == {"www": "web1"}
    assert world.unserved == []


def test_a_master_is_not_touched_while_nobody_can_take_over() -> None:
    goal = make()
    world = World(goal)
    world.deploy()
    # web2 has the new program already, and its service is down.
    new = make(program=b"new")
    world.files["web2"] = {file.digests[0] for file in new.target("web2").files}
    world.stuck.add("web2")
    world.stop("web2")
    world.hook = lambda node, action: "no" if (node, action) == ("web2", "start") else None
    report = run(world, new)
    assert outcomes(report)["web1"] is not Outcome.CHANGED
    assert world.holder == {"www": "web1"}


def test_a_master_without_a_ready_peer_is_left_even_if_all_else_is_fine() -> None:
    world = World(make())
    world.deploy()
    new = make(program=b"new")
    world.files["web2"] = {file.digests[0] for file in new.target("web2").files}
    world.goal = new
    with Fleet(new, FakeOpener(world), 2) as fleet:
        fleet.survey()
        planned = plans(fleet)
        world.stop("web2")  # after it was seen online
        report = Rollout(fleet, planned, lambda _node, _text: None).run()
    assert outcomes(report) == {"web1": Outcome.FAILED, "web2": Outcome.UNCHANGED}
    assert "no other node is ready to take over" in report.problems[0].message
    assert world.actions("web1") == []


def test_nothing_is_touched_where_a_payload_is_refused() -> None:
    goal = make()
    world = World(goal)
    refused = ("web2", "validate")
    world.hook = lambda node, action: "bad_values: quota" if (node, action) == refused else None
    report = run(world, goal)
    assert outcomes(report) == {"web1": Outcome.LEFT, "web2": Outcome.FAILED}
    assert world.zones == {}


def test_nothing_is_touched_where_an_image_cannot_be_imported() -> None:
    goal = make()
    world = World(goal)
    world.hook = lambda _node, action: "image not found" if action == "import" else None
    report = run(world, goal)
    assert set(outcomes(report).values()) == {Outcome.FAILED}
    assert world.zones == {}
    assert {problem.step for problem in report.problems} == {"import image"}


def test_an_unreachable_hypervisor_leaves_its_groups_and_no_others() -> None:
    goal = make(pairs(2))
    world = World(goal)
    world.unreachable.add("gz2.example.com")
    report = run(world, goal)
    assert outcomes(report) == {
        "web1": Outcome.LEFT,
        "web2": Outcome.FAILED,
        "web3": Outcome.CHANGED,
        "web4": Outcome.CHANGED,
    }
    assert [state.group for state in report.groups if state.fault] == ["g0"]


def test_a_lock_names_its_holder_and_can_be_broken() -> None:
    goal = make()
    world = World(goal)
    world.locked["gz1.example.com"] = "somebody else"
    report = run(world, goal)
    assert "locked by somebody else" in report.problems[0].message
    assert world.zones == {}
    assert world.locked == {"gz1.example.com": "somebody else"}
    report = run(world, goal, break_lock=True)
    assert report.problems == ()


def test_nodes_that_share_groups_are_one_team() -> None:
    assert teams(make(chain())) == [("web1", "web2", "web3")]
    assert teams(make(pairs(3))) == [("web1", "web2"), ("web3", "web4"), ("web5", "web6")]


def test_in_a_team_of_several_groups_every_group_stays_served() -> None:
    world = World(make(chain()))
    world.deploy()
    assert world.holder == {"a": "web1", "b": "web3"}
    report = run(world, make(chain(), program=b"new"))
    assert world.order()[0] == "web2"
    assert world.unserved == []
    assert report.problems == ()


def test_teams_are_changed_at_the_same_time_and_nodes_of_one_are_not() -> None:
    goal = make(pairs(2))
    world = World(goal)
    world.deploy()
    new = make(pairs(2), program=b"new")
    both = threading.Barrier(2, timeout=60)

    def tell(node: str, text: str) -> None:
        if text.startswith("put program") and node in ("web2", "web4"):
            both.wait()  # breaks unless both teams are at work

    world.goal = new
    with Fleet(new, FakeOpener(world), 2) as fleet:
        fleet.survey()
        Rollout(fleet, plans(fleet), tell).run()
    order = world.order()
    assert order.index("web2") < order.index("web1")
    assert order.index("web4") < order.index("web3")


def test_what_is_interrupted_is_finished_by_the_next_run() -> None:
    goal = make()
    world = World(goal)
    with Fleet(goal, FakeOpener(world), 2) as fleet:
        fleet.survey("us")

        def interrupt(node: str, text: str) -> None:
            if text.startswith("put program"):
                fleet.halt.set()

        report = Rollout(fleet, plans(fleet), interrupt).run()
    assert report.interrupted
    assert set(outcomes(report).values()) == {Outcome.INTERRUPTED}
    assert len(world.zones) == 1
    assert world.locked == {}
    assert set(outcomes(run(world, goal)).values()) == {Outcome.CHANGED}
    assert [state.fault for state in run(world, goal).groups] == [""]


def test_a_cut_connection_is_an_error_and_the_next_run_finishes() -> None:
    goal = make()
    world = World(goal)
    with Fleet(goal, FakeOpener(world), 2) as fleet:
        fleet.survey()

        def cut(node: str, text: str) -> None:
            if text.startswith("set up"):
                fleet.remotes[goal.target(node).hypervisor].close()

        report = Rollout(fleet, plans(fleet), cut).run()
    (problem,) = report.problems
    assert problem.step == "set up"
    assert "cut" in problem.message
    assert run(world, goal).problems == ()


def test_hang_up_ends_everything() -> None:
    goal = make(pairs(4))
    world = World(goal)
    with Fleet(goal, FakeOpener(world), 4) as fleet:
        fleet.survey()
        fleet.hang_up()
        report = Rollout(fleet, plans(fleet), lambda _node, _text: None).run()
    assert set(outcomes(report).values()) == {Outcome.INTERRUPTED}
    assert world.zones == {}


def test_a_new_image_is_rolled_out_one_node_at_a_time() -> None:
    world = World(make())
    world.deploy()
    image = "11111111-2222-4333-8444-555555555555"
    wanted = impatient(made_goal(replace(ZONE, image=image), program=Program(b"old")))
    assert len(run(world, wanted).problems) == 2
    report = run(world, wanted, recreate=True)
    assert report.problems == ()
    assert world.order() == ["web2", "web1"]
    assert world.unserved == []
    assert world.actions("web1") == [
        *("import", "validate", "stop", "delete", "create", "program", "set up")
    ]


def test_a_boot_stops_the_service_first() -> None:
    world = World(make())
    world.deploy()
    wanted = impatient(made_goal(replace(ZONE, vlan=7), program=Program(b"old")))
    report = run(world, wanted)
    assert report.problems == ()
    assert world.actions("web1") == ["validate", "update", "stop", "halt", "boot"]
    assert world.unserved == []


def test_destroy_deletes_what_is_there_and_nothing_else() -> None:
    goal = make(pairs(2))
    world = World(goal)
    world.deploy()
    del world.zones["web1"]
    world.zones["web2"]["customer_metadata"] = {}
    with Fleet(goal, FakeOpener(world), 2) as fleet:
        fleet.survey("us")
        results = destroy(fleet, lambda _node, _text: None, images=True)
    assert [result.outcome for result in results] == [
        *(Outcome.UNCHANGED, Outcome.FAILED, Outcome.CHANGED, Outcome.CHANGED)
    ]
    assert set(world.zones) == {"web2"}
    assert world.actions("web3") == ["stop", "delete", "delete image"]
    assert world.images == set()


def test_without_a_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from carpool.deploy import ssh

    def missing(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}", name="pyinfra")

    monkeypatch.setattr(ssh, "import_module", missing)
    with pytest.raises(DeployError, match=r"pip install '\.\[deploy\]'"):
        Fleet(make(), ssh.Network(), 1).survey()


def test_cluster_of_one_node_may_be_restarted() -> None:
    one = node(1)
    alone = Cluster(None, "alone", (one,), (group(one),))
    world = World(make(alone))
    world.deploy()
    assert run(world, make(alone, program=b"new")).problems == ()


def test_a_group_may_be_led_by_a_node_that_is_no_zone() -> None:
    zone, linux = node(1), node(2, None)
    mixed = Cluster(None, "mixed", (zone, linux), (group(linux, zone),))
    goal = make(mixed)
    world = World(goal)
    world.holder["www"] = "web2"
    world.elect = lambda: None  # type: ignore[method-assign]
    report = run(world, goal)
    assert outcomes(report) == {"web1": Outcome.CHANGED}
    assert report.problems == ()
    assert [state.fault for state in report.groups] == [""]
    assert goal.elsewhere == ("web2",)


def test_two_masters_are_a_fault() -> None:
    goal = make(chain())
    state = GroupState("a", ("web1", "web2"), ("web1", "web2"), (), ("web1", "web2"), ("web9",))
    assert state.fault == "2 masters: web1, web2"
    assert state.master is None
    assert goal.groups[0].others == ()


def test_nodes_of_one_hypervisor_share_a_connection_and_an_image() -> None:
    one, two = node(1), replace(node(2), hypervisor="gz1.example.com")
    goal = make(Cluster(None, "dense", (one, two), (group(one, two),)))
    world = World(goal)
    assert run(world, goal).problems == ()
    assert world.order() == ["web1", "web2"]
    assert goal.hypervisors == ("gz1.example.com",)
