"""Other hosts, through a stand-in for `ssh`, which runs what it is given on this one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Thread

import pytest
from tests.support.cluster_files import LEFT_AND_RIGHT
from tests.support.processes import is_alive
from tests.support.waiting import until

from carpool.cli import web
from carpool.deploy.ssh import Access
from carpool.web import hosts
from carpool.web.hosts import HostSource
from carpool.web.sources import RefusalError, SourceError

SSH = """#!/bin/sh
echo "$@" >>"$WORDS"
for last; do :; done
[ "$SSH_FAILS" ] && { echo "ssh: connect to host web2 port 22: $SSH_FAILS" >&2; exit 255; }
exec sh -c "$last"
"""
CARPOOL = """#!/bin/sh
case "$*" in
status*) echo "$STATUS"; echo "$COMPLAINT" >&2; exit "${CODE:-0}";;
*--follow*) echo $$ >"$FOLLOWER"; echo '{"seq": 2, "epoch": "e", "text": "two"}'; exec sleep 60;;
events*) echo '{"seq": 1, "epoch": "e", "text": "one"}';;
yield*) echo "carpool yield: not now" >&2; exit 1;;
*) exec sleep 60;;
esac
"""


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the stand-ins on PATH. Return the file of the words that ssh was given."""
    for name, text in (("ssh", SSH), ("carpool", CARPOOL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("WORDS", str(tmp_path / "words"))
    monkeypatch.setenv("FOLLOWER", str(tmp_path / "follower"))
    monkeypatch.setenv("STATUS", json.dumps({"daemons": [{"node": "web2", "groups": []}]}))
    return tmp_path / "words"


def test_a_host_is_asked_without_a_question_or_a_terminal(words: Path) -> None:
    source = HostSource("web2", "root@web2", named=True)
    assert source.place == "ssh root@web2"
    assert source.ask() == {"node": "web2", "groups": []}
    said = words.read_text()
    assert said.startswith("-T -o BatchMode=yes ")
    assert said.endswith(" -- root@web2 carpool status --node web2 --json\n")
    HostSource("web2", "web2", named=False).ask()
    assert words.read_text().endswith(" -- web2 carpool status --json\n")
    access = Access(Path("/k"), Path("/known hosts"), Path("/c"))
    HostSource("web2", "web2", named=False, access=access).ask()
    said = words.read_text().splitlines()[-1]
    assert ' -i /k -o UserKnownHostsFile="/known hosts" -F /c -- web2 ' in said


def test_a_host_that_cannot_be_reached_says_why(
    words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not words.exists()
    monkeypatch.setenv("SSH_FAILS", "Connection refused")
    source = HostSource("web2", "web2", named=True)
    with pytest.raises(SourceError, match="web2 port 22: Connection refused") as caught:
        source.ask()
    assert not caught.value.gone
    with pytest.raises(SourceError, match="Connection refused"):
        list(source.follow())


def test_a_host_where_no_daemon_runs(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not words.exists()
    monkeypatch.setenv("CODE", "3")
    monkeypatch.setenv("COMPLAINT", "carpool status: no daemon runs here")
    with pytest.raises(SourceError, match="no daemon runs here") as caught:
        HostSource("web2", "web2", named=True).ask()
    assert caught.value.gone


def test_a_host_where_several_run(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not words.exists()
    monkeypatch.setenv("STATUS", json.dumps({"daemons": [{"node": "a"}, {"node": "b"}]}))
    with pytest.raises(SourceError, match="several daemons run there: a, b; say which is meant"):
        HostSource("web2", "web2", named=False).ask()


def test_a_host_is_told(words: Path) -> None:
    source = HostSource("web2", "web2", named=True)
    with pytest.raises(RefusalError, match="not now"):
        source.act("yield", {"groups": ["the group"]})
    assert words.read_text().endswith("carpool yield --node web2 'the group'\n")


def test_a_host_that_hangs_is_given_up(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not words.exists()
    monkeypatch.setattr(hosts, "PATIENCE", 0.2)
    with pytest.raises(SourceError, match="no answer for 0 s"):
        HostSource("web2", "web2", named=True).act("demote", {"groups": []})


def test_a_host_is_followed_until_we_hang_up(words: Path, tmp_path: Path) -> None:
    source = HostSource("web2", "web2", named=True)
    events = source.follow()
    told = [next(events) for _ in range(3)]
    assert [one and one["text"] for one in told] == ["one", None, "two"]
    assert "--follow --json --since e/1" in words.read_text()
    follower = int((tmp_path / "follower").read_text())
    Thread(target=source.close).start()
    with pytest.raises(SourceError, match="the events have ended"):
        next(events)
    until(lambda: not is_alive(follower))
    with pytest.raises(SourceError, match="the page ends"):
        source.ask()


def test_what_follows_ends_with_its_standard_input(words: Path, tmp_path: Path) -> None:
    source = HostSource("web2", "web2", named=True)
    assert not words.exists()
    events = source.follow()
    for _ in range(3):
        next(events)
    (process,) = source._running
    assert process.stdin is not None
    process.stdin.close()
    follower = int((tmp_path / "follower").read_text())
    until(lambda: not is_alive(follower))
    with pytest.raises(SourceError, match="the events have ended"):
        next(events)


def test_hosts_have_the_names_of_the_cluster_file(words: Path, tmp_path: Path) -> None:
    assert not words.exists()
    file = tmp_path / "cluster.toml"
    file.write_text(LEFT_AND_RIGHT)
    cluster = web._load(file)
    for destination, node, option in (
        ("left", "left", "--node left"),
        ("root@10.0.1.5", "right", "--node right"),
        ("ssh://root@10.0.1.5:2222", "right", "--node right"),
        ("spare=root@10.0.1.5", "spare", "--node spare"),
        ("root@fd00::7", "fd00::7", "carpool status --json"),
        ("root@elsewhere", "elsewhere", "carpool status --json"),
    ):
        options = web.parser().parse_args([str(file), "--ssh", destination])
        (source,) = web._hosts(options.ssh, Access(), cluster)
        assert source.node == node
        source.ask()
        assert option in words.read_text().splitlines()[-1]


@pytest.mark.parametrize("text", ["-oProxyCommand=x", "", "=web2", "web2=", "web2=-x", "a\nb"])
def test_what_is_no_destination(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        web.parser().parse_args([f"--ssh={text}"])
    assert "--ssh" in capsys.readouterr().err


def test_two_hosts_of_one_name(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not words.exists()
    assert web.main(["--ssh", "root@web2", "--ssh", "web2"]) == 2
    assert "--ssh: two hosts for web2; name the nodes" in capsys.readouterr().err


def test_without_ssh_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert web.main(["--ssh", "web2"]) == 2
    assert "install an SSH client" in capsys.readouterr().err
