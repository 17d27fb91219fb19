"""Zones: made, changed, booted, and refused."""

import json
import time
from ipaddress import IPv4Address, ip_interface

import pytest
from tests.lab.smartos.support import (
    NEEDS,
    OTHER_UUID,
    UUID,
    VIP,
    Payload,
    create,
    in_zone,
    login,
    nic,
    one_host,
    payload,
    smartos,
    state,
)
from tests.support.waiting import until

from carpool.lab.namespaces import LabError
from carpool.lab.probe import Probe

pytestmark = NEEDS

BOOT = "svc:/smartdc/mdata:execute"


def test_a_zone_from_nothing_to_nothing() -> None:
    with one_host() as host:
        made = json.dumps(payload(nics=[nic(gateways=["192.168.0.1"])]))
        done = host.run("vmadm validate create", made)
        assert done.stdout == "VALID 'create' payload for joyent brand VMs.\n"
        assert host.run("vmadm list -H").stdout == ""
        done = host.run("vmadm create", made)
        assert done.stderr == f"Successfully created VM {UUID}\n"
        assert host.run("vmadm lookup -1 alias=web201").stdout == f"{UUID}\n"
        assert host.run("vmadm lookup alias=~^web state=running").stdout == f"{UUID}\n"
        assert host.run("vmadm lookup -1 alias=web").returncode == 1
        assert host.run("vmadm list -p -o uuid,type,ram,state,alias").stdout == (
            f"{UUID}:OS:256:running:web201\n"
        )
        found = json.loads(host.run(f"vmadm get {UUID}").stdout)
        assert found["nics"][0] | {"mac": ""} == {
            "interface": "net0",
            "mac": "",
            "nic_tag": "external",
            "ips": ["192.168.0.201/24"],
            "primary": True,
            "gateways": ["192.168.0.1"],
            "gateway": "192.168.0.1",
            "ip": "192.168.0.201",
            "netmask": "255.255.255.0",
        }
        assert in_zone(host, UUID, "zonename; hostname; cat /etc/defaultrouter").split() == [
            *(UUID, "web201", "192.168.0.1")
        ]
        assert "inet 192.168.0.201 netmask ffffff00" in in_zone(host, UUID, "ifconfig net0")

        assert host.run(f"vmadm stop {UUID}").returncode == 0
        assert host.run("vmadm list -H -o state").stdout == "stopped\n"
        code, _, said = login(host, UUID, "true")
        assert (code, "login allowed only to running zones" in said) == (1, True)
        assert host.run(f"vmadm stop {UUID}").returncode == 1
        assert host.run(f"vmadm start {UUID}").returncode == 0
        assert host.run(f"vmadm start {UUID}").returncode == 1
        assert host.run(f"vmadm delete {UUID}").returncode == 0
        assert host.run("vmadm list -H; ls /zones").stdout == ""
        done = host.run(f"vmadm get {UUID}")
        assert (done.returncode, "No such zone" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"quota": "10"}, "quota"),
        ({"image_uuid": OTHER_UUID}, f"image {OTHER_UUID} not found"),
        ({"nics": [nic(nic_tag="storage")]}, 'Invalid nic tag "storage"'),
        ({"nics": [nic(gateways="192.168.0.1")]}, "forEach is not a function"),
        ({"uuid": OTHER_UUID}, "already exists"),
        ({"nics": [nic(202)]}, "Conflict detected"),
    ],
)
def test_what_create_refuses_leaves_nothing(changes: Payload, complaint: str) -> None:
    with one_host() as host:
        create(host, payload(202, uuid=OTHER_UUID, autoboot=False))
        done = host.run("vmadm create", json.dumps(payload(**changes)))
        assert done.returncode == 1
        assert complaint in done.stderr
        assert host.run("vmadm lookup; ls /zones").stdout == f"{OTHER_UUID}\n" * 2


def test_the_same_address_twice_is_not_always_seen() -> None:
    with one_host() as host:
        create(host, payload(nics=[nic(allowed_ips=[VIP])], autoboot=False))
        # Not in allowed_ips, and not with another prefix.
        other = nic(ips=["192.168.0.201/16"], allowed_ips=[VIP])
        create(host, payload(uuid=OTHER_UUID, nics=[other], autoboot=False))


def test_the_user_script_runs_at_each_boot() -> None:
    script = "#!/bin/sh\necho boot >>/var/boots\nmdata-get foo\nmdata-get some_pw\nid -un\n"
    with one_host() as host:
        made = payload(
            customer_metadata={"user-script": script, "foo": "bar"},
            internal_metadata={"some_pw": "secret", "other": "hidden"},
        )
        create(host, made)
        until(lambda: state(host, UUID, BOOT) == "online", "the script has run")
        log = in_zone(host, UUID, "cat /var/svc/log/smartdc-mdata:execute.log")
        assert "\nbar\nsecret\nroot\n" in log
        assert in_zone(host, UUID, "mdata-list; svcs -L mdata:execute").split() == [
            *("user-script", "foo", "/var/svc/log/smartdc-mdata:execute.log")
        ]
        assert login(host, UUID, "mdata-get other")[0] == 1
        assert host.run(f"vmadm reboot {UUID}").returncode == 0
        until(lambda: state(host, UUID, BOOT) == "online", "the script has run again")
        assert in_zone(host, UUID, "cat /var/boots") == "boot\nboot\n"


def test_a_failing_script_does_not_fail_the_zone() -> None:
    with one_host() as host:
        create(host, payload(customer_metadata={"user-script": "echo why; exit 3"}))
        until(lambda: state(host, UUID, BOOT) == "maintenance", "the failure shows")
        assert "Start method exited fatally" in in_zone(host, UUID, "svcs -x")
        assert "why" in in_zone(host, UUID, "cat /var/svc/log/smartdc-mdata:execute.log")
        assert host.run("vmadm list -H -o state").stdout == "running\n"


WAITS = "#!/bin/sh\nuntil test -e /go; do sleep 0.1; done\n"


def test_the_script_has_a_time_limit() -> None:
    script = {"user-script": WAITS}
    with one_host() as host:
        create(host, payload(customer_metadata=script, mdata_exec_timeout=1))
        until(lambda: state(host, UUID, BOOT) == "maintenance", "it is over")


def test_a_time_limit_of_0_is_none() -> None:
    script = {"user-script": WAITS}
    with one_host() as host:
        create(host, payload(customer_metadata=script, mdata_exec_timeout=0))
        until(lambda: state(host, UUID, BOOT) == "offline*", "it runs")
        time.sleep(1.2)
        assert state(host, UUID, BOOT) == "offline*"
        in_zone(host, UUID, "touch /go")
        until(lambda: state(host, UUID, BOOT) == "online", "it ends")


def test_a_prefix_in_allowed_ips_costs_the_network() -> None:
    with one_host() as host:
        create(host, payload(nics=[nic(allowed_ips=[f"{VIP}/24"])]))
        until(lambda: state(host, UUID, "network/physical") == "maintenance", "no network")
        assert state(host, UUID, BOOT) == "offline"
        assert "192.168.0.201" not in in_zone(host, UUID, "ifconfig -a")


def test_updates() -> None:
    with one_host() as host:
        create(host, payload(customer_metadata={"a": "1", "b": "2"}))
        mac = json.loads(host.run(f"vmadm get {UUID}").stdout)["nics"][0]["mac"]
        change = {
            "alias": "renamed",
            "set_customer_metadata": {"a": "3"},
            "remove_customer_metadata": ["b"],
            "set_internal_metadata": {"c_pw": "4"},
            "update_nics": [{"mac": mac, "allowed_ips": [VIP], "ips": ["192.168.0.203/24"]}],
        }
        done = host.run(f"vmadm update {UUID}", json.dumps(change))
        assert (done.returncode, done.stderr) == (0, f"Successfully updated VM {UUID}\n")
        assert host.run(f"vmadm update {UUID} quota=20 autoboot=false").returncode == 0
        found = json.loads(host.run(f"vmadm get {UUID}").stdout)
        assert found["alias"] == "renamed"
        assert (found["quota"], found["autoboot"]) == (20, False)
        assert found["customer_metadata"] == {"a": "3"}
        assert found["nics"][0]["allowed_ips"] == [VIP]
        assert found["nics"][0]["ip"] == "192.168.0.203"
        assert in_zone(host, UUID, "mdata-get a; mdata-get c_pw").split() == ["3", "4"]
        assert "192.168.0.201" in in_zone(host, UUID, "ifconfig net0"), "not before a reboot"
        assert host.run(f"vmadm reboot {UUID}").returncode == 0
        assert "192.168.0.203" in in_zone(host, UUID, "ifconfig net0")

        done = host.run(f"vmadm update {UUID}", json.dumps({"image_uuid": OTHER_UUID}))
        assert (done.returncode, "image_uuid" in done.stderr) == (1, True)


def test_zlogin_is_a_shell() -> None:
    with one_host() as host:
        create(host, payload())
        assert (
            in_zone(host, UUID, "cat; pwd; echo $PATH", "in\n") == "in\n/root\n/usr/sbin:/usr/bin\n"
        )
        assert login(host, UUID, "echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")
        assert login(host, UUID, "kill -9 $$")[0] == 137
        # Words are joined and read again.
        assert host.run(f"zlogin {UUID} echo 'a   b' '$((1 + 1))'").stdout == "a b 2\n"
        assert host.run(f"zlogin -Q {UUID} true").returncode == 0
        done = host.run(f"zlogin {OTHER_UUID} true")
        assert (done.returncode, "unknown" in done.stderr) == (1, True)
        assert in_zone(host, UUID, "command -v python3 vmadm ip || echo none") == "none\n"
        files = in_zone(host, UUID, "echo hello >/root/file; ls /root")
        assert files == "file\n"
        assert host.run(f"cat /zones/{UUID}/root/root/file").stdout == "hello\n"


def test_pkgin_brings_python() -> None:
    with one_host() as host:
        create(host, payload())
        assert login(host, UUID, "/opt/local/bin/pkgin -y install nosuch")[0] == 1
        in_zone(host, UUID, "/opt/local/bin/pkgin -y install python312")
        in_zone(host, UUID, "useradd somebody")
        for user in ("0", "100"):
            python = "/opt/local/bin/python3.12 -IS -c 'import ssl; print(1)'"
            told = in_zone(host, UUID, f"setpriv --reuid={user} --clear-groups {python}")
            assert told == "1\n"
        assert "python312" in in_zone(host, UUID, "/opt/local/bin/pkgin list")


def test_a_zone_answers_the_probe() -> None:
    with smartos("gz1") as (datacenter, (host,)):
        client = datacenter.lab.add_zone("client", addresses=[ip_interface("192.168.0.9/24")])
        create(host, payload())
        host.start_echo(UUID, client.number)
        with Probe(datacenter.lab, client, IPv4Address("192.168.0.201")) as probe:
            answer = until(probe.answers, "an answer")[0]
        assert answer.zone == "client", "the number that it was told to be"
        with pytest.raises(LabError, match="does not run"), host.in_network_of(OTHER_UUID):
            pass
