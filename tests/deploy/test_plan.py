from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.deploy.support import SECRET, absent, inside_of, made_goal, observed_of, vm_of
from tests.smartos.clusters import LX, ZONE, cluster

from carpool.deploy.errors import DeployError
from carpool.deploy.observe import FileState, Observed
from carpool.deploy.plan import Kind, NodePlan, plan_node
from carpool.deploy.report import plan_text
from carpool.deploy.targets import Program, Target
from carpool.smartos.payload import Compat
from carpool.smartos.places import ZONE as PLACES


def target() -> Target:
    return made_goal().targets[0]


def kinds(plan: NodePlan) -> list[Kind]:
    assert plan.problem is None, plan.problem
    return [step.kind for step in plan.steps]


def planned(found: Observed, wanted: Target | None = None, **options: bool) -> NodePlan:
    return plan_node(wanted or target(), found, **options)


@pytest.mark.parametrize("zone", [ZONE, LX, replace(ZONE, brand="joyent-minimal")])
def test_what_is_as_it_shall_be_is_left_alone(zone: Any) -> None:
    wanted = made_goal(zone).targets[0]
    assert kinds(plan_node(wanted, observed_of(wanted))) == []


@pytest.mark.parametrize("compat", Compat)
@pytest.mark.parametrize("zone", [ZONE, LX])
def test_no_file_is_wanted_that_nothing_puts_there(zone: Any, compat: Compat) -> None:
    wanted = made_goal(zone, compat=compat).targets[0]
    program, *others = (file.path for file in wanted.files)
    assert program == PLACES.archive
    assert [path for path in others if path not in wanted.script] == [
        f"{PLACES.configuration}/packages"
    ]
    ucarps = {f"{PLACES.configuration}/vip-{way}" for way in ("up", "down")}
    if zone is LX or compat is Compat.UCARP:
        assert ucarps <= set(others)
    else:
        assert ucarps.isdisjoint(others)


def test_a_zone_is_made_from_nothing() -> None:
    wanted = target()
    assert kinds(planned(absent(wanted))) == [Kind.IMPORT, Kind.CREATE, Kind.PROGRAM, Kind.SET_UP]
    assert kinds(planned(absent(wanted, image=True)))[0] is Kind.CREATE


@pytest.mark.parametrize(
    ("changes", "boots", "line"),
    [
        ({"memory": 512}, False, "max_physical_memory: 256 -> 512 MiB"),
        ({"quota": 20}, False, "quota: 10 -> 20 GiB"),
        ({"autoboot": False}, False, "autoboot: true -> false"),
        ({"dns_domain": "example.net"}, True, "dns_domain: example.com -> example.net"),
        ({"resolvers": ()}, False, ""),
        ({"vlan": 7}, True, "nic vlan_id: 0 -> 7"),
        ({"nic_tag": "internal"}, True, "nic nic_tag: external -> internal"),
        ({"gateways": ()}, True, "nic gateways: 192.168.0.1 -> none"),
    ],
)
def test_an_update_boots_the_zone_only_if_it_must(
    changes: dict[str, Any], boots: bool, line: str
) -> None:
    found = observed_of(target())
    wanted = made_goal(replace(ZONE, **changes)).targets[0]
    plan = plan_node(wanted, found)
    if not line:
        assert plan.steps == ()
        return
    assert [step.kind for step in plan.steps if step.kind is not Kind.SET_UP] == (
        [Kind.UPDATE, Kind.BOOT] if boots else [Kind.UPDATE]
    )
    assert line in plan.steps[0].details


def test_a_new_virtual_address_is_allowed_at_once() -> None:
    found = observed_of(target())
    wanted = made_goal(made=cluster(ZONE, "192.168.0.200/24", "192.168.0.199/24")).targets[0]
    update, set_up = plan_node(wanted, found).steps
    (nic,) = update.update["update_nics"]
    assert nic == {"mac": "02:08:20:00:00:01", "allowed_ips": ["192.168.0.200", "192.168.0.199"]}
    assert set_up.kind is Kind.SET_UP


def test_the_order_of_allowed_addresses_is_no_difference() -> None:
    wanted = made_goal(made=cluster(ZONE, "192.168.0.200/24", "192.168.0.199/24")).targets[0]
    vm = vm_of(wanted)
    vm["nics"][0]["allowed_ips"].reverse()
    assert planned(observed_of(wanted, vm=vm), wanted).steps == ()


def test_spoofing_that_is_not_wanted_is_switched_off() -> None:
    wanted = target()
    vm = vm_of(wanted)
    vm["nics"][0]["allow_mac_spoofing"] = True
    (update,) = planned(observed_of(wanted, vm=vm)).steps
    assert update.details == ("nic allow_mac_spoofing: true -> false",)
    assert update.update["update_nics"][0]["allow_mac_spoofing"] is False
    assert not update.disturbs


def test_another_image_takes_recreate() -> None:
    found = observed_of(target(), image=False)
    image = "11111111-2222-4333-8444-555555555555"
    wanted = made_goal(replace(ZONE, image=image)).targets[0]
    refused = plan_node(wanted, found)
    assert refused.steps == ()
    assert refused.problem is not None
    assert "--recreate" in refused.problem.mend
    assert kinds(plan_node(wanted, found, recreate=True)) == [
        *(Kind.IMPORT, Kind.RECREATE, Kind.PROGRAM, Kind.SET_UP)
    ]


def test_recreate_leaves_a_zone_that_can_be_updated() -> None:
    assert planned(observed_of(target()), recreate=True).steps == ()


def test_a_zone_that_failed_to_be_made_is_made_again() -> None:
    wanted = target()
    found = observed_of(wanted, vm=vm_of(wanted, state="failed"), inside=None)
    assert kinds(planned(found))[0] is Kind.RECREATE


def test_a_zone_that_is_being_made_is_waited_for() -> None:
    wanted = target()
    found = observed_of(wanted, vm=vm_of(wanted, state="provisioning"), inside=None)
    plan = planned(found)
    assert plan.problem is not None
    assert "the zone is provisioning" in str(plan.problem)


def test_a_foreign_zone_is_not_touched() -> None:
    wanted = target()
    vm = vm_of(wanted, customer_metadata={})
    plan = planned(observed_of(wanted, vm=vm), recreate=True)
    assert plan.steps == ()
    assert plan.problem is not None
    assert "carpool did not make it" in plan.problem.message


def test_a_stopped_zone_is_booted_and_set_up() -> None:
    wanted = target()
    found = observed_of(wanted, vm=vm_of(wanted, state="stopped"), inside=None)
    assert kinds(planned(found)) == [Kind.BOOT, Kind.PROGRAM, Kind.SET_UP]


def test_a_missing_nic_tag_is_told() -> None:
    plan = planned(observed_of(target(), missing_tags=("external",)))
    assert plan.problem is not None
    assert "nic tag external" in plan.problem.message


def test_a_new_program_is_put_and_the_service_restarted() -> None:
    found = observed_of(target())
    wanted = made_goal(program=Program(b"a newer program")).targets[0]
    assert kinds(plan_node(wanted, found)) == [Kind.PROGRAM, Kind.RESTART]


def test_a_program_that_others_may_write_is_put_anew() -> None:
    wanted = target()
    files = dict(inside_of(wanted).files)
    files[PLACES.archive] = replace(files[PLACES.archive], mode="-rw-rw-rw-")
    found = observed_of(wanted, inside=inside_of(wanted, files=files))
    assert kinds(planned(found)) == [Kind.PROGRAM, Kind.RESTART]


@pytest.mark.parametrize("name", ["cluster.toml", "www.pw", "carpool.xml", "packages"])
@pytest.mark.parametrize("state", [None, FileState("-rw-r--r--", "0" * 64)])
def test_a_file_that_is_not_right_takes_a_set_up(name: str, state: FileState | None) -> None:
    wanted = target()
    path = f"{PLACES.configuration}/{name}"
    files = {**inside_of(wanted).files, path: state}
    files = {name: found for name, found in files.items() if found is not None}
    found = observed_of(wanted, inside=inside_of(wanted, files=files))
    (step,) = planned(found).steps
    assert (step.kind, step.details) == (Kind.SET_UP, (path,))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("online", []),
        ("online*", []),
        ("disabled", [Kind.ENABLE]),
        ("maintenance", [Kind.ENABLE]),
        ("offline", [Kind.ENABLE]),
        ("absent", [Kind.SET_UP]),
    ],
)
def test_the_service_is_brought_online(state: str, expected: list[Kind]) -> None:
    wanted = target()
    assert kinds(planned(observed_of(wanted, inside=inside_of(wanted, service=state)))) == expected


def test_a_service_that_was_switched_off_is_enabled() -> None:
    wanted = made_goal(replace(ZONE, services=("network/nginx",))).targets[0]
    inside = inside_of(wanted, services={"network/nginx": "disabled"})
    (step,) = planned(observed_of(wanted, inside=inside), wanted).steps
    assert (step.kind, step.details) == (Kind.SET_UP, ("service network/nginx",))


def test_passwords_are_compared_and_never_shown() -> None:
    wanted = target()
    vm = vm_of(wanted, internal_metadata={"carpool_www_pw": "another", "carpool_old_pw": "x"})
    plan = planned(observed_of(wanted, vm=vm))
    update = plan.steps[0]
    assert update.update["set_internal_metadata"] == {"carpool_www_pw": SECRET.decode()}
    assert update.update["remove_internal_metadata"] == ["carpool_old_pw"]
    shown = plan_text([plan]) + json.dumps(plan.to_json()) + repr(plan) + repr(wanted)
    assert SECRET.decode() not in shown
    assert "another" not in shown
    assert "carpool_www_pw: changed (not shown)" in shown


def test_metadata_of_others_is_left_alone() -> None:
    wanted = target()
    vm = vm_of(wanted)
    vm["internal_metadata"]["root_pw"] = "theirs"
    vm["customer_metadata"]["cloud"] = "theirs"
    assert planned(observed_of(wanted, vm=vm)).steps == ()


def test_a_changed_configuration_is_shown_as_a_diff() -> None:
    found = observed_of(target())
    made = cluster()
    www = made.groups[0]
    slow = tuple(replace(member, advskew=member.advskew + 7) for member in www.members)
    wanted = made_goal(made=replace(made, groups=(replace(www, members=slow),))).targets[0]
    update, set_up = plan_node(wanted, found).steps
    assert set_up.kind is Kind.SET_UP
    text = "\n".join(update.details)
    assert "    -advskew = { web1 = 0, web2 = 20 }" in text
    assert "    +advskew = { web1 = 7, web2 = 27 }" in text


def test_the_same_is_planned_every_time() -> None:
    found = [absent(one) for one in made_goal().targets]
    plans = [
        [plan_node(one, other) for one, other in zip(made_goal().targets, found, strict=True)]
        for _ in range(2)
    ]
    assert plans[0] == plans[1]
    assert plan_text(plans[0]) == plan_text(plans[1])


def test_the_plan_reads_well() -> None:
    wanted = made_goal().targets
    plans = [plan_node(wanted[0], absent(wanted[0])), plan_node(wanted[1], observed_of(wanted[1]))]
    assert plan_text(plans) == (
        "web1 on gz1.example.com\n"
        "  +   import image: c02a2044-c1bd-11e4-bd8c-dfc1db8b0182\n"
        f"  +   create zone: {wanted[0].uuid}, joyent, 256 MiB, 10 GiB, "
        "image c02a2044-c1bd-11e4-bd8c-dfc1db8b0182\n"
        "        nic nic_tag: external\n"
        "        nic ips: 192.168.0.201/24\n"
        "        nic gateways: 192.168.0.1\n"
        "        nic allowed_ips: 192.168.0.200\n"
        "  +   put program: /opt/carpool/carpool.pyz (1 KiB)\n"
        "  ~   set up: configuration, passwords and service\n"
        "\n"
        "1 node to change: 1 x import image, 1 x create zone, 1 x put program, 1 x set up\n"
        "1 node as it shall be\n"
    )


def test_what_the_far_side_says_does_not_drive_the_terminal() -> None:
    error = DeployError("alpha", "asking", "zlogin: \x1b]0;owned\x07", "look there")
    assert str(error) == r"alpha: asking: zlogin: \x1b]0;owned\x07; look there"
