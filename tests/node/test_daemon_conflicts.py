"""A stranger uses the virtual address: it is told, and answered as the settings say."""

import signal
import socket
import time
from ipaddress import ip_interface
from pathlib import Path

import pytest
from tests.support.lan import SECOND, VIP, Address
from tests.support.pair import DOWN_TIME, INTERVAL, MARGIN, VIP6, Pair

from carpool.carp.frames import announcement
from carpool.lab.faults import heal, partition
from carpool.lab.zone import Zone
from carpool.node.client import Connection
from carpool.node.conflicts import GRACE
from carpool.node.rundir import socket_path

pytestmark = pytest.mark.namespaces

PROBE = bytes(10) + VIP.packed
"""Sender's address, target's MAC and address of an ARP probe."""
BOTH = {"addresses": [f"{VIP}/16", f"{VIP6}/64"]}


def stranger_on(lan: Pair, *vips: Address) -> Zone:
    """Add a machine that has the addresses, and does not say so."""
    zone = lan.zone("stranger", "10.0.3.3/16", "fd00::303/64")
    for vip in vips:
        zone.route.add_address(zone.ports["net0"].index, ip_interface(f"{vip}/{vip.max_prefixlen}"))
    return zone


def shout(lan: Pair, zone: Zone, vip: Address, *, times: int = 1) -> None:
    """Let a zone claim an address; several times at intervals of 50 ms."""
    with zone.namespace.entered():
        packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with packet:
        for _ in range(times):
            packet.sendto(announcement(lan.mac(zone), vip.packed), ("net0", 0))
            lan.look(0.05)


def defences(lan: Pair, vip: Address, since: int) -> list[int]:
    mac = lan.mac(lan.left)
    told = lan.heard.announcements(vip.packed)
    return [one.when for one in told if one.mac == mac and one.when > since]


@pytest.mark.parametrize("vip", [VIP, VIP6])
def test_a_stranger_is_named_and_the_address_announced_again(tmp_path: Path, vip: Address) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both(**BOTH)
        lan.until(lambda: len(lan.adverts_of(lan.left)) >= 4)  # and so announced twice
        stranger = stranger_on(lan)
        since = time.monotonic_ns()
        shout(lan, stranger, vip)
        lan.until(lambda: bool(defences(lan, vip, since)))
        assert defences(lan, vip, since)[0] - since < GRACE + SECOND // 2
        mac = lan.mac(stranger).hex(":")
        lan.until_logged(left, f"error   www: {mac} on net0 uses {vip}, and no advertisement")
        lan.until_logged(left, "announcing it again")
        other = VIP6 if vip == VIP else VIP
        assert str(other) not in left.text().partition(mac)[2]


def test_whoever_shouts_is_answered_once_a_second_and_logged_five_times(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, _ = lan.run_both(announce_every=60)
        lan.until(lambda: len(lan.adverts_of(lan.left)) >= 4)
        since = time.monotonic_ns()
        stranger = stranger_on(lan)

        def told_of(times: int) -> bool:
            shout(lan, stranger, VIP)
            return left.text().count("announcing it again") == times

        lan.until(lambda: told_of(5), what="it is logged five times")
        shout(lan, stranger, VIP, times=20)
        answers = defences(lan, VIP, since)
        lasted = time.monotonic_ns() - since
        assert 2 <= len(answers) <= 1 + lasted // SECOND
        assert told_of(5)


def test_a_silent_stranger_is_found_after_a_takeover(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        stranger = stranger_on(lan, VIP, VIP6)
        left = lan.run(lan.left, lan.file(**BOTH, on_conflict="report"))
        mac = lan.mac(stranger).hex(":")
        for vip in (VIP, VIP6):
            lan.until_logged(left, f"{mac} on net0 uses {vip}, and no advertisement")
        assert any(one.data[28:42] == PROBE for one in lan.heard.frames())
        with Connection(socket_path(lan.run_directory, "left")) as connection:
            (interface,) = connection.ask("status")["interfaces"]
        told = {(one["address"], one["mac"]) for one in interface["strangers"]}
        assert told == {(str(VIP), mac), (str(VIP6), mac)}
        assert "announcing it again" not in left.text()


def test_a_group_that_yields_leaves_the_address_to_the_stranger(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left = lan.run(lan.left, lan.file(on_conflict="yield"))
        lan.until_holders("left")
        lan.until(lambda: len(lan.adverts_of(lan.left)) >= 2)  # and so listens for claims
        shout(lan, stranger_on(lan), VIP)
        lan.until_holders(seconds=(GRACE + 1.5 * INTERVAL) / SECOND + MARGIN)
        lan.until_logged(left, "leaving it alone for 60 s")
        lan.during(3 * DOWN_TIME)
        assert left.stop() == 0


def test_who_ignores_strangers_does_not_even_look(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left = lan.run(lan.left, lan.file(on_conflict="ignore"))
        lan.until_holders("left")
        since = time.monotonic_ns()
        stranger = stranger_on(lan, VIP)
        shout(lan, stranger, VIP)
        lan.until_holders("left", "stranger")
        lan.during(2.0, "left", "stranger")  # in which it would have asked
        assert lan.mac(stranger).hex(":") not in left.text()
        probes = [one for one in lan.heard.frames() if one.data[28:42] == PROBE]
        assert lan.mac(lan.left) not in {one.mac for one in probes if one.when > since}


def test_a_node_that_has_not_been_heard_yet_is_no_stranger(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, right = lan.run_both()
        for _ in range(2):
            partition(lan.lab, lan.left)
            lan.until_holders("left", "right", seconds=DOWN_TIME + MARGIN)
            heal(lan.lab, lan.left)
            # They claim it before they advertise.
            for zone in (lan.left, lan.right):
                shout(lan, zone, VIP)
            lan.until_settled("left", quiet=0.3, seconds=DOWN_TIME + MARGIN)
        lan.during(0.5, "left")
        assert "no advertisement" not in left.text() + right.text()


def test_another_node_is_no_stranger(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left, right = lan.run_both(**BOTH)
        partition(lan.lab, lan.left)
        lan.until_holders("left", "right", seconds=DOWN_TIME + MARGIN)
        heal(lan.lab, lan.left)
        lan.until_settled("left", quiet=0.3, seconds=DOWN_TIME + MARGIN)
        left.send(signal.SIGUSR2)
        lan.until_settled("right", quiet=1.7, seconds=DOWN_TIME + MARGIN + 2)  # it has asked
        assert "no advertisement" not in left.text() + right.text()
