"""What has happened is logged, numbered, kept for a while and told."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.written import Written

from carpool.node.events import KEPT, Events, Happening, Kept, document
from carpool.node.log import Level, Log


def happening(text: str = "www: Switching to state: MASTER - alone") -> Happening:
    return Happening("state", text, Level.WARNING, "www", {"to": "MASTER"})


def test_one_event_is_one_line_and_one_number() -> None:
    lines = Written()
    events = Events(Log(lines), clock=lambda: 1_767_323_045_678_000_000)
    events.emit(happening())
    (kept,) = events.since(1)
    assert lines == [(Level.WARNING, happening().text)]
    assert document(kept) == {
        "seq": 1,
        "time": "2026-01-02T03:04:05.678Z",
        "group": "www",
        "kind": "state",
        "level": "warning",
        "text": happening().text,
        "details": {"to": "MASTER"},
    }


def test_what_components_tell_the_log_is_kept() -> None:
    log = Log(Written())
    events = Events(log)
    log.happened("link", Level.NOTICE, "net0: link down\x1b[2J", group="")
    log.notice("no event, only a line")
    (kept,) = events.since(1)
    assert (kept.kind, kept.text, kept.group) == ("link", "net0: link down\\x1b[2J", None)


def test_nobody_keeps_them_and_the_line_is_the_same() -> None:
    lines = Written()
    Log(lines).happened("link", Level.NOTICE, "net0: link down")
    assert lines == [(Level.NOTICE, "net0: link down")]


def test_level_and_limit() -> None:
    lines = Written()
    log = Log(lines, level=Level.ERROR, burst=2)
    events = Events(log)
    for _ in range(5):
        log.happened("flood", Level.WARNING, "a flood", key="flood")
    log.happened("mismatch", Level.DEBUG, "one more")
    assert lines == []  # as the level says
    assert len(list(events.since(1))) == 2  # the limit holds for both; what is DEBUG is no event


def test_the_latest_are_kept() -> None:
    events = Events(Log())
    for _ in range(KEPT + 7):
        events.emit(happening())
    kept = list(events.since(0))
    assert (len(kept), events.first_seq, events.next_seq) == (KEPT, 8, KEPT + 8)
    assert [one.seq for one in events.since(KEPT + 6)] == [KEPT + 6, KEPT + 7]
    assert list(events.since(KEPT + 8)) == []


def test_listeners() -> None:
    events, told = Events(Log()), list[Kept]()
    unsubscribe = events.subscribe(told.append)
    events.emit(happening())
    unsubscribe()
    unsubscribe()
    events.emit(happening())
    assert [(one.seq, one.kind) for one in told] == [(1, "state")]


def test_a_listener_with_a_fault_is_told_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines, told, faults = Written(), list[Kept](), list[object]()
    monkeypatch.setattr("sys.excepthook", lambda *fault: faults.append(fault[0]))
    events = Events(Log(lines))
    events.subscribe(lambda event: told[99].seq)  # type: ignore[arg-type]
    events.subscribe(told.append)
    events.emit(happening())
    events.emit(happening())
    assert [one.seq for one in told] == [1, 2]
    assert faults == [IndexError]
    fault = (Level.ERROR, "a reader of events has a fault, and is told no more")
    assert lines.count(fault) == 1


def test_what_is_handed_over_is_bounded() -> None:
    events = Events(Log())
    for _ in range(10):
        events.emit(Happening("state", "x" * (1 << 20), Level.NOTICE))
    kept = events.saved()["kept"]
    assert [row[5] for row in kept] == [8, 9, 10]


def test_each_start_has_its_epoch() -> None:
    assert Events(Log()).epoch != Events(Log()).epoch
    assert Events(Log(), epoch="abc").epoch == "abc"


def test_they_go_on_over_a_change_of_program() -> None:
    before, after = Events(Log()), Events(Log())
    for _ in range(3):
        before.emit(happening())
    after.emit(happening("of the new program"))
    told = json.loads(json.dumps(before.saved()))
    after.restore(told)
    assert (after.epoch, after.next_seq) == (before.epoch, 5)
    assert list(after.since(0))[:3] == list(before.since(0))
    assert [(one.seq, one.text) for one in after.since(4)] == [(4, "of the new program")]


@pytest.mark.parametrize("rubbish", [{}, {"epoch": "x", "next": "y"}, {"epoch": "x", "next": 3}])
def test_rubbish_is_no_past(rubbish: dict[str, Any]) -> None:
    events = Events(Log(), epoch="e")
    events.emit(happening())
    events.restore(rubbish)
    events.restore({**events.saved(), "kept": [[1]]})
    assert (events.epoch, events.next_seq) == ("e", 2)


def kinds() -> set[str]:
    """Return the kinds of events that the source emits."""
    source = Path(__file__).parents[2] / "src/carpool"
    calls = [
        node
        for path in source.rglob("*.py")
        if "happened(" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    told = [call.args[0] for call in calls if call.func.attr == "happened" and call.args]  # type: ignore[attr-defined]
    return {str(kind.value) for kind in told if isinstance(kind, ast.Constant)}


def test_every_kind_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs/control.md").read_text()
    _, _, table = page.partition("| kind | tells of | details |\n")
    rows = table.partition("\n\n")[0].splitlines()[1:]
    listed = {word for row in rows for word in row.split("|")[1].replace("`", "").split(", ")}
    listed = {word.strip() for word in listed}
    assert kinds() >= {"state", "link", "daemon"}
    assert kinds() <= listed
