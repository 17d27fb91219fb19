"""Chromium, headless, and a site for it in a thread of this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from carpool.web.app import Site
from carpool.web.server import listen, server

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""As root, and on a machine that reaches no network."""
SIZES = {"desk": (1280, 800), "phone": (390, 844)}
_PATIENCE = 30_000  # ms: with all workers at it, a machine of two cores is slow
expect.set_options(timeout=_PATIENCE)
PICTURES = Path(__file__).parents[2] / "docs" / "img"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def serving(site: Site) -> Iterator[str]:
    """Serve a site; yield its address."""
    listener, made = listen("127.0.0.1", 0), server(site)
    port = listener.getsockname()[1]
    thread = Thread(target=lambda: asyncio.run(made.serve([listener])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        site.close()
        made.should_exit = True
        thread.join(60)
        listener.close()
        assert not thread.is_alive()


@contextmanager
def visit(browser: Browser, size: str = "desk", *, script: bool = True) -> Iterator[Page]:
    """Open a page of that size; fail if anything goes wrong in it, as the browser sees it."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        java_script_enabled=script,
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    page, wrong = context.new_page(), list[str]()
    page.set_default_timeout(_PATIENCE)
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def heard(said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            wrong.append(said.text)

    page.on("console", heard)
    yield page
    context.close()
    assert wrong == []


def take(page: Page, name: str) -> None:
    """Take the picture for the docs, if CARPOOL_SCREENSHOTS asks for that."""
    if os.environ.get("CARPOOL_SCREENSHOTS"):
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=PICTURES / f"web-{name}.png")


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
