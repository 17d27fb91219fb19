"""SIGKILL, at any instant of a daemon's life: its address goes, and goes in time."""

import signal
import time
from ipaddress import IPv4Address, ip_interface
from pathlib import Path

import pytest
from tests.support.lan import carpool
from tests.support.pair import LEFT_SKEW, MARGIN, Pair

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]

DAEMONS = 12
STEP = 0.12
"""Seconds by which each lives longer than the one before: a backup, at its takeover, a master."""
KERNEL = 3.3
"""Seconds that Linux may keep an address with a lifetime of 2 s."""

NODE = """\
[nodes.n{number}]
address = "10.0.2.{number}/16"
interface = "net0"
[groups.g{number}]
vhid = {number}
addresses = ["{vip}/16"]
password_file = "cluster.key"
advbase = 0
advskew = {skew}
nodes = ["n{number}"]
"""


def vip_of(number: int) -> IPv4Address:
    return IPv4Address("10.0.3.0") + number


def test_no_address_outlives_a_daemon_that_is_killed_at_any_instant(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        file = lan.file().with_name("many.toml")
        numbers = range(1, DAEMONS + 1)
        file.write_text(
            "".join(NODE.format(number=n, vip=vip_of(n), skew=LEFT_SKEW) for n in numbers)
        )
        daemons = []
        for number in numbers:
            address = ip_interface(f"10.0.2.{number}/16")
            lan.left.route.add_address(lan.left.ports["net0"].index, address)
            daemons.append(lan.start(lan.left, carpool("run", str(file), "--node", f"n{number}")))
        lan.until_logged(daemons[-1], "to state: BACKUP")
        began = time.monotonic()
        for place, daemon in enumerate(reversed(daemons)):
            lan.until(lambda: time.monotonic() >= began + place * STEP)  # noqa: B023 - called here
            daemon.send(signal.SIGKILL)
        held = {change.address for change in lan.changes if change.here}
        assert {vip_of(n) for n in numbers} & held, "some were masters"
        lan.until(
            lambda: not any(lan.left.holds(vip_of(n)) for n in numbers), seconds=KERNEL + MARGIN
        )
        assert len([one for one in numbers if vip_of(one) in held]) < DAEMONS, "and some not yet"
