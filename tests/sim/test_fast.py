"""Nodes in the fast profile on the virtual LAN: stalls of one or all, without a false failover."""

import random
from ipaddress import ip_address

import pytest

from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND, TICK
from carpool.sim.lan import Lan

MS = SECOND // 1000
VHID = 7
VIP = ip_address("192.0.2.100")
PATIENCE = 3 * TICK


def pair(seed: int, *, dead_ratio: int = 3) -> Lan:
    """Return nodes a and b, at an advertisement every 1/256 s; a is master."""
    lan = Lan(seed=seed)
    settings = Settings(
        VHID, (VIP,), b"secret", advbase=0, advskew=1, dead_ratio=dead_ratio, fast=True
    )
    for number, name in enumerate("ab", start=1):
        lan.add(name, [settings], {4: bytes((192, 0, 2, number))})
        lan.run(100 * MS)
    assert holders(lan) == {"a"}
    return lan


def holders(lan: Lan) -> frozenset[str]:
    return lan.record.holders(VHID)


@pytest.mark.parametrize("seed", range(5))
def test_a_backup_that_stalls_does_not_call_its_master_dead(seed: int) -> None:
    lan, rng = pair(seed), random.Random(seed)
    begun = lan.now
    for _ in range(50):
        lan.freeze("b")
        lan.run(rng.randrange(200 * MS))
        lan.thaw("b")
        lan.run(rng.randrange(20 * MS))
    assert list(lan.record.dark(VHID, begun)) == list(lan.record.doubled(VHID, begun)) == []
    assert holders(lan) == {"a"}


@pytest.mark.parametrize("seed", range(5))
def test_a_stall_of_all_nodes_moves_nothing(seed: int) -> None:
    lan, rng = pair(seed), random.Random(seed)
    begun = lan.now
    for _ in range(50):
        for name in "ab":
            lan.freeze(name)
        lan.run(rng.randrange(100 * MS))
        for name in "ab":
            lan.thaw(name)
        lan.run(30 * MS)
        assert holders(lan) == {"a"}
    assert list(lan.record.doubled(VHID, begun)) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_master_that_dies_is_replaced_within_12_ms(seed: int) -> None:
    lan = pair(seed)
    lan.run(random.Random(seed).randrange(TICK))
    died = lan.now
    lan.crash("a")
    lan.run(PATIENCE)
    assert holders(lan) == {"b"}
    (span,) = lan.record.dark(VHID, died)
    assert 2 * TICK < span.length <= PATIENCE


@pytest.mark.parametrize("seed", range(10))
def test_a_clean_stop_costs_a_frame_and_no_more(seed: int) -> None:
    lan = pair(seed)
    lan.stop("a")
    lan.run(MS)
    assert holders(lan) == {"b"}


def test_with_a_tenth_of_the_frames_lost_a_dead_ratio_of_9_is_enough() -> None:
    lan = pair(1, dead_ratio=9)
    begun = lan.now
    lan.disturb(loss=0.1)
    lan.run(10 * SECOND)
    assert list(lan.record.dark(VHID, begun)) == list(lan.record.doubled(VHID, begun)) == []
