"""`carpool lab demo`, from the command line to the last process."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import termios
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from tests.support.nobody import NOBODY, copy_sources, python_for_nobody
from tests.support.processes import Family
from tests.support.terminal import Terminal
from tests.support.waiting import PATIENCE, until

from carpool.cli import lab
from carpool.lab import performance
from carpool.lab.namespaces import why_unsupported
from carpool.lab.stage import LabStage

DEMO = [sys.executable, "-P", "-m", "carpool", "lab", "demo"]
FAULTS = ["clean stop", "killed", "frozen", "cable pulled", "stop, preempt"]

needs_namespaces = pytest.mark.skipif(
    why_unsupported() is not None, reason=f"no namespaces: {why_unsupported()}"
)


def judge(document: dict[str, Any], *, slowest: float) -> None:
    """Check the results of a demo, in which a silent master is dead after `slowest` seconds."""
    assert document["ok"] is True
    assert document["problems"] == []
    assert document["zones"] == ["web1", "web2"]
    acts = document["acts"]
    assert [act["fault"] for act in acts] == FAULTS
    assert [act["returned"] for act in acts] == [False] * 4 + [True]
    stop, kill, freeze, unplug, preempt = acts
    assert max(stop["outage_ms"], preempt["outage_ms"]) < 500
    assert kill["outage_ms"] < slowest * 1000 + 1000
    # A busy machine may be late. At the least it is the shortest patience less the last interval.
    assert slowest * 300 < freeze["outage_ms"] < slowest * 1000 + 1000
    assert slowest * 300 < unplug["outage_ms"] < slowest * 1000 + 1000
    assert max(act["return_outage_ms"] for act in acts) < 500
    assert kill["two_holders_ms"] == 0
    assert max(act["two_holders_ms"] for act in (stop, unplug, preempt)) < 500
    masters = ["web1", *(act["new_master"] for act in acts)]
    assert masters == ["web1", "web2"] * 3


@needs_namespaces
def test_on_a_terminal_at_full_length(family: Family, temporary: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    with Terminal(family, [*DEMO, "--json", str(out)]) as terminal:
        assert terminal.wait(3 * PATIENCE) == 0, terminal.text
    document = json.loads(out.read_text())
    judge(document, slowest=3 + 100 / 256)
    assert document["acts"][2]["two_holders_ms"] == 0
    assert document["mode"] == "namespaces"
    assert "\r\x1b[K" in terminal.text
    assert re.search(r"web1 MASTER +●", terminal.text)
    assert "client: no answer for" in terminal.text
    assert "All as promised. Nothing is left of it." in terminal.text
    shown = re.sub(r"\x1b\[[0-9;]*[mK]", "", terminal.text)
    assert max(len(line) for line in re.split(r"[\r\n]+", shown)) <= 80
    assert list(temporary.iterdir()) == []


@needs_namespaces
def test_without_privilege_and_without_terminal(family: Family) -> None:
    root = os.geteuid() == 0
    python = python_for_nobody() if root else sys.executable
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        copy_sources(folder)
        command = [python, "-B", "-m", "carpool", "lab", "demo", "--fast"]
        done = subprocess.run(
            [*command, "--json", "out.json", "--svg", "out.svg"],
            cwd=folder,
            env=family.environment(PYTHONPATH=name, TMPDIR=name),
            **(NOBODY if root else {}),
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE,
            check=False,
        )
        if root and "This machine lets us make no network namespaces" in done.stdout:
            pytest.skip(f"user nobody: {done.stdout}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert sorted(path.name for path in folder.iterdir()) == ["carpool", "out.json", "out.svg"]
        judge(json.loads((folder / "out.json").read_text()), slowest=3 * 96 / 256)
        assert "silent" in (folder / "out.svg").read_text()
        ET.parse(folder / "out.svg")
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@needs_namespaces
def test_an_interrupt_from_the_terminal(family: Family, temporary: Path) -> None:
    with Terminal(family, [*DEMO, "--fast"]) as terminal:
        terminal.expect("Act 1")
        assert len(family.alive()) > 5
        assert len(family.namespaces) >= 4  # the hub, the two zones, the client
        terminal.type("\x1a\x03")  # Ctrl-Z does nothing, Ctrl-C ends it
        assert terminal.wait(PATIENCE) == 130
    assert "Interrupted; the zones and all in them are gone." in terminal.text
    assert "Traceback" not in terminal.text
    family.all_gone()
    assert list(temporary.iterdir()) == []


@needs_namespaces
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_nothing_is_left_of_a_demo_that_is_ended(
    family: Family, temporary: Path, number: signal.Signals, code: int
) -> None:
    before = mounts()
    with family.popen([*DEMO, "--fast"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as demo:
        assert demo.stdout is not None
        while "is master" not in (line := demo.stdout.readline()):
            assert line, "it ended too soon"
        assert len(family.alive()) > 5
        assert len(family.namespaces) >= 4
        assert not Path("/dev/shm/cluster.toml").exists()  # that folder is the lab's alone
        assert mounts() == before
        demo.send_signal(number)
        assert demo.wait(PATIENCE) == code
        rest = demo.stdout.read()
    assert "Traceback" not in rest
    family.all_gone()
    assert list(temporary.iterdir()) == []


def mounts() -> set[str]:
    """Return what of the lab is mounted here."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return {line for line in lines if line.startswith("carpool ")}


@needs_namespaces
def test_the_logs_of_a_demo_that_went_wrong_are_kept(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    temporary: Path,
) -> None:
    def start(stage: LabStage, zone: str, *, preempt: bool = False) -> None:
        stage._lab.launch(zone, Path("/no/such/file"))

    monkeypatch.setattr(LabStage, "start", start)
    monkeypatch.setattr(tempfile, "tempdir", None)
    out = temporary.parent / "result.json"
    assert lab.main(["demo", "--json", str(out)]) == 1
    text = capfd.readouterr().out
    assert "Not as promised: web1: carpool run has ended: carpool run: /no/such/file" in text
    (kept,) = temporary.iterdir()
    assert f"The zones' logs: {kept}" in text
    assert {path.name for path in kept.iterdir()} == {"web1.log"}
    assert "cannot be read" in (kept / "web1.log").read_text()
    assert json.loads(out.read_text())["ok"] is False


def test_the_virtual_network(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    assert lab.main(["demo", "--virtual", "--fast", "--json", str(out)]) == 0
    document = json.loads(out.read_text())
    judge(document, slowest=3 * 96 / 256)
    assert document["mode"] == "virtual"
    text, errors = capsys.readouterr()
    assert "Virtual network in one process" in text
    assert errors == ""


def test_where_there_are_no_namespaces_it_says_so_and_plays(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performance, "why_unsupported", lambda: "forbidden here; run as root")
    assert lab.main(["demo", "--fast"]) == 0
    text = capsys.readouterr().out
    assert "no network namespaces: forbidden here; run as root." in text
    assert "All as promised" in text


def test_whoever_looks_on_may_go(family: Family) -> None:
    command = [*DEMO, "--virtual", "--fast"]
    reader, writer = os.pipe()
    # Nearly full: the demo begins to speak, and has not ended before its audience has gone.
    room = 200
    before = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096) - room
    os.write(writer, bytes(before))
    with family.popen(command, stdout=writer, stderr=subprocess.PIPE) as demo:
        os.close(writer)
        until(lambda: waiting_in(reader) > before, "it speaks")
        os.close(reader)
        assert demo.wait(PATIENCE) == 1
        assert demo.stderr is not None
        assert demo.stderr.read() == ""


def waiting_in(pipe: int) -> int:
    """Return how many bytes can be read from a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


ONE_NODE = """
[nodes.a]
address = "10.0.0.1"
interface = "net0"
[groups.www]
vhid = 1
addresses = ["10.0.0.100"]
password_file = "a.key"
"""
TWO_NODES = (
    ONE_NODE
    + """
[nodes.b]
address = "10.0.0.2"
interface = "net0"
"""
)


@pytest.mark.parametrize(
    ("arguments", "text", "says"),
    [
        ([], None, "cannot be read"),
        ([], ONE_NODE.replace("vhid = 1", "vhid = 0"), "1 error; nothing was started"),
        ([], ONE_NODE, "no group has two nodes"),
        (["--json", "no/such/folder/x"], TWO_NODES, "cannot be written"),
    ],
)
def test_what_cannot_be_played(
    arguments: list[str],
    text: str | None,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "cluster.toml"
    if text is not None:
        file.write_text(text)
    assert lab.main(["demo", str(file), *arguments]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert says in errors
    assert errors.splitlines()[-1].startswith(("carpool lab demo: ", str(file)))


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.main(["--help"]) == 0
    assert "carpool lab demo [FILE]" in capsys.readouterr().out
    assert lab.main([]) == 2
    assert "carpool lab demo [FILE]" in capsys.readouterr().err
