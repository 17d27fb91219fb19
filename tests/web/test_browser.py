"""The page in Chromium, at the size of a desk and of a phone, with and without JavaScript."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from tests.web.browser import chromium, overflow, serving, take, visit
from tests.web.fakes import FakeSource, group, master, status

from carpool.web.app import Site
from carpool.web.ledger import Ledger

pytestmark = pytest.mark.peer("chromium")

TOKEN = "correct horse battery"
ADDRESS = {"web1": "192.168.0.201", "web2": "192.168.0.202", "web3": "192.168.0.203"}
SLOWEST = 1.0
"""Seconds that the main thread may take for an update of 200 groups, on a machine that is busy."""


class Cluster:
    """Groups on three nodes, which go as the test wants them to; the ledger hears of it."""

    def __init__(self, names: Sequence[str]) -> None:
        self.ledger = Ledger()
        self.sources = {node: FakeSource(node, {}) for node in ADDRESS}
        self.masters = {name: [list(ADDRESS)[n % 3]] for n, name in enumerate(names)}
        self.began = dict.fromkeys(names, time.time() - 3500)
        self.own: dict[tuple[str, str], dict[str, Any]] = {}
        self.site = Site(self.ledger, self.sources.get, name="shop", token=TOKEN)

    def event(self, node: str, name: str, before: str, after: str, ago: float, why: str) -> None:
        when = datetime.fromtimestamp(time.time() - ago, UTC).isoformat(timespec="milliseconds")
        event = {
            "time": when,
            "kind": "state",
            "level": "notice",
            "group": name,
            "text": f"{name}: Switching to state: {after} ({why})",
            "details": {"from": before, "to": after},
        }
        self.ledger.happened(node, event, time.time(), live=False)

    def hand_over(self, name: str, old: str, new: str, ago: float, dark: float, why: str) -> None:
        """Let a group have gone from one node to another, with nobody for some seconds."""
        self.event(old, name, "MASTER", "BACKUP", ago + dark, "told to yield")
        self.event(new, name, "BACKUP", "MASTER", ago, why)
        self.masters[name] = [new]
        self.began[name] = time.time() - ago

    def tell(self, *nodes: str) -> None:
        """Let the ledger hear from these nodes, or all."""
        now = time.time()
        for node in nodes or self.sources:
            groups = [self._group(node, name, now) for name in self.masters]
            document = status(*groups, node=node, program="0.1", uptime_seconds=now % 1e6)
            self.sources[node].document = document
            self.ledger.answered(node, f"fake of {node}", document, now, now)

    def _group(self, node: str, name: str, now: float) -> dict[str, Any]:
        masters = self.masters[name]
        number = list(self.masters).index(name) + 1
        own = self.own.get((node, name), {})
        here = node in masters
        heard = None if here or not masters else master(ADDRESS[masters[0]])
        return group(
            name,
            "MASTER" if here else "BACKUP",
            vhid=number,
            addresses=[f"192.168.0.{number}/24"],
            sources=[ADDRESS[node]],
            master=heard,
            **{"state_seconds": now - self.began[name], **own},
        )


def shop() -> Cluster:
    """Return a cluster that has had a hard hour."""
    cluster = Cluster(["www", "shop", "mail", "git", "ldap", "ntp"])
    for name, (node,) in list(cluster.masters.items()):
        for other in ADDRESS:
            state = "MASTER" if other == node else "BACKUP"
            cluster.event(other, name, "INIT", state, 3500, "started")
    cluster.hand_over("www", "web1", "web2", 1500, 40, "no master heard for 3.000 s")
    cluster.hand_over("www", "web2", "web1", 420, 0, "preempts")
    cluster.hand_over("git", "web1", "web3", 2400, 0, "a less demoted node")
    cluster.own["web2", "mail"] = {"demotion": 100, "demotions": {"check smtp is bad": 100}}
    # Two masters since five minutes ago, each deaf to the other.
    cluster.masters["ldap"] = ["web2", "web1"]
    cluster.event("web1", "ldap", "BACKUP", "MASTER", 300, "no master heard for 3.000 s")
    cluster.own["web1", "ldap"] = {"state_seconds": 300.0}
    cluster.tell()
    return cluster


def test_the_overview_at_both_sizes() -> None:
    cluster = shop()
    with serving(cluster.site) as address, chromium() as browser:
        for size in ("desk", "phone"):
            with visit(browser, size) as page:
                page.goto(address)
                expect(page.locator("#live")).to_have_text("live")
                expect(page.locator("#summary")).to_contain_text(
                    "1 at fault, 1 to look at; 4 of 6 groups well"
                )
                first = page.locator("#rows > tr").first
                expect(first).to_contain_text("ldap")
                expect(first).to_contain_text("2 masters: web2 and web1 say MASTER")
                expect(page.locator("#group-www .strip .outage")).to_have_count(1)
                assert overflow(page) <= 0
                take(page, "overview" if size == "desk" else "phone")
        _changes_come_without_reloading(browser, address, cluster)
        _the_plain_table(browser, address)
        _actions(browser, address, cluster)


def _changes_come_without_reloading(browser: Browser, address: str, cluster: Cluster) -> None:
    with visit(browser) as page:
        page.goto(address)
        expect(page.locator("#live")).to_have_text("live")
        page.evaluate("window.witness = 1")
        cluster.masters["ldap"], cluster.began["ldap"] = ["web2"], time.time() - 3500
        cluster.own["web1", "ldap"] = {"state_seconds": 0.0}
        cluster.tell()
        expect(page.locator("#group-ldap")).to_have_class("ok")
        expect(page.locator("#summary")).not_to_contain_text("fault")
        # What is wrong comes first, and what is well goes back to its place.
        expect(page.locator("#rows > tr").first).to_contain_text("mail")
        cluster.ledger.silent("web3", "there", "the daemon does not answer", time.time())
        expect(page.locator("#nodes .silent")).to_contain_text("the daemon does not answer")
        expect(page.locator("#group-ntp")).to_contain_text("web3 holds it, others say")
        age = page.locator("#group-www time.age")
        before = age.text_content()
        expect(age).not_to_have_text(before or "")
        assert page.evaluate("window.witness") == 1
        page.fill("#filter", "MAIL")
        expect(page.locator("#rows > tr:visible")).to_have_count(1)
        page.fill("#filter", "nothing like that")
        expect(page.locator("#none")).to_be_visible()
        cluster.tell()


def _the_plain_table(browser: Browser, address: str) -> None:
    with visit(browser, "phone", script=False) as page:
        page.goto(f"{address}/?q=www")
        expect(page.locator("#rows > tr")).to_have_count(1)
        expect(page.locator("#group-www")).to_contain_text("web1")
        assert re.fullmatch(r"\d+m \d+s", page.locator("#group-www time.age").inner_text())
        page.select_option("#span", "6h")
        page.click("#apply")
        expect(page).to_have_url(re.compile("span=6h"))
        page.click("text=www")
        expect(page.locator("h1")).to_contain_text("www")
        assert overflow(page) <= 0


def _actions(browser: Browser, address: str, cluster: Cluster) -> None:
    with visit(browser) as page:
        page.goto(address)
        page.click("text=Sign in to act")
        page.fill("input[name=token]", TOKEN)
        page.click("button")
        page.click("#group-www a")
        expect(page.locator("#live")).to_have_text("live")
        take(page, "group")
        page.click("text=Yield")
        expect(page.locator("h1")).to_have_text("Hand www over from web1?")
        assert cluster.sources["web1"].told == []
        page.click("text=No, go back")
        page.click("text=Yield")
        page.click("button.danger")
        expect(page.locator(".notice")).to_have_text("Done: hand over.")
        assert [command for command, _ in cluster.sources["web1"].told] == ["yield"]
        expect(page.locator("#news")).to_contain_text("told web1 to yield www, from 127.0.0.1")
        page.click("text=Sign out")
        expect(page.locator("text=Sign in to act")).to_be_visible()


@pytest.mark.slow
def test_200_groups_stay_fluid() -> None:
    """What one update of all 200 groups costs the main thread, as Chromium counts it."""
    cluster = Cluster([f"customer-{number:03d}" for number in range(200)])
    cluster.tell()
    with serving(cluster.site) as address, chromium() as browser, visit(browser) as page:
        page.goto(address)
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator("#rows > tr")).to_have_count(200)
        counters = page.context.new_cdp_session(page)
        # The processor's time, not the wall's: other programs have the processor, too.
        counters.send("Performance.enable", {"timeDomain": "threadTicks"})
        costs = []
        for turn in range(5):
            begun = _busy(counters)
            for number, name in enumerate(cluster.masters):
                cluster.masters[name] = [list(ADDRESS)[(number + turn + 1) % 3]]
                cluster.began[name] = time.time()
            cluster.tell()
            for name in ("customer-000", "customer-199"):
                row = page.locator(f"#group-{name} .holder strong")
                expect(row).to_have_text(cluster.masters[name][0])
            page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            costs.append({key: value - begun[key] for key, value in _busy(counters).items()})
        slices = page.evaluate("performance.getEntriesByName('slice').map(one => one.duration)")
        print("main thread, ms for 200 groups:", [_shown(cost) for cost in costs])
        print("of which the script at a time, ms:", sorted(round(one, 1) for one in slices))
        assert min(cost["TaskDuration"] for cost in costs) < SLOWEST
        page.fill("#filter", "customer-19")
        expect(page.locator("#rows > tr:visible")).to_have_count(10)


def _busy(counters: Any) -> dict[str, float]:
    wanted = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
    found = counters.send("Performance.getMetrics")["metrics"]
    return {one["name"]: one["value"] for one in found if one["name"] in wanted}


def _shown(cost: dict[str, float]) -> dict[str, float]:
    return {key.removesuffix("Duration"): round(value * 1000, 1) for key, value in cost.items()}
