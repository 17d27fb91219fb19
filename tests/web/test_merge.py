"""From what each node says to what is so: the table of `carpool.web.merge`."""

from __future__ import annotations

from typing import Any

import pytest
from tests.web.fakes import group, master, status

from carpool.web.merge import Grade, Picture, merge
from carpool.web.views import View, read

NOW = 1_000_000.0
OWN = {"web1": ["10.0.0.1"], "web2": ["10.0.0.2"], "web3": ["10.0.0.3"]}


def view(node: str, state: str, *, asked: float = NOW, seconds: float = 60, **keys: object) -> View:
    one = group("www", state, sources=OWN[node], state_seconds=seconds, **keys)
    return read(status(one), f"at {node}", node, asked, asked)


def obeys(node: str, other: str, heard: float = 0.1, **keys: Any) -> View:
    return view(node, "BACKUP", master=master(OWN[other][0], heard), **keys)


def silent(node: str, state: str = "MASTER", *, gone: bool = False) -> View:
    said = view(node, state)
    return View(node, said.place, said.answered, "no answer", gone, said=said.said)


def only(views: list[View], members: dict[str, list[str]] | None = None) -> Picture:
    (picture,) = merge(views, members)
    return picture


def texts(picture: Picture, grade: Grade) -> list[str]:
    return [finding.text for finding in picture.findings if finding.grade is grade]


def test_one_master_whom_the_others_obey_is_well() -> None:
    picture = only([view("web1", "MASTER"), obeys("web2", "web1"), obeys("web3", "web1")])
    assert (picture.grade, picture.findings) == (Grade.GOOD, ())
    assert (picture.holders, picture.headline, picture.since) == (("web1",), "web1", NOW - 60)


def test_two_masters_at_one_instant_are_a_fault() -> None:
    picture = only([view("web1", "MASTER"), view("web2", "MASTER", seconds=5)])
    assert picture.grade is Grade.FAULT
    assert picture.headline == "web1 and web2"
    assert "2 masters: web1 and web2 say MASTER" in texts(picture, Grade.FAULT)


def test_a_handover_between_two_answers_is_not_two_masters() -> None:
    before = view("web1", "MASTER", asked=NOW - 2)
    picture = only([before, view("web2", "MASTER", seconds=1)])
    assert picture.grade is Grade.CHANGING


def test_nobody_at_one_instant_is_a_fault() -> None:
    picture = only([view("web1", "BACKUP"), view("web2", "BACKUP", seconds=3)])
    assert texts(picture, Grade.FAULT) == ["no master: nobody holds the address"]
    assert (picture.headline, picture.since) == ("nobody", NOW - 3)


def test_a_handover_between_two_answers_is_not_nobody() -> None:
    before = view("web1", "BACKUP", asked=NOW - 2)
    assert only([before, view("web2", "BACKUP", seconds=1)]).grade is Grade.CHANGING


def test_who_obeys_another_than_the_master_disagrees() -> None:
    picture = only([view("web1", "MASTER"), obeys("web2", "web3"), obeys("web3", "web1")])
    assert texts(picture, Grade.FAULT) == [
        "the nodes disagree: web2 obeys web3, but web1 is master"
    ]


def test_what_was_heard_before_the_master_became_one_proves_nothing() -> None:
    old = obeys("web2", "web3", heard=10)
    assert only([view("web1", "MASTER", seconds=5), old]).grade is Grade.GOOD


def test_backups_that_obey_different_masters_disagree() -> None:
    picture = only([obeys("web1", "web3"), obeys("web2", "web1")])
    assert "the nodes disagree: some obey 10.0.0.3 and web1" in texts(picture, Grade.FAULT)


def test_a_backup_that_hears_no_master_is_told() -> None:
    picture = only([view("web1", "MASTER"), view("web2", "BACKUP")])
    assert texts(picture, Grade.WARNING) == ["web2 hears no master, but web1 is"]


def test_the_last_word_of_a_silent_master_is_not_taken_for_its_being_master() -> None:
    picture = only([silent("web1"), view("web2", "MASTER")])
    assert picture.holders == ("web2",)
    assert texts(picture, Grade.WARNING) == ["web1 cannot be asked"]


def test_a_silent_master_that_others_hear_holds_it_by_hearsay() -> None:
    picture = only([silent("web1"), obeys("web2", "web1")])
    assert (picture.hearsay, picture.headline, picture.since) == ("web1", "web1?", None)
    assert picture.grade is Grade.WARNING


def test_hearsay_of_a_node_that_has_never_said_a_word_is_by_the_cluster_file() -> None:
    picture = only([obeys("web2", "web1")], {"www": ["web1", "web2"]})
    assert picture.hearsay == "web1"


def test_nobody_who_can_be_asked_is_not_nobody() -> None:
    picture = only([silent("web1"), view("web2", "BACKUP")])
    assert picture.headline == "not known"
    assert "no node that can be asked is master; web1 may be" in texts(picture, Grade.WARNING)


def test_a_node_whose_daemon_is_gone_holds_nothing() -> None:
    picture = only([silent("web1", gone=True), view("web2", "BACKUP")])
    assert texts(picture, Grade.FAULT) == ["no master: nobody holds the address"]
    assert "web1 is not running" in texts(picture, Grade.WARNING)


def test_a_cluster_that_runs_nowhere_has_no_master() -> None:
    gone = [silent("web1", gone=True), silent("web2", gone=True)]
    assert only(gone).grade is Grade.FAULT


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"vhid": 43}, "the nodes have different vhids: web1 42 and web2 43"),
        (
            {"addresses": ["10.0.0.101/16"]},
            "the nodes have different addresses: web1: 10.0.0.100/16; web2: 10.0.0.101/16",
        ),
    ],
)
def test_settings_that_differ_are_a_fault(keys: dict[str, Any], text: str) -> None:
    picture = only([view("web1", "MASTER"), obeys("web2", "web1", **keys)])
    assert texts(picture, Grade.FAULT) == [text]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (
            {"demotion": 100, "demotions": {"check web": 100}},
            "web2 is demoted: check web (100)",
        ),
        (
            {"demotion": 255, "demotions": {"maintenance": 255}},
            "web2 must not be master: maintenance",
        ),
    ],
)
def test_who_is_demoted_is_told(keys: dict[str, Any], text: str) -> None:
    picture = only([view("web1", "MASTER"), obeys("web2", "web1", **keys)])
    assert texts(picture, Grade.WARNING) == [text]


def test_groups_come_as_the_cluster_file_has_them_then_as_they_are_told_of() -> None:
    extra = read(status(group("x", "MASTER"), group("www", "BACKUP")), "", "web1", NOW, NOW)
    names = [one.name for one in merge([extra], {"www": ["web1"], "db": ["web2"]})]
    assert names == ["www", "db", "x"]


def test_what_is_no_status_is_refused() -> None:
    documents: list[dict[str, Any]] = [
        {},
        {"groups": [{}]},
        {"groups": 3},
        status({"group": "www"}),
    ]
    for document in documents:
        with pytest.raises(ValueError, match="no status"):
            read(document, "", "web1", NOW, NOW)
