"""Health checks move an address to the node that is well, and hold up nothing."""

import signal
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support import status as made_up
from tests.support.lan import Daemon
from tests.support.pair import BOW_OUT, DOWN_TIME, INTERVAL, MARGIN, Pair
from tests.support.processes import states_of_children

from carpool.carp.timing import DEMOTED_ADVSKEW, interval
from carpool.cluster.toml_writing import toml_line
from carpool.lab.faults import plug, unplug

pytestmark = pytest.mark.namespaces

UPLINK = {"type": "interface", "interface": "net1", "interval": 0.1, "rise": 1, "fall": 1}
SOON = 0.1 + INTERVAL / 1e9 + MARGIN
"""Seconds from a broken uplink to the peer's takeover: a look, and an advertisement."""


class Healthy(Pair):
    """A pair whose nodes have an uplink each, net1, without which they are not well."""

    def __enter__(self) -> "Healthy":
        super().__enter__()
        for zone in (self.left, self.right):
            self.lab.connect(zone, "net1", ())
        return self

    def checked(self, checks: Mapping[str, Mapping[str, object]], **keys: object) -> Path:
        """Write the cluster file of a group that depends on these checks."""
        file = self.file(checks=list(checks), **keys)
        lines = [file.read_text()]
        for name, values in checks.items():
            lines += [f"[checks.{name}]", *(toml_line(key, value) for key, value in values.items())]
        file.write_text("\n".join(lines) + "\n")
        return file

    def run_checked(self, **more: object) -> tuple[Daemon, Daemon]:
        """Start both; left is master, and both are known to be well."""
        file = self.checked({"uplink": {**UPLINK, **more}})
        left = self.run(self.left, file)
        self.until_holders("left")
        right = self.run(self.right, file)
        for daemon in (left, right):
            self.until_logged(daemon, "check uplink: good")
        return left, right


def test_the_address_goes_to_the_node_that_is_well_and_stays_there(tmp_path: Path) -> None:
    with Healthy(tmp_path) as lan:
        left, right = lan.run_checked(demote=7)
        broken = time.monotonic_ns()
        unplug(lan.lab, lan.left, "net1")
        lan.until_holders("right", seconds=SOON)
        lan.until_logged(left, "check uplink: bad: net1 has no carrier")
        lan.until_logged(left, "www: demoted by 7: check uplink")
        assert lan.shared(broken) < INTERVAL  # Some milliseconds, and a busy machine.

        plug(lan.lab, lan.left, "net1")
        lan.until_logged(left, "www: no longer demoted: check uplink")
        lan.during(2 * DOWN_TIME, "right")  # nobody preempts

        # Both are ill: as good as both are well.
        unplug(lan.lab, lan.left, "net1")
        lan.until_logged(left, "www: demoted", times=2)
        unplug(lan.lab, lan.right, "net1")
        lan.until_logged(right, "www: demoted")
        lan.during(2 * DOWN_TIME, "right")

        plug(lan.lab, lan.left, "net1")
        lan.until_holders("left", seconds=SOON)


def test_a_node_that_must_be_backup_bows_out_and_stays_so_alone(tmp_path: Path) -> None:
    with Healthy(tmp_path) as lan:
        left, right = lan.run_checked(action="backup")
        broken = time.monotonic_ns()
        unplug(lan.lab, lan.left, "net1")
        lan.until_holders("right", seconds=SOON)
        lan.until(lambda: BOW_OUT in [ad.strength for ad in lan.adverts_of(lan.left, since=broken)])
        lan.until_logged(left, "www: must not be master: check uplink")
        unplug(lan.lab, lan.right, "net1")
        lan.until_holders(seconds=SOON)
        lan.during(2 * DOWN_TIME)
        plug(lan.lab, lan.right, "net1")
        lan.until_logged(right, "www: no longer demoted")
        lan.until_holders("right", seconds=DOWN_TIME + MARGIN)


def test_a_node_that_starts_ill_gives_way_to_one_that_is_well(tmp_path: Path) -> None:
    with Healthy(tmp_path) as lan:
        unplug(lan.lab, lan.left, "net1")
        # However often it must be bad to fall: the first look decides.
        file = lan.checked({"uplink": {**UPLINK, "fall": 100}})
        left = lan.run(lan.left, file)
        lan.until_holders("left")
        lan.until_logged(left, "to state: MASTER")
        assert left.text().index("www: demoted") < left.text().index("to state: MASTER")
        lan.run(lan.right, file)
        lan.until_holders("right", seconds=SOON)


def test_checks_that_hang_or_flood_delay_no_advertisement(tmp_path: Path) -> None:
    scripts = {
        "hangs": "trap '' TERM; sleep 60 & sleep 60",
        "floods": "exec cat /dev/zero",
        "breeds": "for i in 1 2 3 4 5 6 7 8 9; do sleep 60 & done; exit 1",
    }
    checks = {
        f"{name}{number}": {"type": "command", "command": ["/bin/sh", "-c", script], "fall": 2}
        for name, script in scripts.items()
        for number in range(4)
    }
    with Healthy(tmp_path) as lan:
        left = lan.run(lan.left, lan.checked(checks))
        lan.until_holders("left")
        since = time.monotonic_ns()
        lan.during(3.5, "left")
        lan.until(lambda: len(lan.adverts_of(lan.left, since=since)) >= 3)
        adverts = lan.adverts_of(lan.left, since=since)
        gaps = [after.when - before.when for before, after in pairwise(adverts)]
        assert max(gaps) < interval(0, DEMOTED_ADVSKEW) * 1.3
        assert left.stop() == 0
        lan.until(lambda: not lan.left.processes(), what="a program is left behind")


def test_a_restart_keeps_what_the_checks_of_a_group_have_found(tmp_path: Path) -> None:
    db = {"vhid": 7, "addresses": ["10.0.0.101/16"], "checks": ["uplink", "hangs"]}
    checks = (
        '[checks.uplink]\ntype = "interface"\ninterface = "net1"\ndemote = 7\n'
        '[checks.hangs]\ntype = "command"\ncommand = ["/bin/sleep", "60"]\ndemote = 5\n'
    )
    with Healthy(tmp_path) as lan:
        unplug(lan.lab, lan.left, "net1")
        timing = {"advbase": 2, "advskew": {"left": 0, "right": 100}}
        file = lan.files({"www": {"checks": ["uplink"], **timing}, "db": {**db, **timing}})
        file.write_text(file.read_text() + checks)
        left = lan.run(lan.left, file)
        lan.until_logged(left, "demoted by 5: check hangs (12 in all)")

        # From now on www depends on nothing, and db on the same as before.
        file = lan.files({"www": timing, "db": {**db, **timing}})
        file.write_text(file.read_text() + checks)
        done = lan.carpool("restart", "--node", "left")
        assert done.returncode == 0, done.stderr
        groups = {one["group"]: one for one in lan.ask("left", "status")["groups"]}
        assert groups["www"]["demotions"] == {}
        assert groups["db"]["demotions"] == {"check uplink": 7, "check hangs": 5}
        lan.until(
            lambda: "Z" not in states_of_children(left.pid), what="somebody waits for every child"
        )


def test_checks_of_every_type_are_run_and_told(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("state=up")
    with Healthy(tmp_path) as lan:
        router = str(lan.client.addresses()[0].ip)
        checks: dict[str, dict[str, object]] = {
            "program": {"type": "command", "command": "/bin/true"},
            "router": {"type": "gateway", "address": router},
            "uplink": {"type": "interface", "interface": "net1"},
            "flag": {"type": "file", "path": str(tmp_path / "absent")},
            "state": {"type": "file", "path": str(tmp_path / "there"), "text": "=up"},
            "port": {"type": "tcp", "address": router, "port": 9},
            "page": {"type": "http", "url": f"http://{router}:9/"},
            "secure": {"type": "http", "url": f"https://{router}:9/", "verify": False},
        }
        common = {"interval": 5, "timeout": 4}
        file = lan.checked({name: {**values, **common} for name, values in checks.items()})
        left = lan.run(lan.left, file)
        for name in ("program", "router", "uplink", "flag", "state"):
            lan.until_logged(left, f"check {name}: good")
        for name in ("port", "page", "secure"):
            lan.until_logged(left, f"check {name}: bad: Connection refused")
        lan.until_logged(left, "(3 in all)")
        told = {one["check"]: one for one in lan.ask("left", "status")["checks"]}
        assert {frozenset(one) for one in told.values()} == {frozenset(made_up.check("", ""))}
        assert list(told) == list(checks)
        assert (told["page"]["health"], told["page"]["problem"]) == ("bad", "Connection refused")
        assert told["flag"]["health"] == "good"
        assert told["flag"]["groups"] == ["www"]
        assert 0 < told["flag"]["health_seconds"] < 60
        left.send(signal.SIGUSR1)
        lan.until_logged(left, "check secure: bad, the last time: Connection refused")
        lan.until_holders("left")
        assert left.stop() == 0
