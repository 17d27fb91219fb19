"""A neighbour that sends rubbish, 20,000 frames a second: nobody's mastership moves."""

import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.lan import PASSWORD, SECOND, VHID, VIP
from tests.support.pair import DOWN_TIME, MARGIN, Pair
from tests.support.processes import memory_kib

from carpool.carp.timing import interval
from carpool.lab.faults import crash

pytestmark = pytest.mark.namespaces

FLOOD_SECONDS = 2.4
SELDOM = {"left": 128, "right": 160}
"""Every half second, so that what else a busy machine does is little beside it."""
TAKEN_OVER = DOWN_TIME + MARGIN
MOST_KIB = 1024
"""By which a daemon's memory may grow."""
MOST_LINES = 50
"""That a daemon may log in that time."""
STRANGER = b"\2\0\0\6\6\6"

FLOOD = f"""
import random, socket, time
from ipaddress import IPv4Address
from carpool.carp.auth import Authenticator
from carpool.carp.frames import ethernet, multicast_mac
from carpool.carp.packet import GROUP_V4, ipv4_packet
from carpool.carp.wire import Advertisement

chance = random.Random(1)
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("net0", 0))
stranger = IPv4Address("10.0.6.6").packed

def advertisement(vhid, password):
    signer = Authenticator(password, vhid, [IPv4Address("{VIP}")])
    counter = chance.getrandbits(64)
    return Advertisement(vhid, 0, 1, counter, signer.digest(counter)).encode()

def frame(payload):
    packet = ipv4_packet(stranger, payload)
    return ethernet({STRANGER!r}, multicast_mac(GROUP_V4), packet)

forged = [frame(advertisement({VHID}, b"guess")) for _ in range(50)]
others = [vhid for vhid in range(1, 256) if vhid != {VHID}]
foreign = [frame(advertisement(vhid, {PASSWORD.encode()!r})) for vhid in others]
truncated = [forged[0][:size] for size in range(14, len(forged[0]))]
oversized = [frame(advertisement({VHID}, b"guess") + bytes(size)) for size in (64, 1000, 1400)]
damaged = [frame(chance.randbytes(chance.randrange(60))) for _ in range(200)]
mutated = [bytes(byte ^ (chance.random() < .01) for byte in forged[0]) for _ in range(100)]
routed = [bytes([*good[:22], 64, *good[23:]]) for good in forged]
frames = [*forged, *foreign, *truncated, *oversized, *damaged, *mutated, *routed]
while True:
    for _ in range(200):  # more than the bridge passes on would be a test of the bridge
        try:
            sender.send(chance.choice(frames))
        except OSError:
            pass
    time.sleep(0.01)
"""


FORGERIES = f"""
import random, socket, time
from carpool.carp.frames import ethernet, multicast_mac
from carpool.carp.packet import GROUP_V4, ipv4_packet
from carpool.carp.wire import Advertisement

chance = random.Random(1)
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("net0", 0))

def frame(source):
    forged = Advertisement({VHID}, 0, 1, chance.getrandbits(64), chance.randbytes(20)).encode()
    return ethernet({STRANGER!r}, multicast_mac(GROUP_V4), ipv4_packet(source, forged))

frames = [frame(bytes((10, 0, 6, 6))) for _ in range(60)] + [frame(bytes((10, 0, 0, 9)))] * 4
while True:
    for one in frames:
        try:
            sender.send(one)
        except OSError:
            pass
    time.sleep(0.002)
"""
"""Some 20,000 a second: most from an address of its own, some from the master's."""


def test_a_flood_of_rubbish_disturbs_nothing(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        stranger = lan.zone("stranger", "10.0.6.6/16")
        left, right = lan.run_both(advskew=SELDOM)
        lan.heard = lan.capture(lan.client, deaf_to=STRANGER)
        lan.until(lambda: len(lan.adverts_of(lan.left)) >= 3)
        memory = [memory_kib(daemon.pid) for daemon in (left, right)]

        flood = stranger.start(["nice", sys.executable, "-P", "-c", FLOOD])
        for daemon in (left, right):
            lan.until_logged(daemon, "was rejected")
        since = time.monotonic_ns()
        lan.during(FLOOD_SECONDS, "left")
        assert flood.poll() is None
        adverts = lan.adverts_of(lan.left, since=since)
        flood.kill()
        lan.during(1.0, "left")

        often = interval(0, SELDOM["left"])
        assert max(after.when - before.when for before, after in pairwise(adverts)) < often * 1.9
        assert len(adverts) >= FLOOD_SECONDS * SECOND // often - 1
        for daemon, before in zip((left, right), memory, strict=True):
            assert daemon.process.poll() is None
            assert memory_kib(daemon.pid) - before < MOST_KIB
            assert len(daemon.text().splitlines()) < MOST_LINES
        assert "MASTER" not in right.text()


def test_a_flood_of_forgeries_neither_moves_nor_holds_up_an_address(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        stranger = lan.zone("stranger", "10.0.6.6/16")
        lan.heard = lan.capture(lan.client, deaf_to=STRANGER)
        left, right = lan.run_both()
        # Not nice: on a busy machine it would not send the thousand a second that are a flood.
        stranger.start([sys.executable, "-P", "-c", FORGERIES])
        for daemon in (left, right):
            lan.until_logged(daemon, "a flood of forged advertisements from 10.0.6.6;")
        lan.during(1.0, "left")
        assert "MASTER" not in right.text()
        died = time.monotonic_ns()
        crash(lan.lab, lan.left)
        lan.until_holders("right", seconds=TAKEN_OVER)
        lan.until(lambda: bool(lan.adverts_of(lan.right, since=died)))
        assert len(right.text().splitlines()) < MOST_LINES
