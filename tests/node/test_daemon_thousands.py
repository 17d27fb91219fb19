"""Every vhid on each of 16 networks, in one process."""

import time
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest
from tests.support.lan import Lan, carpool, cluster_file

from carpool.lab.faults import crash
from carpool.lab.zone import Zone

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]

LANS, VHIDS = range(16), range(1, 256)
PATIENCE = 120.0
"""Seconds: a machine that is busy otherwise needs tens of them."""


def vip(lan: int, vhid: int) -> IPv4Address:
    return IPv4Address(f"10.{100 + lan}.1.{vhid}")


ALL = {vip(lan, vhid) for lan in LANS for vhid in VHIDS}


def wait_until_all_are_on(zone: Zone) -> None:
    deadline = time.monotonic() + PATIENCE
    while not {address.ip for address in zone.addresses()} >= ALL:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_4080_groups_on_16_networks_are_held_by_one_process_and_taken_over_by_another(
    tmp_path: Path,
) -> None:
    with Lan(tmp_path) as lan:
        left, right = lan.zone("left", "10.100.0.1/16"), lan.zone("right", "10.100.0.2/16")
        for number, zone in enumerate((left, right), start=1):
            for network in LANS[1:]:
                own = IPv4Interface(f"10.{100 + network}.0.{number}/16")
                lan.lab.connect(zone, f"net{network}", [own], f"lan{network}")
        groups = {
            f"net{network}x{vhid}": {
                "vhid": vhid,
                "addresses": [f"{vip(network, vhid)}/32"],
                "interface": f"net{network}",
            }
            for network in LANS
            for vhid in VHIDS
        }
        file = cluster_file(lan, groups)
        lan.start(left, carpool("run", str(file), "--node", "left"))
        wait_until_all_are_on(left)
        backup = lan.start(right, carpool("run", str(file), "--node", "right"))
        deadline = time.monotonic() + PATIENCE
        while backup.text().count("to state: BACKUP") < len(ALL):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        time.sleep(4)  # Longer than a backup's patience: it hears all of them.
        assert "to state: MASTER" not in backup.text()
        crash(lan.lab, left)
        wait_until_all_are_on(right)
        # Each once: nothing has run out or lapsed while the others were taken over.
        assert backup.text().count("to state: MASTER") == len(ALL)
