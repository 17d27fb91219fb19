"""Maintenance mode is remembered, or says that it is not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.written import Written

from carpool.carp.election import NEVER_MASTER
from carpool.node.group import Group
from carpool.node.log import Log
from carpool.node.maintenance import Maintenance, MaintenanceError
from carpool.node.state import StateDirectory


class Told:
    """A group as far as maintenance knows one."""

    def __init__(self, name: str) -> None:
        self.settings = SimpleNamespace(name=name)
        self.demotions: list[tuple[str, int]] = []

    def demote(self, reason: str, amount: int) -> None:
        self.demotions.append((reason, amount))


WEB, DATABASE = cast(Group, Told("web")), cast(Group, Told("db"))


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "state")


def inside(maintenance: Maintenance) -> list[bool]:
    return [maintenance.includes(WEB), maintenance.includes(DATABASE)]


def again(state: StateDirectory, lines: Written) -> Maintenance:
    loaded = Maintenance("left", state, Log(lines))
    loaded.load()
    return loaded


def test_it_is_remembered_for_the_node_or_for_groups(state: StateDirectory, lines: Written) -> None:
    first = again(state, lines)
    assert inside(first) == [False, False]
    assert first.begin(["web"]) is None
    assert inside(first) == inside(again(state, lines)) == [True, False]
    assert first.begin(None) is None
    assert inside(again(state, lines)) == [True, True]
    with pytest.raises(MaintenanceError, match="the whole node is in maintenance"):
        first.end(["web"])
    assert first.end(None) is None
    assert inside(first) == inside(again(state, lines)) == [False, False]
    assert list(state.path.iterdir()) == []
    assert lines == []


def test_each_node_has_its_own(state: StateDirectory, lines: Written) -> None:
    again(state, lines).begin(None)
    other = Maintenance("right", state, Log(lines))
    other.load()
    assert inside(other) == [False, False]


def test_groups_in_maintenance_must_not_be_master(state: StateDirectory, lines: Written) -> None:
    groups = [Told("web"), Told("db")]
    maintenance = again(state, lines)
    maintenance.begin(["db"])
    maintenance.apply(cast(list[Group], groups))
    assert [group.demotions for group in groups] == [
        [("maintenance", 0)],
        [("maintenance", NEVER_MASTER)],
    ]


def test_what_cannot_be_kept_is_told(
    state: StateDirectory, lines: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Maintenance("left", None, Log(lines)).begin(None)
    assert said == "there is no state directory: it will be forgotten when the daemon stops"
    maintenance = again(state, lines)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state, "write", full)
    assert "No space left on device" in str(maintenance.begin(None))
    assert inside(maintenance) == [True, True]
    assert "No space left on device" in lines.texts[0]


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"[" * 30000, b'{"whole": 1, "groups": []}', b'{"whole":true}']
)
def test_a_spoilt_file_is_told(state: StateDirectory, lines: Written, content: bytes) -> None:
    state.write("left.maintenance", content)
    assert inside(again(state, lines)) == [False, False]
    assert len(lines) == 1
    assert "left.maintenance" in lines.texts[0]
    assert "carpool maintenance on" in lines.texts[0]


def test_all_the_groups_that_there_can_be_are_remembered(
    state: StateDirectory, lines: Written
) -> None:
    names = [f"a-group-with-quite-a-long-name-{number}" for number in range(4080)]
    assert again(state, lines).begin([*names, "web"]) is None
    assert inside(again(state, lines)) == [True, False]
    assert lines == []
