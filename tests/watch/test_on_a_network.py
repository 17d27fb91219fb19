"""`carpool watch` and `carpool scan` beside real daemons."""

import json
import sys
import time
from pathlib import Path

import pytest
from tests.support.lan import VHID, carpool
from tests.support.pair import Pair
from tests.support.processes import Family
from tests.support.screen import VirtualScreen
from tests.support.terminal import Terminal
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.namespaces


class Shown:
    """What a terminal shows: each change of it is a few cells only."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def expect(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until the text is on the screen."""
        deadline = time.monotonic() + seconds
        while text not in (shown := self._look()):
            assert time.monotonic() < deadline, f"no {text!r} in:\n{shown}"

    def _look(self) -> str:
        self._terminal.read(0.05)
        # What may be half of a sequence, or of a refresh, is looked at the next time.
        screen, whole = VirtualScreen(), self._terminal.text.rpartition("\x1b")[0]
        screen.write(whole)
        return "\n".join(screen.text)


def test_watching_a_failover_and_steering(tmp_path: Path, family: Family) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both()
        with lan.right.namespace.entered():
            command = [sys.executable, "-P", "-m", "carpool", "watch", "net0"]
            command += ["--node", "right", "--run-dir", str(lan.run_directory)]
            watch = Terminal(family, command)
        with watch:
            screen = Shown(watch)
            screen.expect("net0: 1 group")
            screen.expect("A 10.0.0.9")
            watch.type("d")
            screen.expect("demote group")
            watch.type("y")
            screen.expect("done: demote")
            left.process.terminate()
            screen.expect("10.0.1.5 (took over)")
            screen.expect("B 10.0.1.5")
            watch.type("q")
            assert watch.wait(PATIENCE) == 0
        lan.until_holders("right")
        command = [sys.executable, "-P", "-m", "carpool", "watch"]
        with Terminal(family, [*command, "--run-dir", str(lan.run_directory)]) as watch:
            screen = Shown(watch)
            screen.expect("MASTER A this node")
            screen.expect("AAA")
            screen.expect("Switching to state: MASTER")
            watch.type("p")
            screen.expect("promote group")
            watch.type("y")
            screen.expect("done: promote")
            watch.type("q")
            assert watch.wait(PATIENCE) == 0


def test_scanning(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        lan.run_both()
        # On the master's own host: it hears what that host says.
        scan = lan.start(lan.left, carpool("scan", "net0", "--seconds", "1.5", "--json"))
        lan.until(lambda: scan.process.poll() is not None)
        found = json.loads(scan.log.read_text())
        (group,) = found["groups"]
        assert (group["vhid"], group["protocol"], group["masters"]) == (VHID, "CARP", ["10.0.0.9"])
        assert VHID not in found["free"]
        assert len(found["free"]) == 254
