"""`carpool restart`: the program changes, and nobody notices."""

import os
import signal
import sys
import time
from ipaddress import IPv4Address, IPv4Interface
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.lan import MS, VIP, carpool
from tests.support.pair import BOW_OUT, MARGIN, SLOW_ADVBASE, Pair, slow
from tests.support.processes import states_of_children
from tests.support.waiting import PATIENCE

from carpool.node.client import Connection
from carpool.node.rundir import socket_path

pytestmark = pytest.mark.namespaces

OTHER_VIP = "10.0.0.101"
LONGEST_GAP = 1500 * SLOW_ADVBASE * MS
"""One and a half intervals: what a master that restarts may be silent."""


def test_nobody_notices_the_restart_of_a_master_or_a_backup(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, right = lan.run_both(**slow(down=["/bin/echo", "down"]))
        lan.until(lambda: bool(lan.adverts_of(lan.left)))
        since, pid = time.monotonic_ns(), left.pid
        before = lan.ask("left", "status")["groups"][0]
        guards = len(states_of_children(pid))
        downs = right.text().count("running /bin/echo down")

        done = lan.carpool("restart", "--node", "left")
        assert done.returncode == 0, done.stderr
        assert "www    MASTER" in done.stdout
        done = lan.carpool("restart", "--node", "right")
        assert done.returncode == 0, done.stderr
        assert "www    BACKUP" in done.stdout
        back = time.monotonic_ns()
        lan.until(lambda: len(lan.adverts_of(lan.left, since=back)) >= 2)

        assert [change for change in lan.changes if change.when > since] == []
        adverts = [advert.when for advert in lan.adverts_of(lan.left)]
        assert max(after - before for before, after in pairwise(adverts)) < LONGEST_GAP
        assert lan.adverts_of(lan.right) == []
        assert "MASTER" not in right.text()
        assert right.text().count("running /bin/echo down") == downs
        status = lan.ask("left", "status")
        assert (status["pid"], status["restarts"]) == (pid, 1)
        assert os.sched_getscheduler(pid) == os.SCHED_OTHER
        after = status["groups"][0]
        assert (after["state"], after["why"]) == ("MASTER", before["why"])
        assert after["state_seconds"] > before["state_seconds"]
        lan.until(
            lambda: states_of_children(pid) == ["S"] * guards, what="a guard and nothing else"
        )

        assert left.stop() == 0
        lan.until_holders("right", seconds=MARGIN)


def test_a_changed_file_takes_effect_if_it_is_fit(tmp_path: Path) -> None:
    other = {"vhid": 7, "addresses": [f"{OTHER_VIP}/16"], "nodes": ["left"], "advskew": 0}
    third = {"vhid": 8, "addresses": ["10.0.0.102/16"], "nodes": ["left"], "advskew": 0}
    with Pair(tmp_path) as lan:
        file = lan.files({"www": slow(), "db": slow(**other)})
        left = lan.run(lan.left, file)
        for vip in (VIP, IPv4Address(OTHER_VIP)):
            lan.until_holders("left", vip=vip)
        since = time.monotonic_ns()

        good = file.read_text()
        file.write_text(good.replace("vhid = 42", "vhid = 420"))
        done = lan.carpool("restart", "--node", "left")
        assert done.returncode == 1
        assert f"{file}:" in done.stderr
        assert "420 is out of range" in done.stderr
        assert "carpool run" not in done.stderr
        assert "restart: refused, going on as before" in left.text()
        file.write_text(good.replace('"net0"', '"net9"'))
        done = lan.carpool("restart", "--node", "left")
        assert done.returncode == 1
        assert "no interface net9" in done.stderr
        status = lan.ask("left", "status")
        assert [group["state"] for group in status["groups"]] == ["MASTER", "MASTER"]
        assert status["restarts"] == 0
        assert [change for change in lan.changes if change.when > since] == []

        lan.files({"www": slow(advskew={"left": 9, "right": 100}), "new": slow(**third)})
        done = lan.carpool("restart", "--node", "left")
        assert done.returncode == 0, done.stderr
        groups = {group["group"]: group for group in lan.ask("left", "status")["groups"]}
        assert list(groups) == ["www", "new"]
        assert (groups["www"]["state"], groups["www"]["advskew"]) == ("MASTER", 9)
        assert groups["new"]["state"] == "BACKUP"
        lan.until(lambda: (SLOW_ADVBASE, 9) in [sent.strength for sent in lan.adverts_of(lan.left)])
        assert [one for one in lan.changes if one.when > since and one.address == VIP] == []
        gone = [sent for sent in lan.adverts_of(lan.left, since=since) if sent.strength == BOW_OUT]
        assert [sent.advertisement.vhid for sent in gone] == [7]
        assert lan.holders(IPv4Address(OTHER_VIP)) == []

        # Told to stop while it is neither program: it stops as soon as it is one.
        with Connection(socket_path(lan.run_directory, "left")) as connection:
            assert connection.ask("restart", 20.0)["restarts"] == 2
            left.send(signal.SIGTERM)
        assert left.process.wait(PATIENCE) == 0
        lan.until_holders()


def test_a_reload_touches_what_has_changed_alone(tmp_path: Path) -> None:
    other = {"vhid": 7, "addresses": [f"{OTHER_VIP}/16"], "nodes": ["left"]}
    third = {"vhid": 8, "addresses": ["10.0.0.102/16"], "nodes": ["left"], "advskew": 0}
    same = slow(up=["/bin/echo", "up"], down=["/bin/echo", "down"])
    with Pair(tmp_path) as lan:
        file = lan.files(
            {"www": same, "db": slow(**other, advskew=0), "old": slow(**third, advbase=1)}
        )
        left = lan.run(lan.left, file)
        lan.until_holders("left")
        lan.until_holders("left", vip=IPv4Address(OTHER_VIP))
        lan.until_logged(left, "www: up script: done")
        scripts = left.text().count("script: running")
        since, pid = time.monotonic_ns(), left.pid

        said = lan.carpool("reload")
        assert (said.returncode, said.stdout) == (0, "nothing has changed in the file\n")
        good = file.read_text()
        file.write_text(good.replace("vhid = 42", "vhid = 420").replace("vhid = 7", "vhid = 0"))
        said = lan.carpool("reload")
        assert said.returncode == 1
        for mistake in ("420 is out of range", "0 is out of range"):
            assert mistake in said.stderr
        assert "reload: refused, going on as before" in left.text()

        (lan.folder / "new.key").touch(mode=0o600)
        (lan.folder / "new.key").write_text("another-password")
        new = slow(**{**third, "vhid": 9, "addresses": ["10.0.0.103/16"]})
        changed = slow(**other, preempt=True, password_file="new.key", advskew=9)
        lan.files({"www": same, "db": changed, "new": new})
        expected = [
            *("db: changed", "    password_file: ", "    preempt: false -> true"),
            *("    advskew: 0 -> 9", "    passwords"),
            *("old: removed", "new: added"),
        ]
        assert lan.ask("left", "status")["restarts"] == 0
        said = lan.carpool("reload")
        assert said.returncode == 0, said.stderr
        *lines, end = said.stdout.splitlines()
        assert end == "applied"
        assert [line.partition(str(lan.folder))[0] for line in lines] == expected

        status = lan.ask("left", "status")
        assert (status["pid"], status["restarts"]) == (pid, 1)
        states = {group["group"]: group["state"] for group in status["groups"]}
        assert states == {"www": "MASTER", "db": "MASTER", "new": "BACKUP"}
        assert status["groups"][1]["advskew"] == 9
        back = time.monotonic_ns()
        lan.until(lambda: len(lan.adverts_of(lan.left, since=back)) >= 3)
        touched = {change.address for change in lan.changes if change.when > since}
        assert touched <= {IPv4Address("10.0.0.102"), IPv4Address("10.0.0.103")}
        adverts = lan.adverts_of(lan.left, since=since)
        www = [one.when for one in adverts if one.advertisement.vhid == 42]
        assert max(after - before for before, after in pairwise(www)) < LONGEST_GAP
        assert left.text().count("script: running") == scripts


def test_in_the_background_with_scripts_that_run_and_that_leave_something_running(
    tmp_path: Path,
) -> None:
    script = tmp_path / "up.sh"
    go_on = tmp_path / "go-on"
    background = f"while [ ! -e {go_on} ]; do sleep 0.1; done; echo from the background"
    script.write_text(f"#!/bin/sh\n({background}) &\nsleep 1; echo done\n")
    script.chmod(0o755)
    with Pair(tmp_path) as lan:
        run = carpool("run", str(lan.file(**slow(up=[str(script)]))), "--node", "left", "--smf")
        left = lan.start(lan.left, run)
        assert left.process.wait(PATIENCE) == 0

        def says(text: str) -> bool:
            return text in left.text()

        lan.until(lambda: says("up script: running"))
        pid = lan.ask("left", "status")["pid"]
        done = lan.carpool("restart", "--node", "left")
        assert done.returncode == 0, done.stderr
        status = lan.ask("left", "status")
        assert (status["pid"], status["groups"][0]["state"]) == (pid, "MASTER")
        go_on.touch()
        lan.until(lambda: says("| from the background"))
        said = left.text()
        assert said.index("| done") < said.index("replacing the program")
        assert said.index("replacing the program") < said.index("| from the background")
        assert said.count("up script: running") == 1


# What a daemon does that is replaced: but here the file is spoilt at the last moment.
SUCCEED = """
import os, sys
from pathlib import Path
from carpool.carp.memory import Memory
from carpool.node.handover import GroupState, Handover
from carpool.node.rundir import claim

folder, file, address = sys.argv[1:]
claimed = claim([Path(folder)], "left")
group = GroupState("www", "", (address,), Memory(True, 0, None), 0, "", {})
Handover(
    node="left", run_directory=folder, listener=claimed.listener.fileno(), lock=claimed.lock,
    restarts=1, maintenance={"whole": False, "groups": []}, groups=(group,), children=(),
).send()
program = [sys.executable, "-P", "-m", "carpool", "run", file, "--node", "left"]
os.execv(sys.executable, program)
"""


@pytest.mark.parametrize("spoilt", [True, False])
def test_an_address_that_the_new_program_cannot_go_on_with_goes(
    tmp_path: Path, *, spoilt: bool
) -> None:
    with Pair(tmp_path) as lan:
        file = lan.file(**slow(vhid=420 if spoilt else 42))
        held = IPv4Interface(f"{VIP if spoilt else OTHER_VIP}/16")
        lan.left.route.add_address(lan.left.ports["net0"].index, held)
        lan.until_holders("left", vip=held.ip)
        run = [sys.executable, "-P", "-c", SUCCEED, str(lan.run_directory), str(file), str(held)]
        daemon = lan.start(lan.left, run)
        lan.until_holders(vip=held.ip)
        if spoilt:
            assert daemon.process.wait(PATIENCE) == 2
            assert "420 is out of range" in daemon.text()
        else:
            lan.until_logged(daemon, "www: Switching to state: BACKUP")
            assert lan.ask("left", "status")["restarts"] == 1
