"""`carpool lab run`: the user's own cluster file, from the command line."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.processes import Family
from tests.support.terminal import Terminal
from tests.support.waiting import PATIENCE

from carpool.cli import lab
from carpool.lab import prompt
from carpool.lab.namespaces import why_unsupported

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
LAB = [sys.executable, "-P", "-m", "carpool", "lab"]
# Each node is patient for longer than another's interval, by half a second, and a for the least.
FAST = """
[nodes.a]
address = "10.0.0.1"
interface = "net0"
[nodes.b]
address = "10.0.0.2"
interface = "net0"
[nodes.c]
address = "10.0.0.3"
interface = "net0"
[groups.www]
vhid = 1
addresses = ["10.0.0.100", "2001:db8::100/64"]
password_file = "www.key"
advbase = 0
advskew = { a = 128, b = 200, c = 204 }
up = "/no/such/script"
[groups.mail]
vhid = 1
addresses = ["172.16.0.100"]
password_file = "mail.key"
advbase = 0
advskew = { b = 128, c = 200 }
interface = { b = "net1", c = "net2" }
nodes = ["b", "c"]
"""

pytestmark = pytest.mark.skipif(
    why_unsupported() is not None, reason=f"no namespaces: {why_unsupported()}"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fast.toml"
    path.write_text(FAST)
    return path


def run(
    family: Family, file: Path, *arguments: str, commands: str | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*LAB, "run", str(file), *arguments],
        input=commands,
        stdin=subprocess.DEVNULL if commands is None else None,
        env=family.environment(),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )


def statuses(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects in a text, one behind the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := text.find("{", at)) >= 0:
        status, at = decoder.raw_decode(text, at)
        found.append(status)
    return found


def test_every_fault_and_its_end(family: Family, file: Path) -> None:
    before = sorted(path.name for path in file.parent.iterdir())
    steps = [
        "status",
        *("stop a", "wait 1", "status"),
        *("start a", "wait 1", "status"),
        *("kill b", "wait 3.5", "status"),
        *("start b", "wait 1", "status"),
        *("crash a", "start a", "unplug c", "wait 3", "status"),
    ]
    done = run(family, file, "--json", "-c", "; ".join(steps))
    assert done.returncode == 0, done.stderr
    start, stopped, back, killed, restarted, last = statuses(done.stdout)

    def held(status: dict[str, Any], group: str) -> list[str]:
        holders = status["groups"][group]["held_by"]
        assert isinstance(holders, list)
        return holders

    assert (held(start, "www"), held(start, "mail")) == (["a"], ["b"])
    assert start["zones"]["a"] | {"addresses": []} == {
        "daemon": "running",
        "cables": {"net0": "in"},
        "groups": {"www": "MASTER"},
        "addresses": [],
    }
    assert start["zones"]["c"]["cables"] == {"net0": "in", "net2": "in"}
    assert stopped["zones"]["a"]["daemon"] == "not running"
    assert stopped["zones"]["a"]["groups"] == {}
    (heir,) = held(stopped, "www")
    assert heir in ("b", "c")  # they hear of it at the same moment
    assert held(back, "www") == [heir]  # no preempt
    # The killed daemon's address has run out, and the other has taken over.
    assert held(killed, "mail") == ["c"]
    assert len(held(restarted, "www")) == 1
    assert held(restarted, "mail") == ["c"]
    assert last["zones"]["c"]["groups"] == {"www": "INIT", "mail": "INIT"}
    assert last["zones"]["c"]["cables"] == {"net0": "out", "net2": "out"}
    assert held(last, "mail") == ["b"]
    assert len(held(last, "www")) == 1
    # What is not as on the real machines was told, and nothing of the user's was touched.
    assert "group www: there is no up script /no/such/script on this machine" in done.stderr
    assert "group mail: the lab uses a password of its own" in done.stderr
    assert sorted(path.name for path in file.parent.iterdir()) == before


def test_a_script_on_standard_input(family: Family, file: Path) -> None:
    script = """
    # another takes over from a
    status
    exec a ip -brief address show net0
    partition a
    wait 3.5
    probe 10.0.0.100; probe 2001:db8::100
    status
    log b
    exec a cat
    heal a
    exec a CARPOOL status --json
    exec client ping -c1 -w20 10.0.0.100
    quit
    nonsense
    """
    carpool = f"{sys.executable} -P -m carpool"
    done = run(family, file, "--no-scripts", commands=script.replace("CARPOOL", carpool))
    assert done.returncode == 0, done.stderr
    (told,) = statuses(done.stdout)
    assert [daemon["node"] for daemon in told["daemons"]] == ["a"]
    assert "10.0.0.100/32" in done.stdout
    assert "a     running  net0 cut off" in done.stdout
    assert re.search(r"10\.0\.0\.100: [bc] answers; longest wait", done.stdout)
    assert re.search(r"without answer, a to [bc],", done.stdout)
    assert "2001:db8::100: " in done.stdout
    assert "www: Switching to state: BACKUP" in done.stdout
    assert "1 received" in done.stdout or "1 packets received" in done.stdout
    assert "up script" not in done.stderr


def test_the_first_mistake_ends_it(family: Family, file: Path) -> None:
    done = run(family, file, "-c", "freze a; status")
    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last == "carpool lab: there is no command 'freze'; did you mean 'freeze'? (see: help)"


def test_a_file_with_two_interfaces_and_both_families(family: Family) -> None:
    commands = "probe 2001:db8:0:1::101; probe; status --json"
    done = subprocess.run(
        [*LAB, str(EXAMPLES / "many.toml"), "-c", commands],
        env=family.environment(),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (status,) = statuses(done.stdout)
    assert status["groups"]["odd"]["held_by"] == ["left"]
    assert status["groups"]["even"]["held_by"] == ["right"]
    assert "192.0.2.101: left answers" in done.stdout
    assert "192.0.2.102: right answers" in done.stdout
    assert "2001:db8:0:1::101: left answers" in done.stdout


def test_at_a_prompt(family: Family, file: Path) -> None:
    command = [*LAB, "run", str(file), "--no-scripts"]
    # Not the shell of whoever runs the tests, whose own files may do anything.
    with Terminal(family, command, SHELL="/bin/sh", ENV="") as terminal:
        terminal.expect("lab> ")
        terminal.type("fr\t")  # completes
        terminal.expect("freeze ")
        terminal.type("a\n")
        terminal.expect("a: all its programs are stopped")
        terminal.expect("lab> ")
        terminal.type("thaw a; thw a\n")
        terminal.expect("its programs go on")
        terminal.expect("there is no command 'thw'; did you mean 'thaw'?")
        terminal.type("status; wait 1000\n")
        terminal.expect("held by")
        terminal.type("\x03")
        terminal.expect("lab> ")
        terminal.type("log b -f\n")
        terminal.expect("Switching to state")
        terminal.type("\x03")
        terminal.expect("lab> ")
        terminal.type("shell b\n")
        terminal.expect("a shell in b")
        # A shell that has the terminal for itself: Ctrl-C is for what runs in it.
        terminal.type("echo zone=$CARPOOL_ZONE $((6 * 7)); sleep 1000\n")
        terminal.expect("zone=b 42")
        family.await_program("sleep", "1000")
        terminal.type("\x03")
        terminal.expect("^C")
        terminal.type("echo here $((9 * 9))\n")
        terminal.expect("here 81")
        terminal.type("exit\n")
        terminal.expect("lab> ")
        terminal.type("\x1astatus\n")  # Ctrl-Z does nothing
        terminal.expect("held by")
        terminal.type("quit\n")
        assert terminal.wait(PATIENCE) == 0, terminal.text
    assert "Traceback" not in terminal.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_lab_that_is_ended(
    family: Family, file: Path, number: signal.Signals
) -> None:
    command = [*LAB, "run", str(file), "-c", "status; wait 1000"]
    with family.popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("zone")
        assert len(family.alive()) > 6
        assert len(family.namespaces) >= 5
        process.send_signal(number)
        assert process.wait(PATIENCE) in (130, -signal.SIGKILL)
        family.all_gone()


def test_an_interface_that_cannot_be_made(family: Family, file: Path) -> None:
    file.write_text(FAST.replace('interface = "net0"', 'interface = "lo"', 1))
    done = run(family, file, "-c", "status")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("carpool lab: add virtual Ethernet pair")


def test_a_file_with_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(FAST.replace("vhid = 1", "vhid = 300"))
    assert lab.main([str(file)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[-1] == f"carpool lab run: {file}: 2 errors; nothing was started"


def test_where_there_are_no_namespaces(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt, "why_unsupported", lambda: "forbidden here")
    assert lab.main(["run", str(file)]) == 2
    errors = capsys.readouterr().err
    assert "carpool lab run: forbidden here. `carpool lab demo --virtual` needs no" in errors
