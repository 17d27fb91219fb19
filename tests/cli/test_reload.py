"""What ``carpool reload`` says."""

from typing import Any

import pytest

from carpool.cli import reload

CHANGES = [
    {"what": "group", "name": "db", "change": "changed", "keys": {"up": [None, "/bin/up x"]}},
    {"what": "group", "name": "mail", "change": "changed", "keys": {"passwords": None}},
    {"what": "group", "name": "old", "change": "removed", "keys": {}},
    {"what": "check", "name": "web", "change": "changed", "keys": {"port": ["80", "81"]}},
    {"what": "other", "name": "log", "change": "changed", "keys": {}},
]


@pytest.mark.parametrize(
    ("applied", "arguments", "last"),
    [(True, [], "applied"), (False, ["--dry-run"], "nothing was changed: this was a dry run")],
)
def test_what_is_changed_and_whether_it_was(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    last: str,
    *,
    applied: bool,
) -> None:
    asked: dict[str, Any] = {}
    answer = {
        "changes": CHANGES,
        "warnings": ["a.toml:3: warning: so"],
        "applied": applied,
        "program": "1",
        "new_program": "1",
        "restarts": 1,
    }
    monkeypatch.setattr(reload, "tell", lambda *_, **wishes: asked.update(wishes) or answer)
    monkeypatch.setattr(reload, "came_back", lambda *_: {})
    assert reload.main(arguments) == 0
    said = capsys.readouterr()
    assert said.err == "a.toml:3: warning: so\n"
    assert said.out.splitlines() == [
        *("db: changed", "    up: the default -> /bin/up x"),
        *("mail: changed", "    passwords"),
        "old: removed",
        *("check web: changed", "    port: 80 -> 81"),
        "log: changed",
        last,
    ]
    assert asked["dry_run"] is not applied


def test_the_same_file_with_a_new_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"changes": [], "warnings": [], "applied": False, "program": "1", "new_program": "2"}
    monkeypatch.setattr(reload, "tell", lambda *_, **_wishes: answer)
    assert reload.main([]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "nothing has changed in the file",
        "the program that is installed is another, 2: carpool restart",
    ]


def test_a_daemon_that_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"changes": CHANGES, "warnings": [], "applied": True, "restarts": 1}
    monkeypatch.setattr(reload, "tell", lambda *_, **_wishes: answer)
    monkeypatch.setattr(reload, "came_back", lambda *_: None)
    assert reload.main([]) == 4
