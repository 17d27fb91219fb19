"""It runs as a nobody with two capabilities, and says which two when it has not got them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from tests.support.lan import VIP, Daemon, carpool
from tests.support.pair import VIP6, Pair
from tests.support.waiting import PATIENCE

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.peer("setpriv"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user"),
]

NOBODY = 65534
NET_ADMIN, NET_RAW = 12, 13
"""Bits of a set of capabilities: linux/capability.h."""


BECOME = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that any user can read, unlike `tmp_path`."""
    load = [sys.executable, "-P", "-c", "import carpool.cli.run"]
    if subprocess.run([*BECOME, *load], timeout=60, check=False).returncode != 0:
        pytest.skip("carpool or its Python is where other users cannot read it")
    path = Path(tempfile.mkdtemp(prefix="carpool-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def run_as_nobody(lan: Pair, *capabilities: str, key_owner: int = NOBODY) -> Daemon:
    file = lan.file(addresses=[f"{VIP}/16", f"{VIP6}/64"])
    os.chown(file.with_name("cluster.key"), key_owner, key_owner)
    held = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    become = [*BECOME, f"--inh-caps={held}", f"--ambient-caps={held}"]
    return lan.start(lan.left, [*become, *carpool("run", str(file), "--node", "left")])


def test_net_raw_and_net_admin_are_enough(folder: Path) -> None:
    with Pair(folder) as lan:
        daemon = run_as_nobody(lan, "net_raw", "net_admin")
        lan.until_holders("left")
        lan.until_holders("left", vip=VIP6)
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
        )
        assert status["Uid"].split() == [str(NOBODY)] * 4
        for kind in ("CapEff", "CapPrm"):
            assert int(status[kind], 16) == 1 << NET_ADMIN | 1 << NET_RAW
        vips = (VIP.packed, VIP6.packed)
        lan.until(lambda: all(len(lan.heard.announcements(vip)) >= 2 for vip in vips))
        assert daemon.stop() == 0
        lan.until_holders()
        lan.until_holders(vip=VIP6)


@pytest.mark.parametrize(
    ("held", "missing"),
    [
        ((), ("CAP_NET_RAW", "CAP_NET_ADMIN")),
        (("net_raw",), ("CAP_NET_ADMIN",)),
        (("net_admin",), ("CAP_NET_RAW",)),
    ],
)
def test_without_them_it_refuses_and_names_what_it_lacks(
    folder: Path, held: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    with Pair(folder) as lan:
        lan.left.route.add_address(lan.left.ports["net0"].index, IPv4Interface(f"{VIP}/16"))
        daemon = run_as_nobody(lan, *held)
        assert daemon.process.wait(PATIENCE) == 2
        *_, line = daemon.text().splitlines()
        assert line.startswith("carpool run: ")
        assert [name for name in ("CAP_NET_RAW", "CAP_NET_ADMIN") if name in line] == list(missing)
        assert lan.holders() == ["left"], "it has changed something"


def test_a_password_file_that_the_user_may_not_read(folder: Path) -> None:
    with Pair(folder) as lan:
        daemon = run_as_nobody(lan, "net_raw", "net_admin", key_owner=0)
        assert daemon.process.wait(PATIENCE) == 2
        expected = f"{folder}/cluster.key: the password file cannot be read: Permission denied; "
        assert expected in daemon.text()
        assert "Traceback" not in daemon.text()
