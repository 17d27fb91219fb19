"""Hypervisors as the operator meets them: by SSH, with SmartOS's commands and nothing else."""

import json

import pytest
from tests.lab.smartos.support import NEEDS, OTHER_UUID, UUID, create, one_host, payload, smartos

from carpool.lab import faults as cables
from carpool.lab.smartos.lab import IMAGE, LX_IMAGE
from carpool.lab.smartos.operator import make_key

pytestmark = NEEDS


def test_ssh_with_its_own_keys() -> None:
    with smartos("gz1.example.com", "gz2.example.com") as (datacenter, (first, second)):
        operator = datacenter.operator
        create(first, payload())
        done = operator.ssh("gz1.example.com", "vmadm list -H -o uuid,state; exit 7")
        assert (done.returncode, done.stdout.split()) == (7, [UUID, "running"]), done.stderr
        assert operator.ssh("gz2.example.com", "hostname").stdout == "gz2.example.com\n"
        assert operator.ssh("gz2.example.com", "cat >/tmp/x; cat /tmp/x", stdin="hello").stdout == (
            "hello"
        )

        second.renew_host_key()
        done = operator.ssh("gz2.example.com", "true")
        assert done.returncode == 255
        assert "HOST IDENTIFICATION HAS CHANGED" in done.stderr
        make_key(operator.key)
        done = operator.ssh("gz1.example.com", "true")
        assert done.returncode == 255
        assert "Permission denied (publickey)" in done.stderr
        cables.unplug(datacenter.lab, first.zone, "admin0")
        done = operator.ssh("-oConnectTimeout=1", "gz1.example.com true")
        assert done.returncode == 255


def test_what_a_global_zone_is() -> None:
    with one_host() as host:
        done = host.run(
            "for name in python3 ip systemctl sha256sum perl mdata-get svcs pkgin vmadm awk; do"
            " command -v $name; done; uname -s; zonename"
        )
        assert done.stdout.split() == ["/usr/sbin/vmadm", "/usr/bin/awk", "SunOS", "global"]
        assert host.run("printf abc | digest -a sha256").stdout.startswith("ba7816bf8f01cfea")
        assert json.loads(host.run("sysinfo").stdout)["Hostname"] == "gz1"
        assert host.run("touch /usr/x").returncode != 0  # read-only, as on a real one


def test_images() -> None:
    with one_host() as host:
        assert host.run(f"imgadm get {IMAGE.uuid}").returncode == 0
        assert host.run(f"imgadm get {LX_IMAGE.uuid}").returncode == 1
        assert host.run("imgadm list -H -o uuid").stdout.split() == [IMAGE.uuid]
        assert host.run(f"imgadm import -q {LX_IMAGE.uuid}").returncode == 0
        (manifest,) = [
            entry["manifest"]
            for entry in json.loads(host.run("imgadm list -j").stdout)
            if entry["manifest"]["uuid"] == LX_IMAGE.uuid
        ]
        assert manifest["os"] == "linux"
        done = host.run(f"imgadm import {OTHER_UUID}")
        assert (done.returncode, "ActiveImageNotFound" in done.stderr) == (1, True)
        assert "already installed" in host.run(f"imgadm import {IMAGE.uuid}").stdout


def test_nic_tags() -> None:
    with one_host(nic_tags={"admin": "lan", "external": "outside"}) as host:
        assert host.run("nictagadm exists external").returncode == 0
        done = host.run("nictagadm exists external storage")
        assert (done.returncode, "storage" in done.stderr) == (1, True)
        rows = [line.split(":") for line in host.run("nictagadm list -p -d ,").stdout.split()]
        assert [row[0].split(",")[0] for row in rows] == ["admin", "external"]


def test_several_calls_at_once() -> None:
    with one_host() as host:
        done = host.run(
            "for n in 1 2 3 4 5 6 7 8; do vmadm list -H >/tmp/$n & done; wait; cat /tmp/? | wc -l"
        )
        assert done.stdout.split() == ["0"]
        calls = " ".join(f"vmadm create -f /tmp/{number}.json &" for number in range(201, 207))
        for number in range(201, 207):
            made = payload(number, uuid=None)
            host.run(f"cat >/tmp/{number}.json", json.dumps(made))
        assert host.run(f"{calls} wait; vmadm lookup state=running | wc -l").stdout.split() == ["6"]


def test_power_goes_and_comes_back() -> None:
    with one_host() as host:
        create(host, payload())
        create(host, payload(202, uuid=OTHER_UUID, autoboot=False))
        host.power_off()
        host.power_off()
        host.power_on()
        done = host.run("until vmadm lookup -1 state=running; do :; done; vmadm lookup")
        assert done.stdout.split() == [UUID, UUID, OTHER_UUID]


@pytest.mark.parametrize("command", ["vmadm frobnicate", "imgadm", "nictagadm x", "zlogin"])
def test_a_wrong_command_line(command: str) -> None:
    with one_host() as host:
        done = host.run(command)
        assert done.returncode != 0
        assert done.stderr.startswith(f"{command.split(maxsplit=1)[0]}: ")
        assert "Traceback" not in done.stderr
