"""What the demo shows: timelines, the table, JSON, the live line; needs no namespaces."""

import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.support.cluster_files import cluster_at

from carpool.carp.timing import SECOND
from carpool.lab.demo import FAULTS, WITH_PREEMPT, play
from carpool.lab.performance import SHIPPED
from carpool.lab.picture import Mark, Story, duration, legend, svg, timeline
from carpool.lab.prepare import prepare
from carpool.lab.probe import Answer
from carpool.lab.report import Result, as_json, table
from carpool.lab.stage import Stage
from carpool.lab.view import View
from carpool.lab.virtual import VirtualStage
from carpool.sim.record import Span

MS = 1_000_000


def story() -> Story:
    """Zone a answers for 4 s; it freezes; b answers after 2 s, to the end at 10 s."""
    instants = [*range(0, 4000, 10), *range(6000, 10000, 10)]
    answers = [Answer(at * MS, at * MS, "a" if at < 4000 else "b") for at in instants]
    spans = [
        Span(0, 6 * SECOND, frozenset("a")),
        Span(6 * SECOND, 8 * SECOND, frozenset("ab")),
        Span(8 * SECOND, 10 * SECOND, frozenset("b")),
    ]
    marks = [Mark(4 * SECOND, "a", "freeze", fault=True), Mark(8 * SECOND, "a", "", fault=False)]
    return Story(("a", "b"), 0, 10 * SECOND, answers, spans, marks)


def test_the_timeline_in_characters() -> None:
    assert timeline(story(), 43) == [
        "                   freeze",
        "a  ████████████████x░░░░░░░░░░░░░░░o·······",
        "b  ························████████████████",
        "   0       2       4       6       8 s",
    ]


def test_the_timeline_in_ascii_says_the_same() -> None:
    wide = timeline(story(), 60)
    plain = timeline(story(), 60, ascii_only=True)
    assert [line.translate(str.maketrans("█░·", "#-.")) for line in wide] == plain
    assert all(line.isascii() for line in [*plain, legend(ascii_only=True)])


def test_no_line_is_wider_than_asked_for() -> None:
    for width in (30, 43, 80, 200):
        assert max(map(len, timeline(story(), width))) <= width


def test_an_empty_story_has_a_timeline() -> None:
    empty = Story(("a",), 0, 0, [], [], [])
    assert timeline(empty, 40)[1].startswith("a  ··")
    ET.fromstring(svg(empty, "nothing"))


def test_the_svg_is_well_formed_and_tells_the_outage() -> None:
    text = svg(story(), "a & b <1>")
    root = ET.fromstring(text)
    assert root.attrib["viewBox"].startswith("0 0 960 ")
    names = {"{http://www.w3.org/2000/svg}title": "a & b <1>"}
    assert {child.tag: child.text for child in root if child.tag in names} == names
    kinds = [element.attrib.get("class") for element in root.iter()]
    assert kinds.count("silent") == 2  # the outage and its legend
    assert "2.01 s" in text


def test_stretches_end_where_another_answers_or_nobody() -> None:
    assert list(story().answered()) == [
        ("a", 0, 3990 * MS),
        ("b", 6000 * MS, 9990 * MS),
    ]


def test_durations() -> None:
    assert [duration(n * MS) for n in (0, 9, 999, 1000, 3391)] == [
        "0 ms",
        "9 ms",
        "999 ms",
        "1.00 s",
        "3.39 s",
    ]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Narrow(io.StringIO):
    encoding = "ascii"


def virtual() -> VirtualStage:
    cluster = cluster_at(SHIPPED)
    prepared = prepare(cluster, scripts=False)
    return VirtualStage(prepared.cluster, prepared.passwords, pace=1e9)


def played(stage: Stage) -> tuple[Result, str]:
    out = io.StringIO()
    return play(stage, View(out)), out.getvalue()


@pytest.fixture(scope="module")
def result() -> tuple[Result, str]:
    return played(virtual())


def test_the_demo_keeps_its_promises(result: tuple[Result, str]) -> None:
    outcomes = {outcome.fault: outcome for outcome in result[0].outcomes}
    assert list(outcomes) == [fault.name for fault in (*FAULTS, WITH_PREEMPT)]
    assert result[0].ok
    assert outcomes["clean stop"].outage < 10 * MS
    # From when the address has run out, 2 s after the last advertisement, until the takeover.
    assert 500 * MS < outcomes["killed"].outage < 1500 * MS
    assert all(outcomes[fault].shared == 0 for fault in ("killed", "frozen"))
    assert 2 * SECOND < outcomes["frozen"].outage < 3400 * MS
    assert 2 * SECOND < outcomes["cable pulled"].outage < 3400 * MS
    assert [outcome.returned for outcome in outcomes.values()] == [False] * 4 + [True]
    assert len({outcome.zone for outcome in outcomes.values()}) == 2


def test_the_table_fits_80_columns(result: tuple[Result, str]) -> None:
    lines = list(table(result[0].outcomes))
    assert len(lines) == 6
    assert max(map(len, lines)) <= 80
    assert all(len(line) <= 80 for line in result[1].splitlines())
    assert "\x1b" not in result[1]


def test_the_json_has_it_all(result: tuple[Result, str]) -> None:
    document = json.loads(as_json(result[0], mode="virtual"))
    assert document["mode"] == "virtual"
    assert document["ok"] is True
    assert document["problems"] == []
    frozen = document["acts"][2]
    assert frozen["fault"] == "frozen"
    assert frozen["outage_ms"] == pytest.approx(result[0].outcomes[2].outage / MS)


class Flapping(VirtualStage):
    """Its daemons always preempt."""

    def start(self, zone: str, *, preempt: bool = False) -> None:
        super().start(zone, preempt=True)


class Deserted(VirtualStage):
    """Nobody but web1 ever starts."""

    def start(self, zone: str, *, preempt: bool = False) -> None:
        if zone == "web1":
            super().start(zone, preempt=preempt)

    def takes_part(self, zone: str) -> bool:
        return True


class Lazy(VirtualStage):
    """Does not go back, whatever preempt says."""

    def start(self, zone: str, *, preempt: bool = False) -> None:
        super().start(zone, preempt=False)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (Flapping, "clean stop: the address went back to web1"),
        (Deserted, "clean stop: nobody took over from web1"),
        (Lazy, "stop, preempt: the address did not go back to web1"),
    ],
)
def test_a_broken_promise_is_told(kind: type[VirtualStage], problem: str) -> None:
    cluster = cluster_at(SHIPPED)
    prepared = prepare(cluster, scripts=False)
    result, text = played(kind(prepared.cluster, prepared.passwords, pace=1e9))
    assert not result.ok
    assert problem in " ".join(result.problems), text


class Busy(VirtualStage):
    """Its client has no processor for most of each second, and says so afterwards."""

    EVERY, AWAY = 1009 * MS, 800 * MS

    def answers(self) -> Sequence[Answer]:
        heard: list[Answer] = vars(self).setdefault("_heard", [])
        for answer in self._answers:
            turn, at = divmod(answer.received, self.EVERY)
            if at >= self.AWAY:
                first = bool(heard) and heard[-1].received // self.EVERY < turn
                heard.append(replace(answer, stalled=self.AWAY if first else 0))
        self._answers.clear()
        return heard


def test_a_client_without_a_processor_is_no_broken_promise() -> None:
    cluster = cluster_at(SHIPPED)
    prepared = prepare(cluster, scripts=False)
    result, text = played(Busy(prepared.cluster, prepared.passwords, pace=1e9))
    assert result.ok, text


def test_the_live_line_is_for_terminals() -> None:
    stage = virtual()
    for zone in stage.zones:
        stage.start(zone)
    stage.pass_time(4 * SECOND)
    plain = io.StringIO()
    View(plain, {}).show(stage, 0)
    assert plain.getvalue() == ""
    out = Terminal()
    view = View(out, {"NO_COLOR": "1", "TERM": "xterm"})
    view.show(stage, 0)
    line = out.getvalue().removeprefix("\r\x1b[K")
    assert "web1 MASTER  ●  web2 BACKUP" in line
    assert "client: web1 answers" in line
    assert "\x1b" not in line
    assert len(line) < 80
    coloured = Terminal()
    View(coloured, {"TERM": "xterm"}).show(stage, 0)
    assert "\x1b[32m" in coloured.getvalue()
    dumb = Terminal()
    View(dumb, {"TERM": "dumb"}).show(stage, 0)
    assert dumb.getvalue() == ""


def test_what_a_terminal_cannot_write_is_written_in_ascii() -> None:
    assert View(Narrow()).ascii_only
    assert not View(Terminal()).ascii_only
