"""`carpool web FILE`: zones on two stand-in hypervisors, asked, followed and told over real SSH."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.deploy.desk import Desk, desk
from tests.lab.smartos.support import NEEDS
from tests.support.waiting import until

pytest.importorskip("pyinfra.api")
pytestmark = [*NEEDS, pytest.mark.slow, pytest.mark.timeout(300)]

TOKEN = "correct horse battery"
HOME = "http://127.0.0.1:8112"


class Browser:
    """Asks for pages, from the operator's workstation."""

    def __init__(self, found: Desk) -> None:
        self._namespace = found.datacenter.operator.zone.namespace
        keeper = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(keeper, urllib.request.ProxyHandler({}))

    def get(self, path: str, form: dict[str, str] | None = None) -> str:
        data = None if form is None else urlencode(form).encode()
        request = urllib.request.Request(HOME + path, data, {"Origin": HOME})
        with self._namespace.entered(), self._opener.open(request, timeout=30) as answer:
            return str(answer.read().decode())

    def state(self) -> Any:
        return json.loads(self.get("/api/state"))

    def holders(self) -> list[str]:
        try:
            groups = self.state()["groups"]
        except urllib.error.URLError:
            return []  # it does not listen yet
        return list(groups[0]["holders"])

    def answered(self, node: str) -> float:
        """Return when a node that answers did so last (s since the epoch)."""
        (found,) = (one for one in self.state()["nodes"] if one["node"] == node)
        return 0.0 if found["error"] else float(found["answered"])

    def yield_mastership(self, node: str) -> None:
        self.get("/login", {"token": TOKEN})
        page = self.get(f"/confirm?action=yield&node={node}&group=www")
        secret = page.partition('name="csrf" value="')[2].partition('"')[0]
        form = {"csrf": secret, "action": "yield", "node": node, "group": "www"}
        assert "Done: hand over" in self.get("/act", form)


def followers() -> list[str]:
    """Return the command lines of what follows events, in whatever zone."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = file.read_bytes().split(b"\0")
            if b"--follow" in words:
                found.append(str(words))
    return found


def test_zones_are_asked_followed_and_told_over_ssh() -> None:
    with desk() as found:
        found.run("apply")
        operator = found.datacenter.operator
        process = operator.popen(
            found.words("web", "--listen", "127.0.0.1:8112"),
            env={**operator.environment, "CARPOOL_WEB_TOKEN": TOKEN},
            stderr=subprocess.PIPE,
        )
        try:
            browser = Browser(found)
            until(lambda: browser.holders() == ["web1"], "the page knows the master")
            nodes = {one["node"]: one for one in browser.state()["nodes"]}
            until(lambda: not any(o["error"] for o in browser.state()["nodes"]), "all answer")
            assert nodes["web2"]["place"].endswith("of gz2")
            # What zones have kept of the past is there, so their events come.
            until(lambda: "to state: MASTER" in browser.get("/"), "events")
            until(lambda: len(followers()) == 2, "both are followed")
            found.hosts[0].cut_ssh()
            cut = time.time()
            until(lambda: browser.answered("web1") > cut + 1, "it is connected to again")
            until(lambda: len(followers()) == 2, "and followed")
            browser.yield_mastership("web1")
            assert "told web1 to yield www, from 127.0.0.1" in browser.get("/group/www")
            until(lambda: "told to yield www" in browser.get("/"), "the daemon's own word of it")
            until(lambda: browser.holders() != [], "a master again")
            found.in_zone(1, "svcadm disable -s carpool")
            until(lambda: browser.holders() == ["web2"], "the other zone has taken over")
            until(
                lambda: [one["gone"] for one in browser.state()["nodes"]] == [True, False],
                "the first is known not to run",
            )
        finally:
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
            print(said.decode())
        assert process.returncode == 0
        until(lambda: not followers(), "nothing of it is left in the zones")
        assert b"Traceback" not in said
        assert TOKEN.encode() not in said
