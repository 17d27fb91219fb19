"""`carpool init`: what it writes passes its own check, whichever way it was told."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import time
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.waiting import PATIENCE

from carpool.cli import check, init
from carpool.cluster.load import load

NODES = ["--node", "192.168.0.201/24", "--node", "b=192.168.0.202/24,2001:db8::2/64"]
PLAIN = [*NODES, "--address", "192.168.0.200", "--yes"]
IMAGE = "62f148f8-6e84-11e4-82c5-efca60348b9f"
ZONES = [
    *("--node", "192.168.0.201/24@gz1", "--node", "192.168.0.202/24@root@gz2:2222"),
    *("--address", "192.168.0.200", "--image", IMAGE, "--nic-tag", "external", "--yes"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(*arguments: str, file: str = "web.toml") -> dict[str, Any]:
    assert init.main([file, *arguments]) == 0
    assert check.main(["--strict", file]) == 0
    loaded = load(Path(file))
    assert loaded.cluster is not None
    assert loaded.findings == ()
    return tomllib.loads(Path(file).read_text())


def test_two_hosts() -> None:
    assert made(*PLAIN) == {
        "cluster": {"name": "web"},
        "nodes": {
            "web1": {"address": "192.168.0.201/24", "interface": "eth0"},
            "b": {"address": ["192.168.0.202/24", "2001:db8::2/64"], "interface": "eth0"},
        },
        "groups": {
            "web": {
                "vhid": 1,
                "addresses": ["192.168.0.200/24"],
                "password_file": "web.key",
                "advskew": {"web1": 0, "b": 100},
                "preempt": False,
            }
        },
    }


def test_zones() -> None:
    found = made(*ZONES, "--gateway", "192.168.0.1", "--resolver", "192.168.0.53", "--vlan", "7")
    assert found["zone"] == {
        "brand": "joyent",
        "image": IMAGE,
        "nic_tag": "external",
        "vlan": 7,
        "gateways": ["192.168.0.1"],
        "resolvers": ["192.168.0.53"],
    }
    assert [node["hypervisor"] for node in found["nodes"].values()] == ["gz1", "root@gz2:2222"]
    assert {node["interface"] for node in found["nodes"].values()} == {"net0"}


def test_zones_of_brand_lx() -> None:
    found = made(*ZONES, "--brand", "lx", "--kernel-version", "4.10")
    assert found["zone"]["kernel_version"] == "4.10"
    assert found["nodes"]["web1"]["interface"] == "eth0"


def test_everything_that_can_be_given() -> None:
    found = made(*PLAIN, "--name", "shop", "--interface", "bond0", "--vhid", "9", "--preempt",
                 "--address", "2001:db8::3,192.168.0.199/24")  # fmt: skip
    group = found["groups"]["shop"]
    assert group["vhid"] == 9
    assert group["preempt"] is True
    assert group["addresses"] == ["192.168.0.200/24", "2001:db8::3/64", "192.168.0.199/24"]
    assert {node["interface"] for node in found["nodes"].values()} == {"bond0"}


@pytest.mark.parametrize("count", [3, 4, 20])
def test_many_nodes(count: int) -> None:
    nodes = [word for n in range(count) for word in ("--node", f"10.0.0.{n + 1}/24")]
    made(*nodes, "--address", "10.0.0.100", "--yes", "--preempt")
    loaded = load(Path("web.toml"))
    assert loaded.cluster is not None
    skews = [member.advskew for member in loaded.cluster.groups[0].members]
    assert skews == sorted(set(skews))


def test_the_password_is_good_and_closed(capsys: pytest.CaptureFixture[str]) -> None:
    made(*PLAIN)
    made(*PLAIN, file="other.toml")
    passwords = [Path(name).read_text() for name in ("web.key", "other.key")]
    assert all(re.fullmatch(r"[0-9a-f]{16}\n", password) for password in passwords)
    assert passwords[0] != passwords[1]
    assert stat.S_IMODE(Path("web.key").stat().st_mode) == 0o600
    output = capsys.readouterr()
    assert passwords[0].strip() not in output.out + output.err + Path("web.toml").read_text()


def test_vhids_of_files_beside_it_are_taken(folder: Path) -> None:
    made(*PLAIN, "--vhid", "1")
    (folder / "two.cfg").write_text("-i net0 --vhid=2")
    (folder / "odd.json").write_text("{")
    (folder / "other").mkdir()
    assert made(*PLAIN, file="third.toml")["groups"]["third"]["vhid"] == 3
    (folder / "other" / "four.cfg").write_text("--vhid=4 -i net0")
    found = made(*PLAIN, "--used", "other/four.cfg", file="fifth.toml")
    assert found["groups"]["fifth"]["vhid"] == 5


def test_vhids_that_are_heard_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def hear(where: str, seconds: float) -> set[int]:
        asked.append((where, seconds))
        return {1, 3}

    monkeypatch.setattr(init, "hear_vhids", hear)
    assert made(*PLAIN, "--listen", "net7", "--seconds", "0.5")["groups"]["web"]["vhid"] == 2
    assert asked == [("net7", 0.5)]


@pytest.mark.parametrize("existing", ["web.toml", "web.key"])
def test_nothing_is_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str], existing: str
) -> None:
    (folder / existing).write_text("old")
    assert init.main(["web.toml", *PLAIN]) == 2
    assert f"{existing}: exists already" in capsys.readouterr().err
    assert [(file.name, file.read_text()) for file in folder.iterdir()] == [(existing, "old")]
    made(*PLAIN, "--force")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--yes"], "add --node (twice), --address, or run it on a terminal"),
        ([], "add --node (twice), --address, or run it on a terminal"),
        ([*PLAIN, "--image", IMAGE], "add --nic-tag"),
        ([*ZONES, "--brand", "lx"], "add --kernel-version"),
        ([*PLAIN, "--node", "192.168.0.203/24@gz1"], "needs --image and --nic-tag"),
        ([*PLAIN, "--node", "192.168.0.201/24"], "192.168.0.201 is the real address of"),
        ([*PLAIN, "--node", "web1=192.168.0.203/24"], "two nodes are called web1"),
        ([*PLAIN, "--address", "192.168.0.201"], "192.168.0.201 is the real address of"),
        ([*ZONES, "--gateway", "192.168.0.201"], "it would send to itself"),
        ([*PLAIN, "--used", "none.toml"], "none.toml: error: cannot be read"),
        ([*PLAIN, "--listen", "none0"], "cannot listen on 'none0'"),
    ],
)
def test_what_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert init.main(["web.toml", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--node", "192.168.0.201"], "lacks the prefix length"),
        (["--node", "a b=192.168.0.201/24"], "cannot be a name"),
        (["--node", "192.168.0.201/24@-x"], "is not an address for ssh"),
        (["--address", "192.168.0.300"], "is not an IP address"),
        (["--vhid", "256"], "out of range"),
        (["--seconds", "nan"], "not a time"),
        (["--vhid", "x"], "must be an integer"),
        (["--image", "base-64"], "is not a UUID"),
        (["--nic-tag", "a-b"], "is not a nic tag"),
        (["--gateway", "2001:db8::1"], "is not an IPv4 address"),
    ],
)
def test_options_that_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        init.main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_all_vhids_are_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for vhid in range(1, 256):
        (folder / f"{vhid}.cfg").write_text(f"--vhid={vhid}")
    assert init.main(["web.toml", *PLAIN]) == 2
    assert "all 255 vhids are taken" in capsys.readouterr().err


class Terminal:
    """Runs the command on a terminal and answers its questions."""

    def __init__(self, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        self._fd = ours
        self._process = subprocess.Popen(
            [sys.executable, "-m", "carpool", "init", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self.seen = ""

    def answer(self, question: str, text: str) -> None:
        """Wait for the question, then answer."""
        self._until(lambda: re.search(f"{re.escape(question)}[^\n]*: $", self.seen) is not None)
        self.seen = ""
        os.write(self._fd, f"{text}\n".encode())

    def interrupt(self) -> None:
        """Interrupt it, and again if it overheard that: a signal just before readline waits.

        Not sooner than it can have ended: a Python that is about to end dies of the second one.
        """
        for _ in range(6):
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
                return

    def end(self) -> int:
        """Wait for the end and return the exit code."""
        try:
            self._until(lambda: False)
        except EOFError:
            return self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._fd)
        raise AssertionError

    def _until(self, done: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            left = deadline - time.monotonic()
            assert select.select([self._fd], [], [], max(0, left))[0], self.seen
            try:
                more = os.read(self._fd, 4096)
            except OSError:  # EIO: the other end is closed
                more = b""
            if not more:
                raise EOFError(self.seen)
            self.seen += more.decode()


def test_the_questions() -> None:
    terminal = Terminal("web.toml")
    terminal.answer("Name of the cluster [web]", "")
    terminal.answer("SmartOS zones? [no]", "perhaps")
    terminal.answer("SmartOS zones? [no]", "y")
    terminal.answer("UUID of their image", "")
    terminal.answer("UUID of their image", IMAGE)
    terminal.answer("Nic tag", "")
    terminal.answer("router", "192.168.0.1")
    terminal.answer("DNS server", "")
    terminal.answer("Name of node 1 [web1]", "")
    terminal.answer("Its own address", "192.168.0.201")
    terminal.answer("Its own address", "192.168.0.201/24")
    terminal.answer("Its hypervisor", "gz1")
    terminal.answer("Name of node 2 [web2]", "web1")
    terminal.answer("Name of node 2 [web2]", "spare")
    terminal.answer("Its own address", "192.168.0.202/24")
    terminal.answer("Its hypervisor", "")
    terminal.answer("Another node? [no]", "")
    terminal.answer("Address that they share", "192.168.0.200")
    terminal.answer("Interface that gets it on each node [net0]", "")
    terminal.answer("vhid, the group's number on its network (1-255) [1]", "42")
    assert terminal.end() == 0
    assert "written: web.toml (vhid 42), web.key" in terminal.seen
    found = tomllib.loads(Path("web.toml").read_text())
    assert sorted(found["nodes"]) == ["spare", "web1"]
    assert found["zone"]["gateways"] == ["192.168.0.1"]
    assert load(Path("web.toml")).findings == ()


def test_only_what_is_missing_is_asked() -> None:
    terminal = Terminal("web.toml", *ZONES[:-1], "--name", "x", "--interface", "net0")
    terminal.answer("router", "")
    terminal.answer("DNS server", "")
    terminal.answer("Another node? [no]", "no")
    terminal.answer("vhid", "")
    assert terminal.end() == 0


@pytest.mark.parametrize("by_signal", [False, True])
def test_leaving_in_the_middle(folder: Path, by_signal: bool) -> None:
    terminal = Terminal("web.toml")
    terminal.answer("Name of the cluster", "" if by_signal else "\x04")
    if by_signal:
        terminal.answer("SmartOS zones", "n")
        terminal.interrupt()
    assert terminal.end() == (130 if by_signal else 2)
    assert "Traceback" not in terminal.seen
    assert list(folder.iterdir()) == []
