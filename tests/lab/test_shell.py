"""The words of the lab's prompt; and its commands, in namespaces, without any daemon."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.cluster_files import cluster_at

from carpool.lab import shell as shell_module
from carpool.lab.cluster import ClusterLab
from carpool.lab.performance import SHIPPED
from carpool.lab.prepare import prepare
from carpool.lab.probe import Answer
from carpool.lab.shell import COMMANDS, CommandError, Shell, heard, parse


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("", []),
        ("  ", []),
        ("# freeze web1", []),
        ("status", [["status"]]),
        ("freeze web1;wait 5 ; status;", [["freeze", "web1"], ["wait", "5"], ["status"]]),
        (";;", []),
        ("exec web1 sh -c 'a; b #c'", [["exec", "web1", "sh", "-c", "a; b #c"]]),
        ('exec web1 echo "x y" a#b', [["exec", "web1", "echo", "x y", "a#b"]]),
        ("exec web1 ip -br a | cat", [["exec", "web1", "ip", "-br", "a", "|", "cat"]]),
        ("exec web1 echo 10.0.0.1/24 a=b *", [["exec", "web1", "echo", "10.0.0.1/24", "a=b", "*"]]),
    ],
)
def test_lines_are_split_into_commands(line: str, commands: list[list[str]]) -> None:
    assert parse(line) == commands


def test_an_open_quote() -> None:
    with pytest.raises(CommandError, match="a quote is not closed"):
        parse("exec web1 echo 'a")


def test_every_command_has_a_line_of_help() -> None:
    assert all(command.summary and command.usage for command in COMMANDS.values())
    assert list(COMMANDS)[-1] == "quit"


class Clock:
    """The module `time`, in virtual time."""

    def __init__(self, now: int) -> None:
        self.now = now

    def monotonic_ns(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1e9

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)


@pytest.mark.parametrize(("again", "age"), [(0, 0), (600, 0), (5000, 2000)])
def test_a_client_that_waits_for_a_processor_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, again: int, age: int
) -> None:
    """The client had its last answer a second ago, and has the next in `again` ms."""
    ms = 1_000_000
    clock = Clock(1000 * ms)
    monkeypatch.setattr(shell_module, "time", clock)
    came = [Answer(at, at, "web1") for at in (0, clock.now + again * ms)]
    now, answers = heard(lambda: [one for one in came if one.received <= clock.now], 5 * ms)
    assert now - answers[-1].received == age * ms


@contextmanager
def shell(folder: Path, *, as_json: bool = False) -> Iterator[tuple[Shell, io.StringIO]]:
    cluster = cluster_at(SHIPPED)
    prepared = prepare(cluster)
    out = io.StringIO()
    with ClusterLab(prepared.cluster, prepared.passwords, folder) as lab:
        yield Shell(lab, out, as_json=as_json), out


@pytest.mark.namespaces
def test_mistakes_are_named_with_the_mend(tmp_path: Path) -> None:
    with shell(tmp_path) as (lab, _):
        for line, says in {
            "freze web1": "there is no command 'freze'; did you mean 'freeze'?",
            "xyzzy": "there is no command 'xyzzy'; choose from status, probe,",
            "freeze": "usage: freeze ZONE",
            "freeze web1 web2": "usage: freeze ZONE",
            "freeze web3": "freeze: there is no zone 'web3'; did you mean 'web2'?",
            "unplug web1 net9": "zone web1: no interface net9; there is: net0",
            "stop web1": "web1: its daemon is not running",
            "stop client": "client is the client: no daemon runs there",
            "log web1 -x": "usage: log ZONE [-f]",
            "lose web1 120": "'120' is not a number of percent from 0 to 100",
            "wait long": "'long' is not a number of seconds",
            "wait nan": "'nan' is not a number of seconds",
            "probe 10.9.9.9": "'10.9.9.9' is no virtual address here; choose from 192.168.0.200",
            "probe 192.168.0.20": "did you mean '192.168.0.200'?",
            "help me": "there is no command 'me'",
            "exec web1": "usage: exec ZONE COMMAND ...",
            "exec web1 no-such-program": "web1: cannot run no-such-program: No such file",
            "exec web1 false": "exec: false ended with exit code 1",
            "shell web1": "there is no terminal; use: exec",
            "status --xml": "usage: status [--json]",
        }.items():
            with pytest.raises(CommandError) as error:
                lab.run(line)
            assert says in str(error.value), line


@pytest.mark.namespaces
def test_cables_in_the_status(tmp_path: Path) -> None:
    with shell(tmp_path) as (lab, out):

        def cable() -> str:
            out.seek(0)
            out.truncate()
            lab.run("status --json")
            zone = json.loads(out.getvalue())["zones"]["web1"]
            return str(zone["cables"].get("net0"))

        assert cable() == "in"
        for line, state in {
            "unplug web1": "out",
            "plug web1 net0": "in",
            "partition web1": "cut off",
            "heal web1": "in",
            "partition web1;crash web1": "None",
        }.items():
            lab.run(line)
            assert cable() == state, line


@pytest.mark.namespaces
def test_quit_ends_a_line_too(tmp_path: Path) -> None:
    with shell(tmp_path) as (lab, out):
        lab.run("quit; status")
        assert lab.ended
        assert out.getvalue() == ""


@pytest.mark.namespaces
def test_completion(tmp_path: Path) -> None:
    with shell(tmp_path) as (lab, _):
        for line, found in {
            "fr": ["freeze "],
            "p": ["probe ", "plug ", "partition "],
            "freeze ": ["web1 ", "web2 ", "client "],
            "freeze web1; th": ["thaw "],
            "freeze web1; thaw w": ["web1 ", "web2 "],
            "unplug web2 ": ["net0 "],
            "unplug nobody ": [],
            "probe ": ["192.168.0.200 "],
            "help qu": ["quit "],
            "wait ": [],
            "nonsense ": [],
        }.items():
            word = line.rpartition(" ")[2]
            assert lab.completions(line, word) == found, line
