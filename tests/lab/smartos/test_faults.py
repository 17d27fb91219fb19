"""Hypervisors that fail: on demand, once or for ever."""

import json
import subprocess
import time

import pytest
from tests.lab.smartos.support import (
    NEEDS,
    OTHER_UUID,
    UUID,
    create,
    in_zone,
    login,
    one_host,
    payload,
    smartos,
)
from tests.support.waiting import PATIENCE, until

from carpool.lab.smartos.faults import Effect, Fault

pytestmark = NEEDS


def test_a_command_is_refused_as_often_as_told() -> None:
    with one_host() as host:
        host.fail(Fault("vmadm create", Effect.REFUSE, "no more room", code=4, times=1))
        done = host.run("vmadm create", json.dumps(payload()))
        assert (done.returncode, done.stderr) == (4, "no more room\n")
        assert host.run("vmadm list").returncode == 0
        create(host, payload())
        host.fail(Fault("vmadm", Effect.REFUSE, "broken"))
        assert [host.run("vmadm list").returncode for _ in range(3)] == [1, 1, 1]
        host.mend()
        assert host.run("vmadm list").returncode == 0


def test_a_command_of_a_zone_is_refused() -> None:
    with one_host() as host:
        create(host, payload())
        host.fail(Fault("pkgin", Effect.REFUSE, "pkgin: no network"), zone=UUID)
        code, _, said = login(host, UUID, "/opt/local/bin/pkgin -y install python312")
        assert (code, said) == (1, "pkgin: no network\n")
        host.mend(zone=UUID)
        in_zone(host, UUID, "/opt/local/bin/pkgin -y install python312")


def test_a_slow_host() -> None:
    with one_host() as host:
        host.fail(Fault("", Effect.DELAY, seconds=0.3))
        start = time.monotonic()
        assert host.run("zonename").stdout == "global\n"
        assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize("size", [0, 1 << 20])
def test_a_full_disk(size: int) -> None:
    with one_host(disk_bytes=32 << 20) as host:
        create(host, payload())
        host.fill_disk(free_bytes=size)
        code, _, said = login(host, UUID, "cat >/root/file", "x" * (2 << 20))
        assert (code != 0, "No space left" in said) == (True, True)
        if not size:
            done = host.run("vmadm create", json.dumps(payload(202, uuid=OTHER_UUID)))
            assert (done.returncode, "No space left" in done.stderr) == (1, True)
            assert host.run("vmadm lookup; ls /zones").stdout == f"{UUID}\n" * 2
        host.empty_disk()
        create(host, payload(202, uuid=OTHER_UUID))


def test_ssh_is_cut_when_a_command_begins() -> None:
    with smartos("gz1") as (datacenter, (host,)):
        create(host, payload())
        host.fail(Fault(f"zlogin {UUID}", Effect.CUT, times=1))
        done = datacenter.operator.ssh("gz1", f"zlogin {UUID} 'echo done >/root/done'")
        assert done.returncode == 255
        assert datacenter.operator.ssh("gz1", "zonename").stdout == "global\n"
        # The command itself was not stopped, as little as on a real host.
        until(lambda: in_zone(host, UUID, "cat /root/done 2>/dev/null || :") == "done\n")


def test_ssh_is_cut_at_once() -> None:
    with smartos("gz1") as (datacenter, (host,)):
        operator = datacenter.operator
        command = ["ssh", "-F", str(operator.ssh_config), "gz1", "echo here; sleep 1000"]
        with operator.popen(command, stdout=subprocess.PIPE) as session:
            assert session.stdout is not None
            assert session.stdout.readline() == b"here\n"
            host.cut_ssh()
            assert session.wait(PATIENCE) == 255
        assert operator.ssh("gz1", "zonename").returncode == 0


def test_a_killed_zlogin_ends_what_it_ran() -> None:
    with one_host() as host:
        create(host, payload())
        host.run(f"zlogin {UUID} 'exec sleep 1000' & sleep 0.5; kill $!")
        until(lambda: "sleep 1000" not in in_zone(host, UUID, "ps -ef | grep '[s]leep 1000' || :"))
