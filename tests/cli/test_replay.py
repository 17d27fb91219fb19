"""``carpool replay``: the story of a trace, what it differs in, and what is wrong with a file."""

import json
from pathlib import Path

import pytest
from tests.recorder.support import Peer, content, host

from carpool.carp import virtualhost
from carpool.carp.election import TABLE, Event, State
from carpool.carp.timing import SECOND
from carpool.cli.replay import main


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Two groups; the master of the first falls silent after 3 s, the second hears nobody."""
    one, other = host(advskew=100), host()
    one.start(0)
    other.start(0)
    peer = Peer()
    for second in (1, 2, 3):
        peer.says(one, second * SECOND)
    one.handle_timer(3 * SECOND + one.master_down_time)
    other.handle_timer(3 * SECOND)
    path = tmp_path / "web1.trace"
    path.write_bytes(content(one, other))
    return path


def test_it_tells_what_happened_and_why(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(trace)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("node a, carpool 0.1, a test; times are UTC\ngroup 0: vhid 42 on net0")
    assert "00:00:06.390625 group 0 MASTER the timer runs: no master heard for 3.391 s" in out
    assert out.index("00:00:03.000000 group 1") < out.index("00:00:06.390625 group 0")


def test_a_part_of_it_is_told(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for times in (["+2", "+3"], ["00:00:02", "00:00:03"], ["1970-01-01T00:00:02", "00:00:03.0"]):
        given = ["--group", "group 0", "--all", "--from", times[0], "--to", times[1]]
        assert main([str(trace), *given]) == 0
        steps = [line for line in capsys.readouterr().out.splitlines() if line.startswith("1970")]
        assert [line[11:26] for line in steps] == ["00:00:02.000000", "00:00:03.000000"]


def test_each_step_is_a_line_of_json(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(trace), "--json"]) == 0
    steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(steps) == 7
    last = steps[-1]
    assert (last["group"], last["rows"], last["state"]) == (
        *("group 0", ["BACKUP MASTER_DOWN"], "MASTER"),
    )
    assert last["effects"][0] == ["transition", "BACKUP", "MASTER", "MASTER_DOWN"]


def test_another_decision_is_told(
    trace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = (State.BACKUP, Event.MASTER_DOWN)
    without = {key: value for key, value in TABLE.items() if key != row}
    monkeypatch.setattr(virtualhost, "TABLE", without)
    assert main([str(trace)]) == 1
    said = capsys.readouterr()
    assert (
        "DIFFERS FROM RECORDED: recorded: transition BACKUP MASTER MASTER_DOWN; add; " in said.out
    )
    assert "2 decisions differ" in said.err
    assert main([str(trace), "--json"]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--group", "db"], "there is no group 'db' in it; it has group 0, group 1"),
        (["--from", "noon"], "'noon' is no time"),
        (["--to", "+"], "'+' is no time"),
    ],
)
def test_what_is_asked_for_must_make_sense(
    arguments: list[str], said: str, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(trace), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_no_trace_is_refused(
    tmp_path: Path, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = trace.read_bytes()
    for name, made, said in (
        ("cut", whole[: len(whole) // 2], "cut short"),
        ("other", b"[groups.www]\nvhid = 42\n", "this is no trace of carpool"),
        ("newer", whole.replace(b'"trace":1', b'"trace":2', 1), "a trace of format 2"),
    ):
        path = tmp_path / name
        path.write_bytes(made)
        assert main([str(path)]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"carpool replay: {path}: ")
        assert said in error
    assert main([str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err
