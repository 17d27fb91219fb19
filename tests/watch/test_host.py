"""What is shown of this host's daemons, as they would answer, in virtual time."""

import threading
from argparse import Namespace
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.support import status
from tests.support.screen import VirtualScreen

from carpool.carp.timing import SECOND
from carpool.cli import watch_host
from carpool.cli.watch_host import HostView
from carpool.node.client import AskError
from carpool.watch.host import Host
from carpool.watch.host_table import heading, row
from carpool.watch.page import Act, Page
from carpool.watch.screen import _STYLES, Line, difference

PEER = "192.0.2.2"
SIZE = (80, 24)


def peer(heard: float, address: str = PEER, advskew: int = 0, interval: float = 1.0) -> object:
    advbase = 255 if advskew == 255 else 1
    keys = {"advbase": advbase, "advskew": advskew, "interval": interval, "heard_seconds": heard}
    return status.peer(address, **keys)


def backup(state: float, heard: float, name: str = "www", **of_peer: Any) -> dict[str, Any]:
    return group("BACKUP", state, name, peer(heard, **of_peer))


def group(
    state: str, seconds: float, name: str = "www", master: object = None, transitions: int = 1
) -> dict[str, Any]:
    return status.group(
        name,
        state,
        state_seconds=seconds,
        why="no master heard for 3.000 s",
        transitions=transitions,
        interval=1.25,
        master_down_time=3.25,
        addresses=["192.0.2.100/24"],
        master=master,
    )


def answer(*groups: dict[str, Any], node: str = "web1") -> dict[str, Any]:
    return status.document(*groups, node=node, pid=7, uptime_seconds=90.0)


def changed(second: int, state: str, transition: int, master: str | None = None) -> dict[str, Any]:
    return {
        "seq": transition,
        "time": f"2026-01-02T03:04:{second:02}.000Z",
        "group": "www",
        "kind": "state",
        "text": f"www: Switching to state: {state}",
        "details": {"from": "?", "to": state, "master": master, "transition": transition},
    }


def shown(view: HostView, page: Page, *composed: Any) -> list[str]:
    """Return what a terminal of 80x24 shows."""
    screen = VirtualScreen(*SIZE)
    screen.write(difference([], page.compose(*view.compose(*composed), SIZE), SIZE[0], _STYLES))
    return screen.text


@pytest.fixture
def view() -> HostView:
    return HostView(Namespace(node=None, run_dir=Path("nowhere")), {})


def cells(text: str) -> dict[str, str]:
    """Return the cells of a line by their headings."""
    heads = heading(79)
    starts = [heads.index(head) for head in heads.replace("LAST SECONDS", "LAST").split()]
    ends = [*starts[1:], None]
    names = [heads[a:b].strip() for a, b in zip(starts, ends, strict=True)]
    parts = [text[a:b].strip() for a, b in zip(starts, ends, strict=True)]
    return dict(zip(names, parts, strict=True))


def test_a_backup_tells_of_its_master_and_how_steady_it_is() -> None:
    host = Host(0)
    # It speaks at 0, 1.1, 2, 3.1, 4 ... s of the state; asked twice a second.
    spoken = [number + (0.1 if number % 2 else 0.0) for number in range(20)]
    for half in range(1, 30):
        now = half * SECOND // 2
        heard = max(one for one in spoken if one <= half / 2)
        host.take(answer(backup(half / 2, half / 2 - heard)), now)
        host.advance(now)
    (one,) = host.groups.values()
    seen = cells(row(one, "www", 29 * SECOND // 2, 79, {ip_address(PEER).packed: "web2"}))
    assert (seen["GROUP"], seen["STATE"], seen["MASTER"]) == ("www", "BACKUP", "B web2")
    assert (seen["EVERY"], seen["FOR"]) == ("1.00s", "14.50s")
    assert 0.08 * SECOND < (one.jitter or 0) < 0.21 * SECOND  # 0.9 s and 1.1 s by turns
    assert seen["LAST SECONDS"] == "B" * 14


def test_what_is_asked_for_too_seldom_has_no_jitter() -> None:
    host = Host(0)
    for half in range(1, 20):
        told = backup(half / 2, 0.003 * (half % 7), interval=0.1)
        host.take(answer(told), half * SECOND // 2)
    (one,) = host.groups.values()
    assert one.jitter is None
    assert cells(row(one, "www", 10 * SECOND, 79, {}))["EVERY"] == "100ms"


def test_the_strip_tells_who_was_master_and_for_how_long() -> None:
    host = Host(0)
    for second in range(1, 13):
        told = backup(float(second), 0.5)
        if second > 3:
            told = backup(float(second), 0.5, address="192.0.2.3")
        if second > 5:
            told = backup(float(second), 3.5)  # silent
        if second > 6:
            told = backup(float(second), 0.5, advskew=255)  # took its leave
        if second > 8:
            told = group("MASTER", second - 8.25, transitions=2)
        if second == 11:
            host.answered([])
        else:
            host.take(answer(told), second * SECOND)
        host.advance(second * SECOND)
    (one,) = host.groups.values()
    assert "".join(one.strip) == "BBBCC...AA?A"
    assert cells(row(one, "www", 12 * SECOND, 79, {}))["FOR"] == "3.75s"


def test_the_strip_begins_with_what_the_daemon_remembers() -> None:
    host = Host(100 * SECOND)
    host.happened("web1", changed(0, "BACKUP", 1))
    host.happened("web1", changed(10, "MASTER", 2))
    host.happened("web1", changed(14, "BACKUP", 3, "192.0.2.9"))
    host.happened("web1", changed(17, "INIT", 4))
    host.happened("web1", changed(19, "BACKUP", 5))
    told = backup(2.0, 0.5) | {"transitions": 5}
    # An answer that is older than the last event waits for the next one.
    host.take(answer(told | {"transitions": 4}), 100 * SECOND)
    host.advance(101 * SECOND)
    host.take(answer(told | {"state_seconds": 3.0}), 101 * SECOND)
    (one,) = host.groups.values()
    letter = one.letter
    assert one.recalled
    text = "".join(one.strip)
    # By now 3 s of the last state, of which the last second was seen.
    assert text[:10] == " " * 10  # BACKUP of nobody knows whom
    assert text[10:14] == "AAAA"
    assert text[17:19] == ".."
    assert text[19:] == letter * 3
    other = set(text[14:17])
    assert len(other) == 1
    assert not other & {letter, "A", ".", " "}


def test_two_hundred_groups_and_a_frozen_daemon_are_readable(view: HostView) -> None:
    page = Page()
    several = [backup(5.0, 0.5, f"g{number}") for number in range(1, 201)]
    several[149] = group("BACKUP", 5.0, "g150")
    text = shown(view, page, [answer(*several)], [], SECOND, 80)
    assert "200 groups, master of 0, 1 with NO master" in text[0]
    assert text[2].startswith(">g150         BACKUP NONE")
    assert text[3].startswith(" g1           BACKUP B 192.0.2.2")
    assert text[-1].endswith("1-21 of 401")
    assert max(map(len, text)) <= 80
    problem = "node web1: the daemon does not answer: is it frozen?"
    text = shown(view, page, [], [problem], 4 * SECOND, 80)
    assert problem in text[0]
    line = cells(text[3][1:])
    assert (line["STATE"], line["MASTER"], line["FOR"]) == ("?", "?", "")
    assert line["LAST SECONDS"].endswith("???")


def test_what_changes_costs_a_slow_line_little(view: HostView) -> None:
    page, before, written = Page(), list[Line](), []
    for half in range(2, 40):
        told = [backup(half / 2, half % 2 / 2, f"g{number}") for number in range(200)]
        composed = view.compose([answer(*told)], [], half * SECOND // 2, 80)
        after = page.compose(*composed, SIZE)
        written.append(len(difference(before, after, 80, _STYLES)))
        before = after
    assert max(written[1:]) < 1000, "a modem of 9600 bit/s does that in a second"


def test_causes_and_events_stand_below(view: HostView) -> None:
    view.happened("web1", changed(10, "MASTER", 2))
    view.happened("web1", {"lost": 3})
    told = group("MASTER", 1.0, transitions=2) | {"demotions": {"check web": 10}}
    text = shown(view, Page(), [answer(told)], [], SECOND, 80)
    assert cells(text[2][1:])["MASTER"] == "A this node"
    assert text[3] == " www: MASTER: no master heard for 3.000 s; 192.0.2.100/24"
    assert text[4] == " node web1: carpool 1.0, process 7, up 1m 30s"
    assert text[5] == " www: demoted by 10: check web"
    assert text[-2] == "03:04:10Z www: Switching to state: MASTER"


def test_a_group_of_one_of_several_daemons_is_meant(view: HostView) -> None:
    page = Page()
    answers = [answer(group("MASTER", 1.0), node="left"), answer(backup(1.0, 0.5), node="right")]
    rows = view.compose(answers, [], SECOND, 80)[2]
    page.compose("t", "h", rows, [], SIZE)
    page.press("down", rows)
    page.press("d", rows)
    act = page.press("y", rows)
    assert act == Act("demote", "right:www")
    assert view.keys[act.group] == ("right", "www")


def test_a_group_that_has_gone_is_gone() -> None:
    host = Host(0)
    host.take(answer(backup(1.0, 0.5), backup(1.0, 0.5, "db")), SECOND)
    host.take(answer(backup(1.0, 0.5, "db"), node="other"), SECOND)
    host.take(answer(backup(1.5, 0.5)), 2 * SECOND)
    assert list(host.groups) == [("web1", "www"), ("other", "db")]


def test_events_are_read_again_where_a_daemon_froze(
    view: HostView, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    class Frozen:
        def __init__(self, path: Path) -> None:
            tried.append(path)

        def follow(self) -> Iterator[dict[str, Any]]:
            if len(tried) == 1:
                raise AskError("frozen")
            yield changed(10, "MASTER", 2)

    monkeypatch.setattr(watch_host, "Follower", Frozen)
    monkeypatch.setattr(watch_host, "find", lambda *_: {"web1": Path("web1.sock")})
    monkeypatch.setattr(threading.Thread, "start", lambda thread: thread.run())
    for _ in range(3):
        view._follow({"web1"})
    assert len(tried) == 2
    assert len(view._arrived) == 1
