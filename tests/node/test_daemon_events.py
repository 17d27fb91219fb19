"""`carpool events`: what has happened, told while it happens, also over a restart."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.lan import VIP, carpool
from tests.support.pair import Pair, slow
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.namespaces


class Follower:
    """`carpool events --follow` that writes to a file."""

    def __init__(self, lan: Pair, *more: str) -> None:
        self.path = lan.folder / "events"
        command = carpool("events", "--follow", "--json", "--node", "left", *more)
        with self.path.open("wb") as file:
            self.process = subprocess.Popen(
                [*command, "--run-dir", str(lan.run_directory)], stdout=file, stderr=file
            )

    def told(self) -> list[dict[str, Any]]:
        whole = self.path.read_text().rpartition("\n")[0]  # the next line may be half written
        return [json.loads(line) for line in whole.splitlines()]

    def has(self, kind: str, **details: object) -> bool:
        return any(
            one.get("kind") == kind and details.items() <= one["details"].items()
            for one in self.told()
        )


def test_a_follower_misses_nothing_over_a_restart_and_waits_for_the_next_start(
    tmp_path: Path,
) -> None:
    with Pair(tmp_path) as lan:
        file = lan.file(**slow(up=["/bin/echo", "up"], nodes=["left"], advskew=0, advbase=1))
        left = lan.run(lan.left, file)
        follower = Follower(lan)
        try:
            lan.until(lambda: follower.has("script", outcome="exited", exit_code=0))
            assert lan.carpool("demote", "www", "--by", "7").returncode == 0
            assert lan.carpool("restart", "--force").returncode == 0
            lan.until(lambda: follower.has("daemon", phase="restarted"))
            lan.until(lambda: follower.has("resumed", state="MASTER"))
            told = follower.told()
            assert [one["seq"] for one in told] == list(range(1, len(told) + 1))
            assert len({one["epoch"] for one in told}) == 1
            assert {one["node"] for one in told} == {"left"}
            (master,) = [one for one in told if one["details"].get("to") == "MASTER"]
            assert master["text"].startswith("www: Switching to state: MASTER - no master heard")
            assert master["text"] in left.text()
            cause = master["text"].partition(" - ")[2]
            assert master["details"] == {
                "from": "BACKUP",
                "to": "MASTER",
                "cause": cause,
                "master": None,
                "vhid": 42,
                "interface": "net0",
                "addresses": [f"{VIP}/16"],
                "transition": 2,
            }
            demotions = [one["details"] for one in told if one["kind"] == "demotion"]
            assert [(one["amount"], one["total"]) for one in demotions] == [(7, 7), (7, 7)]

            assert left.stop() == 0
            lan.until(lambda: follower.has("daemon", phase="stopped"))
            lan.run(lan.left, file)
            lan.until(lambda: any(one.get("anew") for one in follower.told()))
            lan.until(lambda: follower.told()[-1].get("epoch") != told[0]["epoch"])
        finally:
            follower.process.terminate()
            follower.process.wait(PATIENCE)

        said = lan.carpool("events", "--since", "99999", "--group", "www")
        assert said.returncode == 0, said.stderr
        first, second, *_ = said.stdout.splitlines()
        assert first == "(the daemon has been started anew)"
        assert second.endswith("www          Switching to state: BACKUP - started")
        assert lan.carpool("events", "--since", "rubbish").returncode == 2
        assert lan.carpool("events", "--group", "wwww").returncode == 1
        left_alone = time.monotonic()
        assert lan.carpool("events", "--follow", "--node", "right").returncode == 3
        assert time.monotonic() - left_alone < 40
