"""What is shown: every line fits, only what changed is written, nothing is done unasked."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.screen import VirtualScreen

from carpool.carp.timing import SECOND
from carpool.cli import scan
from carpool.cli.scan import ranges
from carpool.watch.lan import Lan
from carpool.watch.page import Act, Page, Row
from carpool.watch.screen import _STYLES, Line, difference, first_key
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


a_line = st.builds(
    Line,
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=90),
    st.sampled_from(sorted(STYLES)),
)


@given(st.lists(st.lists(a_line, max_size=4), min_size=2, max_size=5))
def test_what_is_written_makes_the_page_of_whatever_was_there(pages: list[list[Line]]) -> None:
    screen, shown = VirtualScreen(80, 4), list[Line]()
    for page in pages:
        screen.write(difference(shown, page, 80, _STYLES))
        shown = page
        wanted = [line.text[:80].rstrip() for line in page]
        assert screen.text == wanted + [""] * (4 - len(wanted))


def test_a_scan_of_two_hundred_groups() -> None:
    lan = many(200)
    lines = scan._text(lan, list(lan.in_order()), 3 * SECOND)
    assert len(lines) == 202
    assert max(map(len, lines)) <= 100
    assert lines[200].startswith("200  CARP     A 192.0.2.1")
    assert lines[-1] == "free vhids: 201-255"


def test_two_hundred_groups_cost_a_slow_line_little() -> None:
    lan, page, shown, screen = many(200), Page(), list[Line](), VirtualScreen(80, 24)
    written = []
    for half_seconds in range(6, 30):
        now = half_seconds * SECOND // 2
        if half_seconds % 2:
            for vhid in range(1, 201):
                lan.hear(replace(ADVERT, vhid=vhid), now - vhid * 1_000_000)
        lan.advance(now)
        rows = [Row(row(group, now, 79, {})) for group in lan.wrong_first()]
        composed = page.compose(summary(lan), heading(79), rows, [], SIZE)
        text = difference(shown, composed, 80, _STYLES)
        screen.write(text)
        shown = composed
        assert screen.text == [line.text.rstrip() for line in composed]
        written.append(len(text))
    assert max(written[2:]) < 1000, "a modem of 9600 bit/s does that in a second"


def test_what_is_wrong_stands_first() -> None:
    lan = many(200)
    for vhid in range(1, 201):
        if vhid not in (7, 150):
            lan.hear(replace(ADVERT, vhid=vhid), 5 * SECOND)
    lan.advance(6 * SECOND)
    assert [group.key[0] for group in lan.wrong_first()][:4] == [7, 150, 1, 2]


def test_the_choice_follows_its_row() -> None:
    page = Page()
    rows = [Row(f"row {number}", "", f"group{number}", number) for number in range(3)]
    page.compose("t", "h", rows, [], SIZE)
    page.press("down", rows)
    moved = [rows[2], rows[0], rows[1]]
    assert page.compose("t", "h", moved, [], SIZE)[4].text == ">row 1"
    page.press("d", moved)
    assert page.press("y", moved) == Act("demote", "group1")


def test_finding_rows() -> None:
    rows, page = [Row(f"{number} Web{number}", "", "www") for number in range(1, 201)], Page()

    def shown() -> list[str]:
        lines = page.compose("t", "h", rows, [], SIZE)
        return [line.text.strip() for line in (*lines[2:-1], lines[-1]) if line.text.strip()]

    page.press("/", rows)
    assert page.typing
    for key in ("w", "e", "q", "backspace", "b", "1", "9"):
        page.press(key, rows)
    assert shown()[-1].startswith("/web19_  11 of 200")
    assert shown()[:2] == [">19 Web19", "190 Web190"]
    page.press("enter", rows)
    page.press("G", rows)
    assert ">199 Web199" in shown()
    assert "not only /web19" in shown()[-1]
    page.press("escape", rows)
    assert shown()[-1].startswith("q: quit")
    page.press("home", rows)
    assert shown()[0] == ">1 Web1"
    page.press("/", rows)
    for key in "nobody":
        page.press(key, rows)
    assert shown() == ["/nobody_  0 of 200  enter: look through them  esc: show all"]
    page.press("enter", rows)
    page.press("d", rows)
    assert "no daemon of this host" in shown()[-1]


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"", ["quit"]),
        (b"/web1\r", ["/", "w", "e", "b", "1", "enter"]),
        (b"\x1b[B\x1b[B\x1bOA", ["down", "down", "up"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[1;5Cq", ["escape", "q"]),
        (b"\x7f\x1b[4~", ["backspace", "end"]),
    ],
)
def test_keys(typed: bytes, keys: list[str]) -> None:
    found, rest = list[str](), typed
    while rest or not found:
        key, rest = first_key(rest)
        found.append(key)
    assert found == keys


def test_a_terminal_is_not_told_what_to_do_by_what_is_shown() -> None:
    written = difference([], [Line("\x1b[2Jevil\r\n")], 40, STYLES)
    assert written == "\x1b[1;1H?[2Jevil??\x1b[K"


def test_durations() -> None:
    for nanoseconds, text in (
        (312_000, "0.3ms"),
        (SECOND, "1.00s"),
        (20_040_000, "20.0ms"),
        (312_400_000, "312ms"),
        (999_960_000, "1.00s"),
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
