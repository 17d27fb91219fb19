"""A network is cut and joined again: one of the two masters that meet gives way at once."""

import time
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.support.lan import VIP
from tests.support.pair import Pair

from carpool.lab.faults import heal, partition

pytestmark = pytest.mark.namespaces

OTHER = IPv4Address("10.0.7.7")
SLOW = {"advbase": 2, "dead_ratio": 2}
"""So that two masters, when the cut has just been noticed, are silent for most of two seconds."""
SOON = 0.8
"""Seconds, for what takes 30 ms and a busy machine."""


@pytest.mark.parametrize("better", ["left", "right"])
def test_two_masters_are_one_at_once_when_the_halves_are_joined(
    tmp_path: Path, better: str
) -> None:
    """Also of a group whose rival another one looks for, whichever half has the better nodes."""
    skews = {"left": 0, "right": 16 if better == "left" else 0}  # Of equals, the lower address.
    slow = {**SLOW, "advskew": skews}
    with Pair(tmp_path) as lan:
        file = lan.files({"www": slow, "more": {**slow, "vhid": 7, "addresses": [f"{OTHER}/16"]}})
        lan.run(lan.left, file)
        lan.until_holders("left")
        lan.until_holders("left", vip=OTHER)
        lan.run(lan.right, file)
        started = time.monotonic_ns()
        # Nobody looks for one that was never heard.
        lan.until(lambda: len(lan.adverts_of(lan.left, since=started)) >= 2)
        partition(lan.lab, lan.left)
        lan.until_holders("left", "right")
        lan.until_holders("left", "right", vip=OTHER)
        lan.during(0.1, "left", "right")  # The search has been divided.
        joined = time.monotonic_ns()
        heal(lan.lab, lan.left)
        for vip in (VIP, OTHER):
            lan.until_holders(better, vip=vip)
            assert lan.shared(joined, vip) < SOON * 1e9
        # And the neighbours hear where the address is, after the loser has lost it.
        lan.until(
            lambda: any(
                told.mac == lan.mac(lan.lab.zones[better]) and told.when > lan.changes[-1].when
                for told in lan.heard.announcements(VIP.packed)
            )
        )
