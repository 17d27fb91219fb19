"""That nothing is left of a SmartOS lab: no process, mount, folder, namespace or table."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.lab.smartos.support import NEEDS, OTHER_UUID, UUID, create, nic, one_host, payload
from tests.support.waiting import until

from carpool.lab.namespaces import LabError
from carpool.lab.network import Lab
from carpool.lab.smartos.lab import SmartosLab

pytestmark = NEEDS


def processes() -> list[str]:
    """Return the processes of the lab besides ours, without the dead."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                status = (entry / "stat").read_text().rpartition(")")
            except (FileNotFoundError, ProcessLookupError):
                continue  # It has ended meanwhile.
            if status[2].split()[0] != "Z":
                found.append(status[0])
    return found


def namespaces() -> set[str]:
    """Return the network namespaces that our descriptors hold."""
    links = Path("/proc/self/fd").iterdir()
    return {text for link in links if (text := read_link(link)).startswith("net:")}


def read_link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mounts = Path("/proc/self/mounts").read_text()
    hosts = Path("/etc/hosts").read_text()
    with one_host() as host:
        create(host, payload(customer_metadata={"user-script": "sleep 1000 &"}))
        create(host, payload(202, uuid=OTHER_UUID, nics=[nic(202)]))
        host.run(f"zlogin {UUID} 'sleep 1000 >/dev/null 2>&1 &'")
        assert processes()
        assert "gz1" in Path("/etc/hosts").read_text()
    assert processes() == []
    assert namespaces() == set()
    assert Path("/proc/self/mounts").read_text() == mounts
    assert Path("/etc/hosts").read_text() == hosts
    assert list(tmp_path.iterdir()) == []


def test_a_zone_leaves_nothing_in_its_host() -> None:
    with one_host() as host:
        before = left_in(host.run)
        create(host, payload(customer_metadata={"user-script": "sleep 1000 &"}))
        assert left_in(host.run) != before
        host.run(f"vmadm stop {UUID}")
        until(lambda: "sleep 1000" not in host.run("ps -ef").stdout, "its processes are gone")
        assert left_in(host.run) == before
        host.run(f"vmadm start {UUID}; vmadm delete {UUID}")
        until(lambda: left_in(host.run) == before, "it is as it was")


def left_in(run: object) -> str:
    assert callable(run)
    return str(
        run(
            "/.lab/bin/nft list ruleset; /.lab/bin/ip -br link | cut -d' ' -f1;"
            " cat /proc/mounts; ls /zones"
        ).stdout
    ).replace(f"{UUID}\n", "")


def test_a_lab_that_is_killed_leaves_nothing_running(tmp_path: Path) -> None:
    program = """
import sys, time
from ipaddress import ip_interface
from carpool.lab.namespaces import inside
from carpool.lab.network import Lab
from carpool.lab.smartos.lab import SmartosLab

def main():
    with Lab() as lab, SmartosLab(lab) as datacenter:
        datacenter.add_hypervisor("gz1", ip_interface("192.168.0.1/24"))
        print("ready", flush=True)
        time.sleep(1000)

sys.exit(inside(main))
"""
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as lab:
        assert lab.stdout is not None
        assert lab.stdout.readline() == b"ready\n"
        lab.kill()
    until(lambda: not [name for name in processes() if "python" in name], "all are gone")
    (left,) = tmp_path.iterdir()
    assert list(left.iterdir()) == [], "no more than an empty folder"


def test_it_must_be_in_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 2)
    with Lab() as lab, pytest.raises(LabError, match=r"namespaces\.inside"):
        SmartosLab(lab)


def test_the_second_of_a_name() -> None:
    with Lab() as lab, SmartosLab(lab) as datacenter:
        address = datacenter.operator.zone.ports["net0"].addresses[0]
        with pytest.raises(LabError, match="there is one of that name"):
            datacenter.add_hypervisor("operator", address)
