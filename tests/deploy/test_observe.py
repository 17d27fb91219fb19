from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.deploy.support import answer_text, made_goal, vm_of
from tests.smartos.clusters import LX, ZONE

from carpool.deploy.errors import DeployError
from carpool.deploy.observe import FileState, addresses_up, answer
from carpool.deploy.question import question

IFCONFIG = """\
lo0: flags=2001000849<UP,LOOPBACK,RUNNING,MULTICAST,IPv4,VIRTUAL> mtu 8232 index 1
\tinet 127.0.0.1 netmask ff000000
net0: flags=40001000843<UP,BROADCAST,RUNNING,MULTICAST,IPv4,L3PROTECT> mtu 1500 index 2
\tinet 192.168.0.201 netmask ffffff00 broadcast 192.168.0.255
\tether 2:8:20:0:0:1
net0:1: flags=40001000842<BROADCAST,RUNNING,MULTICAST,IPv4,L3PROTECT> mtu 1500 index 2
\tinet 192.168.0.198 netmask ffffff00 broadcast 192.168.0.255
net0:2: flags=48001000842<UP,BROADCAST,RUNNING,MULTICAST,IPv4,DUPLICATE> mtu 1500 index 2
\tinet 192.168.0.199 netmask ffffff00 broadcast 192.168.0.255
net0:3: flags=40001000843<UP,BROADCAST,RUNNING,MULTICAST,IPv4,L3PROTECT> mtu 1500 index 2
\tinet 192.168.0.200 netmask ffffff00 broadcast 192.168.0.255
net0: flags=20002000840<RUNNING,MULTICAST,IPv6> mtu 1500 index 2
\tinet6 fe80::8:20ff:fe00:1/10
net0:4: flags=20002080841<UP,RUNNING,MULTICAST,IPv6> mtu 1500 index 2
\tinet6 2001:db8::200/64
"""

DIGESTS = ("0123456789abcdef" * 4, "fedcba9876543210" * 4)

WITHIN = f"""\
% files
/opt/carpool/carpool.pyz
/opt/carpool/www.pw
% modes
-rw-r--r--   1 0        0         200000 Nov 22 12:00 /opt/carpool/carpool.pyz
-rw-------+  1 100      100           11 Nov 22 12:00 /opt/carpool/www.pw
% digests
{DIGESTS[0]}
(/opt/carpool/www.pw) = {DIGESTS[1]}
% services
online         svc:/smartdc/mdata:execute
maintenance    svc:/network/carpool:default
% service network/nginx
% service system/cron
online*
% net
net0: flags=843<UP> mtu 1500
\tinet 192.168.0.200 netmask ffffff00
% end 0
"""

LX_WITHIN = """\
% unit carpool
LoadState=loaded
ActiveState=failed
% unit nginx
LoadState=not-found
ActiveState=inactive
% net
% end 0
"""


def test_only_addresses_that_are_up_and_unique_count() -> None:
    shown = {"127.0.0.1", "192.168.0.201", "192.168.0.200", "2001:db8::200"}
    assert addresses_up(IFCONFIG.splitlines()) == set(map(ip_address, shown))


def test_an_answer_is_read() -> None:
    web1, web2 = made_goal().targets
    text = answer_text(web1, vm_of(web1), WITHIN) + answer_text(web2, None) + "== end\n"
    found = answer("gz", [web1, web2], text)
    one, two = found["web1"], found["web2"]
    assert one.state == "running"
    assert one.inside is not None
    assert one.inside.files["/opt/carpool/www.pw"] == FileState("-rw-------", DIGESTS[1])
    assert one.inside.service == "maintenance"
    assert one.inside.boot == "online"
    assert one.inside.services == {"network/nginx": "absent", "system/cron": "online*"}
    assert one.inside.addresses == {ip_address("192.168.0.200")}
    assert two.vm is None
    assert two.state == "absent"
    assert two.inside is None


def test_why_one_cannot_look_inside_is_told() -> None:
    (web1, _) = made_goal().targets
    within = "zlogin: login allowed only to running zones (it is 'installed').\n"
    stopped = vm_of(web1, state="stopped")
    found = answer("gz", [web1], answer_text(web1, stopped, within) + "== end\n")["web1"]
    assert found.inside is None
    assert found.why_not == "zlogin: login allowed only to running zones (it is 'installed')."


def test_services_of_systemd_are_told_in_the_words_of_smf() -> None:
    (web1, _) = made_goal(LX).targets
    text = answer_text(web1, vm_of(web1), LX_WITHIN) + "== end\n"
    inside = answer("gz", [web1], text)["web1"].inside
    assert inside is not None
    assert (inside.service, inside.services) == ("maintenance", {"nginx": "absent"})
    assert inside.boot == "absent"


@pytest.mark.parametrize(
    ("said", "boot"),
    [("starting", "absent"), ("running", "online"), ("degraded", "online"), ("no bus", "absent")],
)
def test_a_zone_with_systemd_has_booted_when_all_is_started(said: str, boot: str) -> None:
    (web1, _) = made_goal(LX).targets
    text = answer_text(web1, vm_of(web1), f"% boot\n{said}\n{LX_WITHIN}") + "== end\n"
    inside = answer("gz", [web1], text)["web1"].inside
    assert inside is not None
    assert inside.boot == boot


@pytest.mark.parametrize("part", ["digests", "modes"])
def test_lists_that_do_not_fit_together_are_no_answer(part: str) -> None:
    (web1, _) = made_goal().targets
    head, _, rest = WITHIN.partition(f"% {part}\n")
    within = f"{head}% {part}\n{rest.partition(chr(10))[2]}"
    found = answer("gz", [web1], answer_text(web1, vm_of(web1), within) + "== end\n")["web1"]
    assert (found.inside, found.why_not) == (None, "ls or digest fails there")


def test_missing_images_and_tags_belong_to_the_node_behind_them() -> None:
    web1, web2 = made_goal().targets
    text = "== no-image\n== no-tag external\n" + answer_text(web1, None)
    found = answer("gz", [web1, web2], text + answer_text(web2, None) + "== end\n")
    assert (found["web1"].image, found["web1"].missing_tags) == (False, ("external",))
    assert (found["web2"].image, found["web2"].missing_tags) == (True, ())


@pytest.mark.parametrize("text", ["", "== no-image\n== zone", "sh: not found\n"])
def test_an_answer_that_breaks_off_is_an_error(text: str) -> None:
    (web1, _) = made_goal().targets
    with pytest.raises(DeployError, match=r"gz: look: .*answer"):
        answer("gz", [web1], text)


def test_a_host_without_vmadm_is_named() -> None:
    (web1, _) = made_goal().targets
    text = f"== zone {web1.uuid} 127\n| sh: vmadm: not found\n== inside {web1.uuid}\n== end\n"
    with pytest.raises(DeployError, match=r"gz: web1: look: .*vmadm: not found; name a SmartOS"):
        answer("gz", [web1], text)


def test_what_is_no_json_is_an_error() -> None:
    (web1, _) = made_goal().targets
    text = f"== zone {web1.uuid} 0\n| hello\n== inside {web1.uuid}\n== end\n"
    with pytest.raises(DeployError, match="no JSON object"):
        answer("gz", [web1], text)


@pytest.mark.parametrize("zone", [ZONE, LX, replace(ZONE, services=("network/nginx",))])
@pytest.mark.parametrize("full", [True, False])
def test_the_question_is_posix_shell(zone: object, full: bool) -> None:
    targets = made_goal(zone).targets  # type: ignore[arg-type]
    script = question(targets, full=full)
    checked = subprocess.run(["sh", "-n"], input=script.encode(), capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert script.count("zlogin") == len(targets)
    assert script.rstrip().endswith("say == end")


def test_the_light_question_asks_for_no_file() -> None:
    script = question(made_goal().targets, full=False)
    assert "digest" not in script
    assert "nictagadm" not in script
    assert "imgadm" not in script
