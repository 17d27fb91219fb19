"""The way to a hypervisor, on a real OpenSSH server on the loopback of a namespace."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.processes import is_alive
from tests.support.waiting import until

from carpool.deploy import lock
from carpool.deploy.errors import DeployError, SilentError
from carpool.deploy.ssh import Access, Network, SshRemote
from carpool.netlink.route import Route

pytest.importorskip("pyinfra.api")  # here, and not anew in each test's own process
pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.peer("sshd"),
    pytest.mark.peer("ssh-keygen"),
    # Of paramiko's own imports.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*TripleDES.*"),
]
PORT = 2222
SSHD = "/usr/sbin/sshd"


def make_key(path: Path) -> str:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, timeout=30)
    return path.with_suffix(".pub").read_text()


class Server:
    """An SSH server for whoever has `key`, and what a client needs to get in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = folder / "key"
        self.known_hosts = folder / "known_hosts"
        self.config = folder / "client"
        public = make_key(self.key)
        self.host_key = " ".join(make_key(folder / "host").split()[:2])
        self.known_hosts.write_text(f"[127.0.0.1]:{PORT} {self.host_key}\n")
        self.config.write_text("Host *\n    User root\n")
        (folder / "authorized").write_text(public)
        (folder / "sshd").write_text(
            f"Port {PORT}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\n"
            f"AuthorizedKeysFile {folder / 'authorized'}\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nPidFile none\n"
            # bash reads the .bashrc of those who come by SSH: not the tester's own.
            f"SetEnv HOME={folder}\n"
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [SSHD, "-D", "-e", "-f", str(self.folder / "sshd")]
        with (
            (self.folder / "log").open("wb") as log,
            subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL) as process,
        ):
            self.process = process.pid
            try:
                until(self._answers, "the SSH server")
                yield
            finally:
                process.terminate()

    def kill_sessions(self) -> None:
        """Kill the servers of single connections: the children of the one that listens."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and parent(entry) == self.process:
                with suppress(ProcessLookupError):  # one of those that we knocked at may be going
                    os.kill(int(entry.name), signal.SIGKILL)

    @staticmethod
    def _answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", PORT)) == 0

    def network(self, **changes: Any) -> Network:
        made = {
            "identity": self.key,
            "known_hosts": self.known_hosts,
            "ssh_config": self.config,
            **changes,
        }
        network = Network(Access(**made))
        network.prepare([f"root@127.0.0.1:{PORT}"])
        return network

    def connect(self, **changes: Any) -> SshRemote:
        return self.network(**changes).connect(f"root@127.0.0.1:{PORT}")


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    Path("/run/sshd").mkdir(exist_ok=True)
    route = Route()
    loopback = route.link("lo")
    assert loopback is not None
    route.set_link(loopback.index, up=True)
    route.close()
    made = Server(folder)
    with made.running():
        yield made


def test_what_a_command_says_comes_back(tmp_path: Path) -> None:
    with server(tmp_path) as made:
        remote = made.connect()
        output = remote.run("echo out; echo err >&2; exit 7")
        assert (output.code, output.out, output.err) == (7, "out\n", "err\n")
        assert output.reason == "err"
        assert remote.run("printf '%s' \"it's\"").out == "it's"
        remote.close()


def test_standard_input_is_binary_and_of_any_size(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000  # 5 MB, more than SSH's window
    with server(tmp_path) as made:
        remote = made.connect()
        assert remote.run(f"cat >{tmp_path}/copy", data).code == 0
        assert (tmp_path / "copy").read_bytes() == data
        assert remote.run("wc -c", b"").out.strip() == "0"
        remote.close()


def test_a_command_that_does_not_read_its_input_tells_why(tmp_path: Path) -> None:
    with server(tmp_path) as made:
        remote = made.connect()
        output = remote.run("exec <&-; echo 'no room' >&2; exit 1", b"x" * 5_000_000)
        assert (output.code, output.reason) == (1, "no room")
        remote.close()


def test_nothing_secret_is_in_an_argument(tmp_path: Path) -> None:
    with server(tmp_path) as made:
        remote = made.connect()
        output = remote.run("cat >/dev/null; cat /proc/[0-9]*/cmdline 2>/dev/null", b"a secret")
        assert "sshd" in output.out
        assert "a secret" not in output.out
        remote.close()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("unknown", "its host key is unknown"),
        ("changed", "its host key is not the one in known_hosts"),
        ("key", "it takes none of your keys"),
    ],
)
def test_who_cannot_get_in_is_told_why(tmp_path: Path, spoil: str, message: str) -> None:
    with server(tmp_path) as made:
        changes: dict[str, Path] = {}
        if spoil == "unknown":
            made.known_hosts.write_text("")
        elif spoil == "changed":
            other = " ".join(make_key(tmp_path / "other").split()[:2])
            made.known_hosts.write_text(f"[127.0.0.1]:{PORT} {other}\n")
        else:
            make_key(tmp_path / "mine")
            changes["identity"] = tmp_path / "mine"
        before = made.known_hosts.read_text()
        with pytest.raises(DeployError, match=message) as caught:
            made.connect(**changes)
        assert caught.value.problem.host == f"root@127.0.0.1:{PORT}"
        assert made.known_hosts.read_text() == before


def test_a_network_connects_again_where_it_was_cut(tmp_path: Path) -> None:
    with server(tmp_path) as made:
        network, name = made.network(), f"root@127.0.0.1:{PORT}"
        remote = network.connect(name)
        made.kill_sessions()
        with pytest.raises(DeployError, match="the connection is cut"):
            remote.run("exit 0")
        again = network.connect(name)
        assert again.run("echo there").out == "there\n"
        again.close()
        third = network.connect(name)
        assert third.run("echo there").out == "there\n"
        with pytest.raises(SilentError, match="no answer for 0 s"):
            third.run("sleep 60", patience=0.2)
        assert third.run("echo there").out == "there\n"
        third.close()


def test_a_host_without_a_server_is_told(tmp_path: Path) -> None:
    with server(tmp_path) as made:
        network = made.network()
    with pytest.raises(DeployError, match="cannot connect"):
        network.connect(f"root@127.0.0.1:{PORT}")


def test_a_name_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with server(tmp_path) as made:
        network = made.network()
        network.prepare(["gz.invalid"])
        with pytest.raises(DeployError, match="no host of that name"):
            network.connect("gz.invalid")


def test_a_server_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from carpool.deploy import ssh

    monkeypatch.setattr(ssh, "CONNECT_TIMEOUT", 0.5)
    with server(tmp_path) as made, socket.create_server(("127.0.0.1", 2223)):
        network = made.network()
        network.prepare(["root@127.0.0.1:2223"])
        with pytest.raises(DeployError, match=r"connect: .*(no answer|SSH fails)"):
            network.connect("root@127.0.0.1:2223")


def test_a_connection_that_is_cut_is_told(tmp_path: Path) -> None:
    with server(tmp_path) as made:
        remote = made.connect()
        cut = threading.Timer(0.3, made.kill_sessions)
        cut.start()
        with pytest.raises(DeployError, match="the connection is cut"):
            remote.run("sleep 30")
        cut.join()
        with pytest.raises(DeployError, match="the connection is cut"):
            remote.run("true")


def parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_a_silent_command_is_given_up(tmp_path: Path) -> None:
    with server(tmp_path) as made:
        remote = made.connect()
        with pytest.raises(DeployError, match="no answer for"):
            remote.run("sleep 30", patience=0.3)
        assert remote.run("echo on").out == "on\n"
        remote.close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lock, "PLACE", str(tmp_path / "lock"))
    return tmp_path / "lock"


def test_the_lines_of_a_command_that_goes_on_come_as_they_are_printed(tmp_path: Path) -> None:
    with server(tmp_path) as there:
        remote = there.connect()
        session = remote.start("echo one; printf 'tw'; echo o; exec sleep 60")
        lines = session.lines()
        assert [next(lines), next(lines)] == ["one", "two"]
        there.kill_sessions()
        assert list(lines) == []
        session.close()
        remote.close()
        done = there.connect().start("echo last; echo half | tr -d '\\n'")
        assert list(done.lines()) == ["last"]


def test_a_lock_is_held_until_it_is_given_back(tmp_path: Path, place: Path) -> None:
    with server(tmp_path) as made:
        remote, other = made.connect(), made.connect()
        held = lock.take(remote, "alice on ws1")
        assert (place / "owner").read_text() == "alice on ws1\n"
        with pytest.raises(DeployError, match="locked by alice on ws1; wait until"):
            lock.take(other, "bob")
        held.close()
        until(lambda: not place.exists(), "the lock to be given back")
        lock.take(other, "bob").close()
        remote.close()
        other.close()


def test_a_lock_that_is_just_being_made_is_not_without_a_holder(
    tmp_path: Path, place: Path
) -> None:
    script = 'mkdir "$1"; read x; echo $$ >"$1/pid"; echo alice >"$1/owner"; read x'
    command = ["sh", "-c", script, "sh", str(place)]
    with server(tmp_path) as made, subprocess.Popen(command, stdin=subprocess.PIPE) as maker:
        assert maker.stdin is not None
        until(place.exists, "the lock is made")
        goes_on = threading.Timer(0.5, os.write, [maker.stdin.fileno(), b"\n"])
        goes_on.start()
        with pytest.raises(DeployError, match="locked by alice; wait until"):
            lock.take(made.connect(), "bob")
        goes_on.join()


def test_a_lock_goes_with_its_connection(tmp_path: Path, place: Path) -> None:
    with server(tmp_path) as made:
        lock.take(made.connect(), "alice")
        made.kill_sessions()
        until(lambda: not place.exists(), "the lock to go with its connection")


def test_a_lock_can_be_broken_and_stays_broken(tmp_path: Path, place: Path) -> None:
    with server(tmp_path) as made:
        remote, other = made.connect(), made.connect()
        held = lock.take(remote, "alice")
        broken = lock.take(other, "bob", break_lock=True)
        held.close()
        assert (place / "owner").read_text() == "bob\n"
        broken.close()
        until(lambda: not place.exists(), "the lock to be given back")
        remote.close()
        other.close()


def test_a_lock_whose_process_was_killed_says_so(tmp_path: Path, place: Path) -> None:
    with server(tmp_path) as made:
        remote = made.connect()
        lock.take(remote, "alice")
        holder = int((place / "pid").read_text())
        os.kill(holder, signal.SIGKILL)
        until(lambda: not is_alive(holder), "it is gone")
        with pytest.raises(DeployError, match="locked by alice; that process is gone: add --break"):
            lock.take(remote, "bob")
        lock.take(remote, "bob", break_lock=True).close()
        remote.close()


def test_a_lock_that_cannot_be_made_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PLACE", str(tmp_path / "nowhere" / "lock"))
    with server(tmp_path) as made:
        remote = made.connect()
        with pytest.raises(DeployError, match=r"cannot make .*No such file or directory"):
            lock.take(remote, "bob")
        remote.close()
