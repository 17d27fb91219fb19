"""The whole path on the SmartOS lab: `carpool lab demo-smartos`, from no file to nothing left."""

import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.processes import Family
from tests.support.terminal import Terminal

from carpool.cli import lab
from carpool.lab.namespaces import LabError
from carpool.lab.network import Lab
from carpool.lab.picture import Story
from carpool.lab.smartos import performance
from carpool.lab.smartos.console import Console
from carpool.lab.smartos.lab import SmartosLab
from carpool.lab.smartos.results import Result, Step, as_json, table

DEMO = [sys.executable, "-P", "-m", "carpool", "lab", "demo-smartos"]
ROOT = Path(__file__).parents[2]
PATIENCE = 300  # seconds; it takes 45 on a machine that does nothing else

pytestmark = [pytest.mark.peer("sshd"), pytest.mark.peer("ssh"), pytest.mark.peer("nft")]
needs_lab = pytest.mark.skipif(
    performance.why_not() is not None, reason=f"no SmartOS lab: {performance.why_not()}"
)


@needs_lab
@pytest.mark.slow
@pytest.mark.timeout(PATIENCE + 60)
def test_the_whole_path(family: Family, temporary: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    with family.popen(
        [*DEMO, "--json", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as demo:
        text, errors = demo.communicate(timeout=PATIENCE)
    assert (demo.returncode, errors) == (0, ""), text
    assert list(temporary.iterdir()) == []
    document = json.loads(out.read_text())
    assert (document["ok"], document["problems"]) == (True, [])
    steps = {step["step"]: step for step in document["steps"]}
    assert list(steps) == [
        *("make", "vmadm stop", "power off", "apply again", "new advskew", "allowed_ips"),
        "destroy",
    ]
    # Both know of the change: the old master bows out.
    assert steps["vmadm stop"]["outage_ms"] < 1000
    assert steps["new advskew"]["outage_ms"] < 1000
    # Three advertisements have to be missed; the last one was heard at most 1.4 s before.
    assert 1500 < steps["power off"]["outage_ms"] < (3 + 100 / 256 + 1) * 1000
    assert steps["apply again"]["outcome"] == "no change"
    assert steps["apply again"]["outage_ms"] < 1000
    # Nobody answers from an address that is not allowed, until apply mends it.
    assert steps["allowed_ips"]["outage_ms"] > 500
    assert steps["destroy"]["outcome"] == "nothing left"
    for command in ("init", "check", "plan", "apply", "status", "destroy"):
        assert f"    $ carpool {command} web.toml" in text
    tutorial = (ROOT / "docs/tutorial-smartos.md").read_text().replace(" \\\n        ", " ")
    typed = re.findall(r"^    (\$ .*)", tutorial, re.MULTILINE)
    assert len(typed) > 5
    assert [command for command in typed if f"    {command}\n" not in text] == []
    assert "nodes: 2 unchanged" in text
    assert "nic allowed_ips: none -> 192.168.0.200" in text
    assert text.endswith("All as promised. Nothing is left of it.\n")


@needs_lab
def test_an_interrupt_from_the_terminal(family: Family, temporary: Path) -> None:
    with Terminal(family, DEMO) as terminal:
        terminal.expect("carpool apply web.toml", 120)
        terminal.expect("create zone:", 120)
        assert len(family.alive()) > 5
        assert len(family.namespaces) >= 4  # the hub, the hypervisors, the client
        terminal.type("\x03")
        assert terminal.wait(60) == 130
    assert "Interrupted; the hypervisors and all in them are gone." in terminal.text
    assert "Traceback" not in terminal.text
    family.all_gone()
    assert list(temporary.iterdir()) == []


@needs_lab
def test_nothing_is_left_of_a_demo_that_is_killed(family: Family, temporary: Path) -> None:
    before = Path("/proc/self/mounts").read_text()
    with family.popen(DEMO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as demo:
        assert demo.stdout is not None
        while "$ carpool check" not in (line := demo.stdout.readline()):
            assert line, "it ended too soon"
        assert Path("/proc/self/mounts").read_text() == before
        demo.kill()
        assert demo.wait(60) == -signal.SIGKILL
    family.all_gone()
    assert list(temporary.iterdir()) == []


@needs_lab
def test_what_goes_wrong_is_told_and_its_logs_are_kept(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    temporary: Path,
) -> None:
    monkeypatch.setattr("carpool.lab.smartos.demo.NODES", ("web1=192.168.0.201/24",))
    monkeypatch.setattr("tempfile.tempdir", None)
    out = tmp_path / "result.json"
    assert lab.main(["demo-smartos", "--json", str(out)]) == 1
    text = capfd.readouterr().out
    assert "Not as promised: `carpool init web.toml --yes" in text
    assert "ended with 2" in text
    assert "carpool init: add --node (twice)" in text
    (kept,) = temporary.iterdir()
    assert f"The logs: {kept}" in text
    assert {path.name for path in kept.iterdir()} == {"gz1.example.com.log", "gz2.example.com.log"}
    assert json.loads(out.read_text())["ok"] is False


def test_a_machine_that_is_not_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    smartos = "carpool.lab.smartos.lab.why_unsupported"
    monkeypatch.setattr(smartos, lambda: "no sshd here")
    assert lab.main(["demo-smartos"]) == 2
    assert capsys.readouterr().err == "carpool lab demo-smartos: no sshd here\n"
    monkeypatch.setattr(smartos, lambda: None)
    monkeypatch.setattr("carpool.lab.namespaces.why_unsupported", lambda: None)
    monkeypatch.setattr(performance, "find_spec", lambda name: None)
    assert lab.main(["demo-smartos"]) == 2
    assert "pip install '.[deploy]'" in capsys.readouterr().err


@needs_lab
@pytest.mark.namespaces
def test_a_console_shows_commands_and_the_ends_of_what_they_print() -> None:
    said: list[str] = []
    with Lab() as made, SmartosLab(made) as place:
        console = Console(place.operator, lambda text, *_: said.append(text))
        assert console.run("seq", "100").splitlines() == [str(number) for number in range(1, 101)]
        assert said[0] == "$ seq 100"
        assert said[1:] == [*map(str, range(1, 38)), "... 60 lines more", "98", "99", "100"]
        said.clear()
        console.run("sh", "-c", "seq 40; pwd >&2")
        assert said == ["$ sh -c 'seq 40; pwd >&2'", *map(str, range(1, 41)), str(console.home)]
        with pytest.raises(LabError, match="`false` ended with 1"):
            console.run("false")


def test_results() -> None:
    steps = (
        Step("power off", "web2 took over", 4_000_000_000, 3_140_000_000, 4_390_000_000),
        Step("destroy", "nothing left", 1_200_000_000),
    )
    assert list(table(steps)) == [
        "step        took  client waited  promised  outcome",
        "power off  4.0 s         3.14 s  < 4.39 s  web2 took over",
        "destroy    1.2 s              -         -  nothing left",
    ]
    result = Result(steps, Story((), 0, 5_500_000_000, (), (), ()), ())
    document = json.loads(as_json(result))
    assert (document["ok"], document["seconds"]) == (True, 5.5)
    assert [step["outage_ms"] for step in document["steps"]] == [3140, None]
    assert [step["bound_ms"] for step in document["steps"]] == [4390, None]
    assert json.loads(as_json(replace(result, problems=("no",))))["ok"] is False
