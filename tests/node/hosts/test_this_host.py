"""Which host is taken where, and that it needs nothing that its Python may lack."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.ifconfig import StandIn

from carpool.node import hosts
from carpool.node.host import HostError
from carpool.node.hosts import this_host
from carpool.node.hosts.bsd import BsdHost
from carpool.node.hosts.illumos import IllumosHost
from carpool.node.hosts.ipadm import IpadmHost
from carpool.node.hosts.linux import LinuxHost
from carpool.node.hosts.portable import PortableHost
from carpool.node.log import Log
from carpool.node.loop import Loop


@pytest.mark.parametrize(
    ("platform", "kind"),
    [
        ("sunos5", IllumosHost),
        ("freebsd14", BsdHost),
        ("openbsd7", BsdHost),
        ("netbsd10", BsdHost),
        ("darwin", BsdHost),
    ],
)
def test_the_host_of_each_system(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, platform: str, kind: type[PortableHost]
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    host = this_host(loop, Log())
    assert type(host) is kind
    assert isinstance(host, PortableHost)
    assert host._routing is not None
    host._routing.close()


def test_linux_is_linux(loop: Loop) -> None:
    host = this_host(loop, Log())
    assert isinstance(host, LinuxHost)
    host.close()


def test_an_lx_zone_is_configured_by_its_native_ifconfig(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in = StandIn(tmp_path, "illumos")
    stand_in.add_interface("lo0", "127.0.0.1/8")
    stand_in.add_interface("eth0", "10.0.0.1/24")
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0")])
    monkeypatch.setattr(hosts, "_NATIVE_IFCONFIG", str(stand_in.path))
    host = this_host(loop, Log())
    assert isinstance(host, IllumosHost)
    assert [str(one.interface) for one in host.addresses()] == ["10.0.0.1/24"]


def test_an_illumos_without_ifconfig_is_configured_by_ipadm(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in = StandIn(tmp_path, "ipadm")
    stand_in.add_interface("net0", "10.0.0.1/24")
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo0"), (2, "net0")])
    monkeypatch.setattr(sys, "platform", "sunos5")
    monkeypatch.setattr(hosts, "_IFCONFIG", "/nonexistent")
    monkeypatch.setattr(hosts, "_IPADM", str(stand_in.path))
    host = this_host(loop, Log())
    assert isinstance(host, IpadmHost)
    assert [str(one.interface) for one in host.addresses()] == ["10.0.0.1/24"]
    assert host._routing is not None
    host._routing.close()


def test_an_unknown_system_is_named(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "plan9")
    with pytest.raises(HostError, match="does not know this operating system: plan9"):
        this_host(loop, Log())


POOR_PYTHON = """
import os, select, socket, sys
for module, names in {
    socket: "CMSG_SPACE CMSG_LEN SO_BINDTODEVICE AF_PACKET AF_NETLINK SOCK_NONBLOCK SOCK_CLOEXEC",
    select: "epoll",
    os: "pidfd_open eventfd memfd_create",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
sys.platform = PLATFORM
from carpool.node.log import Log, syslog_sink
from carpool.node.loop import Loop
from carpool.node.hosts import this_host
from carpool.node.links import posix
import carpool.cli.run, carpool.cli.ucarp, carpool.node.daemon
loop = Loop()
host = this_host(loop, Log())
host.missing_privileges(change_addresses=True)
group = socket.inet_aton("224.0.0.18")
link = posix.PosixLink("lo", socket.if_nametoindex("lo"), b"", group, [4, 6], plain=True)
link.close()
print(type(host).__name__)
"""


@pytest.mark.namespaces
@pytest.mark.parametrize("platform", ["sunos5", "netbsd10"])
def test_a_python_without_what_is_of_linux_will_do(platform: str) -> None:
    script = POOR_PYTHON.replace("PLATFORM", repr(platform))
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ("IllumosHost" if platform == "sunos5" else "BsdHost")


@pytest.mark.parametrize("platform", ["sunos5", "freebsd14"])
def test_without_privileges_it_says_which(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(sys, "platform", platform)
    host = this_host(loop, Log())
    assert isinstance(host, PortableHost)
    assert host._routing is not None
    host._routing.close()
    monkeypatch.setattr(socket, "socket", refuse)
    refusal = host.missing_privileges(change_addresses=True)
    assert refusal is not None
    assert ("sys_ip_config" if platform == "sunos5" else "start it as root") in refusal
