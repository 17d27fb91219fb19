"""vip-up and vip-down, run by a real shell with a stand-in ifconfig that keeps state."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.smartos.clusters import ZONE, cluster

from carpool.smartos.vip import vip_down, vip_up

IFCONFIG = Path(__file__).parent / "data" / "ifconfig"
SHELLS = [shell for shell in ("dash", "bash", "ksh93") if shutil.which(shell)]
VIP, VIP6 = "192.168.0.200", "2001:db8::200"


def link(address: str, prefix: int = 24, *, up: bool = True, duplicate: bool = False) -> Any:
    family = "inet6" if ":" in address else "inet"
    made = {"family": family, "address": address, "prefix": prefix, "up": up}
    return {**made, "duplicate": duplicate, "duplicates": 0}


class Host:
    """A zone whose interface net0 has the address 192.168.0.201."""

    def __init__(self, path: Path, shell: str, *vips: str) -> None:
        self.path = path
        self.shell = shell
        self.file = path / "state"
        made = cluster(ZONE, *vips)
        for name, make in (("vip-up", vip_up), ("vip-down", vip_down)):
            (path / name).write_text(make(made, made.nodes[0]))
        commands = path / "bin"
        commands.mkdir()
        (commands / "ifconfig").symlink_to(IFCONFIG)
        (commands / "sleep").symlink_to("/bin/true")
        self.set({"net0 inet": link("192.168.0.201")})

    def set(self, links: dict[str, Any], duplicates: int = 0) -> None:
        self.file.write_text(json.dumps({"links": links, "duplicates": duplicates, "calls": []}))

    def links(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())["links"]
        return found

    def calls(self) -> list[str]:
        found: list[str] = json.loads(self.file.read_text())["calls"]
        return [call for call in found if call not in ("-a", "net0", "net0 inet6")]

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.shell, str(self.path / script), *(words or ("net0", VIP))],
            env={"PATH": f"{self.path}/bin:/usr/bin:/bin", "STATE": str(self.file)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def held(self) -> list[str]:
        """Return the addresses that work, beside the host's own."""
        return [
            f"{name.split()[0]} {found['address']}/{found['prefix']}"
            for name, found in sorted(self.links().items())
            if ":" in name.split()[0] and found["up"]
        ]


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path, request.param)


def test_up_and_down(host: Host) -> None:
    done = host.run("vip-up")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert host.calls() == [f"net0 addif {VIP}/24 up"]
    assert host.held() == [f"net0:1 {VIP}/24"]
    done = host.run("vip-down")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(host.links()) == ["net0 inet"]


def test_twice_is_once(host: Host) -> None:
    for _ in range(2):
        assert host.run("vip-up").returncode == 0
    assert len(host.calls()) == 1
    for _ in range(2):
        assert host.run("vip-down").returncode == 0
    assert len(host.calls()) == 2


def test_all_addresses_of_the_group(tmp_path: Path) -> None:
    host = Host(tmp_path, "dash", f"{VIP}/24", f"{VIP6}/64")
    done = host.run("vip-up", "net0", VIP, "xparam")
    assert done.returncode == 0, done.stderr
    assert host.held() == [f"net0:1 {VIP}/24", f"net0:1 {VIP6}/64"]
    assert "net0 inet6 plumb up" in host.calls()
    assert host.run("vip-up", "net0", VIP6).returncode == 0
    assert host.run("vip-down", "net0", VIP6).returncode == 0
    assert host.held() == []


LEFT = {
    "plumbed without an address": {"net0:1 inet": link("0.0.0.0", 0, up=False)},
    "not up": {"net0:1 inet": link(VIP, up=False)},
    "duplicate": {"net0:1 inet": link(VIP, up=False, duplicate=True)},
    "another interface": {"net1 inet": link("10.0.0.1"), "net1:3 inet": link(VIP)},
    "another and not up": {
        "net0:2 inet": link(VIP, up=False),
        "net1 inet": link("10.0.0.1"),
        "net1:3 inet": link(VIP),
    },
}


@pytest.mark.parametrize("left", LEFT)
def test_leftovers_of_a_crash(host: Host, left: str) -> None:
    before = {"net0 inet": link("192.168.0.201"), **LEFT[left]}
    host.set(before)
    done = host.run("vip-up")
    assert done.returncode == 0, done.stderr
    assert [held.split()[1] for held in host.held()] == [f"{VIP}/24"]
    assert [name for name in host.links() if ":" in name] == ["net0:1 inet"]
    host.set(before)
    done = host.run("vip-down")
    assert done.returncode == 0, done.stderr
    assert not [name for name in host.links() if ":" in name]


def test_an_address_that_works_is_left_alone(host: Host) -> None:
    host.set({"net0 inet": link("192.168.0.201"), "net0:7 inet": link(VIP, 32)})
    assert host.run("vip-up").returncode == 0
    assert host.calls() == []


def test_other_addresses_are_left_alone(host: Host) -> None:
    other = {"net0 inet": link("192.168.0.201"), "net0:1 inet": link("192.168.0.20")}
    host.set(other)
    host.run("vip-up")
    host.run("vip-down")
    assert host.links() == other


def test_duplicate_until_the_old_master_lets_go(host: Host) -> None:
    host.set({"net0 inet": link("192.168.0.201")}, duplicates=4)
    done = host.run("vip-up")
    assert done.returncode == 0, done.stderr
    assert host.held() == [f"net0:1 {VIP}/24"]
    assert host.calls().count("net0:1 up") == 4


def test_duplicate_for_ever(host: Host) -> None:
    host.set({"net0 inet": link("192.168.0.201")}, duplicates=99)
    done = host.run("vip-up")
    assert done.returncode == 1
    assert f"another host still answers for {VIP}" in done.stderr


def test_the_own_address_is_never_taken_off(host: Host) -> None:
    host.set({"net0 inet": link(VIP)})
    done = host.run("vip-down")
    assert done.returncode == 1
    assert "is the own address of net0" in done.stderr
    assert list(host.links()) == ["net0 inet"]


@pytest.mark.parametrize("words", [("net0",), ("net0", "10.9.9.9"), ("net0", "$(true)")])
def test_wrong_arguments(host: Host, words: tuple[str, ...]) -> None:
    for script in ("vip-up", "vip-down"):
        done = host.run(script, *words)
        assert done.returncode == 2
        assert script in done.stderr
    assert host.calls() == []


def test_no_such_interface(host: Host) -> None:
    done = host.run("vip-up", "net9", VIP)
    assert done.returncode == 1
    assert "there is no interface net9" in done.stderr
