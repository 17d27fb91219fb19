"""`carpool web` as a user starts it, about a lab of real daemons, in Chromium: a failover, live."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.conftest import lacking
from tests.support.lan import carpool
from tests.support.waiting import until
from tests.web.browser import chromium, overflow, take, visit

from carpool.lab.namespaces import why_unsupported
from carpool.web.sources import lab_directories

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.slow]

TOKEN = "correct horse battery"
CLUSTER = """\
[nodes.web1]
address = "192.168.0.201/24"
interface = "net0"
[nodes.web2]
address = "192.168.0.202/24"
interface = "net0"
[groups.www]
vhid = 42
addresses = ["192.168.0.200/24"]
password_file = "key"
advskew = { web1 = 0, web2 = 100 }
preempt = true
[groups.db]
vhid = 43
addresses = ["192.168.0.210/24"]
password_file = "key"
advskew = { web2 = 0, web1 = 100 }
preempt = true
"""


class Lab:
    """A running `carpool lab`, which is told what to do."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, command: str) -> None:
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)

    def directories(self) -> list[Path]:
        """Return where its two daemons have their sockets, as seen from outside."""

        def there() -> list[Path] | None:
            for pid in descendants(self._process.pid):
                with suppress(OSError):  # it has ended
                    sockets = Path(f"/proc/{pid}/root/dev/shm/run").glob("*/*.sock")
                    found = sorted(socket.parent for socket in sockets)
                    if len(found) == 2:
                        return found
            return None

        directories = until(there)
        assert directories is not None
        return directories


def same(one: Path, other: Path) -> bool:
    """Tell whether two directories are the same one; the lab of one may have ended meanwhile."""
    with suppress(OSError):
        return one.samefile(other)
    return False


def descendants(pid: int) -> Iterator[int]:
    """Yield the children of a process, and theirs."""
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(child)
            yield from descendants(int(child))


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    (folder / "cluster.toml").write_text(CLUSTER)
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_text("a-password-0f-ours")
    process = subprocess.Popen(
        carpool("lab", "run", str(folder / "cluster.toml")),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    made = Lab(process)
    try:
        yield made
        made.tell("quit")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait(30)
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def web(*arguments: str) -> Iterator[str]:
    process = subprocess.Popen(
        carpool("web", "--listen", "127.0.0.1:0", *arguments),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CARPOOL_WEB_TOKEN": TOKEN},
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert said.startswith("serving http://127.0.0.1:"), said
        assert TOKEN.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        yield said.split()[1]
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - begun < 5
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait(10)
        process.stderr.close()


def held_by(page: Page, group: str, node: str, grade: str) -> None:
    row = page.locator(f"#group-{group}")
    expect(row.locator(".holder strong")).to_have_text(node)
    expect(row).to_have_class(grade)


def test_a_failover_is_seen_as_it_happens(tmp_path: Path) -> None:
    if reason := why_unsupported():
        lacking(reason)
    with lab(tmp_path) as running:
        directories = running.directories()
        # Of all labs that run on this machine, others' tests among them, it is one.
        known = lab_directories()
        assert all(any(same(one, directory) for one in known) for directory in directories)
        ours = [option for directory in directories for option in ("--run-dir", str(directory))]
        with (
            web(*ours, "--name", "lab") as address,
            chromium() as browser,
            visit(browser) as page,
        ):
            page.goto(f"{address}?span=1m")
            held_by(page, "www", "web1", "ok")
            held_by(page, "db", "web2", "ok")
            running.tell("kill web1")
            expect(page.locator("#nodes .silent")).to_contain_text("no daemon runs there")
            held_by(page, "www", "web2", "warning")
            expect(page.locator("#group-www")).to_contain_text("without a master")
            running.tell("start web1")
            held_by(page, "www", "web1", "ok")
            running.tell("partition web1")
            held_by(page, "www", "web1 and web2", "fault")
            expect(page.locator("#rows > tr").first).to_contain_text("2 masters: web1 and web2")
            expect(page.locator("#summary")).to_have_class("summary fault")
            running.tell("heal web1")
            held_by(page, "www", "web1", "ok")
            expect(page.locator("#group-www")).to_contain_text("with two masters")
            _act(page, address)
            page.goto(f"{address}?span=1m")
            held_by(page, "www", "web1", "ok")
            take(page, "lab")
            assert overflow(page) <= 0


def _act(page: Page, address: str) -> None:
    """Put a node into maintenance, and take it out again."""
    page.goto(f"{address}login")
    page.fill("input[name=token]", TOKEN)
    page.click("button")
    page.goto(f"{address}group/www")
    for words, master in (("Maintenance", "web2"), ("End maintenance", "web1")):
        page.locator("#group tr", has_text="web1").locator(f"text='{words}'").first.click()
        page.click("button.danger")
        expect(page.locator(".notice")).to_contain_text("Done")
        expect(page.locator(".verdict strong")).to_have_text(master)
    expect(page.locator("#news")).to_contain_text(
        "control: maintenance www: asked for by carpool web, 127.0.0.1"
    )
