"""What is shown: every line fits, only what changed is written, nothing is done unasked."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from carpool.carp.timing import SECOND
from carpool.cli import scan
from carpool.cli.scan import ranges
from carpool.watch.lan import Lan
from carpool.watch.page import Act, Page, Row
from carpool.watch.screen import Line, difference
from carpool.watch.sighting import Protocol, Sighting
from carpool.watch.table import duration, event_line, heading, row, summary

SOURCE = ip_address("192.0.2.1").packed
ADVERT = Sighting(Protocol.CARP, 4, 1, SOURCE, SECOND, 3 * SECOND, 100, demotion=20)
SIZE = (80, 24)
STYLES = {"": "", "head": "<h>", "bad": "<b>", "chosen": "<c>", "dim": ""}


def many(number: int) -> Lan:
    lan = Lan(0)
    for vhid in range(1, number + 1):
        for at in (SECOND, 2 * SECOND):
            lan.hear(replace(ADVERT, vhid=vhid), at)
    lan.advance(3 * SECOND)
    return lan


def rows_of(lan: Lan, width: int = 79) -> list[Row]:
    return [Row(row(group, 3 * SECOND, width, {}), "", "www") for group in lan.in_order()]


@pytest.mark.parametrize("width", [40, 79, 80, 200])
def test_lines_fit_and_stand_below_their_headings(width: int) -> None:
    lan = many(3)
    lan.hear(replace(ADVERT, source=ip_address("2001:db8::ffff:ffff:1").packed, family=6), SECOND)
    for group in lan.in_order():
        line = row(group, 3 * SECOND, width, {})
        assert len(line) <= width
    first = row(next(lan.in_order()), 3 * SECOND, 100, {SOURCE: "web1"})
    assert first[heading(100).index("MASTER") :].startswith("A web1")
    assert first[heading(100).index("SKEW") :].startswith("100-20 ")
    assert first[heading(100).index("EVERY") :].startswith("1.00s")
    assert first[heading(100).index("FOR") :].startswith("2.00s")


def test_two_hundred_groups_are_looked_through() -> None:
    rows, page = rows_of(many(200)), Page()
    lines = page.compose("title", "heading", rows, [], SIZE)
    assert len(lines) == 24
    assert lines[-1].text.endswith("1-21 of 200")
    for _ in range(30):
        page.press("page down", rows)
        page.compose("title", "heading", rows, [], SIZE)
    lines = page.compose("title", "heading", rows, [], SIZE)
    assert lines[-2].text.startswith(">200")
    page.press("up", rows)
    assert page.compose("t", "h", rows, [], SIZE)[-3].text.startswith(">199")
    # Fewer groups than before: the choice stays on the page.
    assert any(line.text.startswith(">") for line in page.compose("t", "h", rows[:5], [], SIZE))
    assert page.compose("t", "h", [], [], SIZE)


def test_a_demotion_is_asked_for_and_confirmed() -> None:
    rows, page = [Row("one", "", "www"), Row("two")], Page()
    assert page.press("d", rows) is None
    assert page.compose("t", "h", rows, [], SIZE)[-1].text.startswith("demote group www")
    assert page.press("n", rows) is None
    assert page.press("y", rows) is None
    page.press("p", rows)
    assert page.press("y", rows) == Act("promote", "www")
    page.press("down", rows)
    page.press("d", rows)
    assert page.press("y", rows) is None
    page.press("d", rows)
    assert "no daemon of this host" in page.compose("t", "h", rows, [], SIZE)[-1].text


def test_the_first_row_with_a_group_is_chosen() -> None:
    rows, page = [Row("about the daemon"), Row("one", "", "www"), Row("two", "", "db")], Page()
    assert page.compose("t", "h", rows[:1], [], SIZE)
    assert page.compose("t", "h", rows, [], SIZE)[3].text == ">one"
    page.press("d", rows)
    assert page.press("y", rows) == Act("demote", "www")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_a_scan_takes_time(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        scan.main(["lo", "--seconds", text])
    assert ended.value.code == 2
    assert "not a time of more than 0" in capsys.readouterr().err


def test_only_what_changed_is_written() -> None:
    old = [Line("one"), Line("two"), Line("three")]
    assert difference([], old, 10, STYLES).count("\x1b[K") == 3
    assert difference(old, old, 10, STYLES) == ""
    assert (
        difference(old, [Line("one"), Line("2"), Line("three")], 10, STYLES) == "\x1b[2;1H2\x1b[K"
    )
    assert difference(old, old[:1], 10, STYLES) == "\x1b[2;1H\x1b[K\x1b[3;1H\x1b[K"
    assert "<b>bad" in difference([], [Line("bad", "bad")], 10, STYLES)


def test_a_terminal_is_not_told_what_to_do_by_what_is_shown() -> None:
    written = difference([], [Line("\x1b[2Jevil\r\n")], 40, STYLES)
    assert written == "\x1b[1;1H?[2Jevil??\x1b[K"


def test_durations() -> None:
    for nanoseconds, text in (
        (312_000, "0.3ms"),
        (SECOND, "1.00s"),
        (59_990_000_000, "59.99s"),
        (310 * SECOND, "5m10s"),
        (100_000 * SECOND, "1d3h"),
    ):
        assert duration(nanoseconds) == text
        assert len(text) <= 7


def test_words() -> None:
    lan = many(2)
    assert summary(lan) == "2 groups"
    lan.advance(9 * SECOND)
    assert summary(lan) == "2 groups, 2 with NO master"
    assert event_line(lan.events[-1], SECOND, {SOURCE: "web1"}) == (
        "  1.00s ago  CARP 2: web1 -> nobody (fell silent)"
    )
    assert ranges([1, 2, 3, 5, 7, 8]) == "1-3, 5, 7-8"
    assert ranges([]) == ""
