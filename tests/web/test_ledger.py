"""What the page knows, as answers, silences and events come in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.web.fakes import group, master, status

from carpool.web.ledger import Ledger
from carpool.web.merge import Picture
from carpool.web.views import View

NOW = 1_000_000.0
OWN = {"web1": ["10.0.0.1"], "web2": ["10.0.0.2"]}


class World:
    """A ledger, and two nodes that tell it things."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def answer(self, node: str, state: str, seconds: float, now: float, **keys: object) -> None:
        document = status(
            group("www", state, sources=OWN[node], state_seconds=seconds, **keys), node=node
        )
        self.ledger.answered(node, f"at {node}", document, now, now)

    def event(
        self, node: str, before: str, after: str, told: float, now: float, *, live: bool = True
    ) -> None:
        event = {
            "time": datetime.fromtimestamp(told, UTC).isoformat(timespec="milliseconds"),
            "kind": "state",
            "level": "notice",
            "group": "www",
            "text": f"www: Switching to state: {after}",
            "details": {"from": before, "to": after},
        }
        self.ledger.happened(node, event, now, live=live)

    @property
    def picture(self) -> Picture:
        (one,) = self.ledger.pictures()
        return one

    def told(self, start: float, end: float) -> list[str]:
        return [
            f"{one.start - NOW:.2f} {'+'.join(one.holders) or one.kind.value}"
            for one in self.ledger.stretches(self.picture, NOW + start, NOW + end)
        ]


@pytest.fixture
def world() -> World:
    made = World()
    made.answer("web1", "MASTER", 60, NOW)
    made.answer("web2", "BACKUP", 50, NOW, master=master("10.0.0.1"))
    return made


def test_a_failover_as_the_page_sees_it(world: World) -> None:
    assert not world.picture.findings
    world.ledger.silent("web1", "at web1", "no daemon runs there", NOW + 1, gone=True)
    world.answer("web2", "BACKUP", 52, NOW + 2)
    assert "no master: nobody holds the address" in [f.text for f in world.picture.findings]
    world.answer("web2", "MASTER", 1, NOW + 4, transitions=2)
    assert world.picture.headline == "web2"
    assert [f.text for f in world.picture.findings] == ["web1 is not running"]
    assert world.told(-10, 4) == ["-10.00 web1", "0.00 outage", "3.00 web2"]


def test_a_daemon_that_dies_was_what_it_was_until_its_events_broke_off(world: World) -> None:
    world.ledger.silent("web1", "", "no daemon", NOW + 4.1, gone=True, lived_until=NOW + 4)
    world.answer("web2", "MASTER", 1, NOW + 8, transitions=2)
    assert world.told(-10, 8) == ["-10.00 web1", "4.00 outage", "7.00 web2"]


def test_a_silent_node_keeps_its_last_word_and_its_age(world: World) -> None:
    world.ledger.silent("web1", "at web1", "it does not answer", NOW + 5)
    view: View = world.ledger.views[0]
    assert (view.error, view.answered, view.speaks) == ("it does not answer", NOW, False)
    assert view.said["www"].state == "MASTER"
    world.ledger.silent("web1", "at web1", "it does not answer", NOW + 6)
    assert [one.text for one in world.ledger.news()] == ["it cannot be asked: it does not answer"]
    world.answer("web1", "MASTER", 67, NOW + 7)
    assert world.ledger.news()[0].text == "it answers again"
    assert world.told(-10, 7) == ["-10.00 web1"]


def test_what_others_hear_of_a_silent_master_counts(world: World) -> None:
    world.ledger.silent("web1", "at web1", "it does not answer", NOW + 1)
    for second in range(2, 20):
        world.answer("web2", "BACKUP", 50 + second, NOW + second, master=master("10.0.0.1", 0.5))
    assert world.told(-10, 19.4) == ["-10.00 web1"]
    assert world.picture.hearsay == "web1"


def test_an_event_tells_the_time_of_a_change(world: World) -> None:
    world.event("web1", "MASTER", "BACKUP", NOW + 1.5, NOW + 1.6)
    world.event("web2", "BACKUP", "MASTER", NOW + 1.5, NOW + 1.6)
    world.answer("web1", "BACKUP", 0.3, NOW + 1.9, transitions=2)
    world.answer("web2", "MASTER", 0.3, NOW + 1.9, transitions=2)
    assert world.told(-10, 2) == ["-10.00 web1", "1.50 web2"]


def test_the_clock_of_a_node_may_be_wrong(world: World) -> None:
    for node, before, after in (("web1", "MASTER", "BACKUP"), ("web2", "BACKUP", "MASTER")):
        world.event(node, before, after, NOW - 3600 + 1.5, NOW + 1.5)
    assert world.told(-10, 2) == ["-10.00 web1", "1.50 web2"]
    assert world.ledger.news()[0].when == pytest.approx(NOW + 1.5)


def test_what_has_happened_before_we_came_fills_the_past() -> None:
    world = World()
    for node, before, after, when in (
        ("web1", "BACKUP", "MASTER", -100),
        ("web2", "INIT", "BACKUP", -99),
        ("web1", "MASTER", "BACKUP", -50),
        ("web2", "BACKUP", "MASTER", -50),
    ):
        world.event(node, before, after, NOW + when, NOW, live=False)
    world.answer("web1", "BACKUP", 50, NOW, master=master("10.0.0.2"))
    world.answer("web2", "MASTER", 50, NOW)
    assert world.told(-90, 0) == ["-90.00 web1", "-50.00 web2"]


def test_the_start_of_a_state_does_not_tremble(world: World) -> None:
    since = {world.picture.since}
    for second in range(1, 10):
        world.answer("web1", "MASTER", 60 + second - 0.01 * (second % 3), NOW + second)
        since.add(world.picture.since)
    assert len(since) == 1


def test_a_node_that_stays_gone_does_not_push_out_what_it_was(world: World) -> None:
    for second in range(1, 1000, 3):
        for node in ("web1", "web2"):
            world.ledger.silent(node, "", "no daemon runs there", NOW + second, gone=True)
    assert world.told(-10, 1000) == ["-10.00 web1", "0.00 unknown", "1.00 outage"]
    assert world.picture.headline == "nobody"


def test_a_node_that_was_cut_off_while_it_was_gone_may_have_run_meanwhile(world: World) -> None:
    for second, gone in ((1, True), (100, False), (500, True)):
        for node in ("web1", "web2"):
            world.ledger.silent(node, "", "why", NOW + second, gone=gone)
    assert world.told(-10, 600) == ["-10.00 web1", "0.00 unknown", "500.00 outage"]


def test_what_was_said_of_a_clock_centuries_ahead_can_be_shown(world: World) -> None:
    for told in ("9999-12-31T23:59:59Z", "1970-01-12T13:46:40Z"):
        event = {"time": told, "kind": "link", "text": "half \ud800", "group": ["no", "name"]}
        world.ledger.happened("web1", event, NOW)
    for news in world.ledger.news():
        assert 0 <= news.when <= NOW
        assert news.text == r"half \ud800"


def test_rubbish_is_no_event(world: World) -> None:
    version = world.ledger.version
    early = {"time": "0001-01-01T00:00:00+14:00", "text": "", "kind": "state"}
    for event in ({}, {"time": "x", "text": "", "kind": "state"}, {"time": 3}, {"lost": 17}, early):
        world.ledger.happened("web1", event, NOW)
    assert world.ledger.version == version
    assert world.ledger.news() == []


def test_news_is_bounded_and_can_be_had_of_a_group(world: World) -> None:
    for number in range(1000):
        world.ledger.done("web1", "www" if number % 2 else "db", f"number {number}", NOW + number)
    assert len(world.ledger.news(most=10_000)) == 500
    assert [one.text for one in world.ledger.news("db", 2)] == ["number 998", "number 996"]
