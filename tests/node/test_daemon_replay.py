"""The master is dead, and its advertisements keep coming: the backup takes over on time."""

import signal
import sys
from pathlib import Path

import pytest
from tests.support.lan import PASSWORD, SECOND, VHID, VIP, packed
from tests.support.pair import DOWN_TIME, INTERVAL, LEFT_SKEW, MARGIN, Pair
from tests.support.replayer import captured, replay

from carpool.lab.faults import crash

pytestmark = pytest.mark.namespaces

TAKEN_OVER = DOWN_TIME + MARGIN

OPENBSD = f"""
import socket, time
from ipaddress import IPv4Address
from carpool.carp.auth import Authenticator
from carpool.carp.frames import ethernet, multicast_mac
from carpool.carp.packet import GROUP_V4, ipv4_packet
from carpool.carp.wire import Advertisement

sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("net0", 0))
signer = Authenticator({PASSWORD.encode()!r}, {VHID}, [IPv4Address("{VIP}")])
payload = Advertisement({VHID}, 0, {LEFT_SKEW}, 7, signer.digest(7)).encode()
packet = ipv4_packet(IPv4Address("10.0.6.6").packed, payload)
while True:
    sender.send(ethernet(bytes(5) + b"\\1", multicast_mac(GROUP_V4), packet))
    time.sleep({INTERVAL / SECOND})
"""
"""A master with one counter for as long as it runs."""


def test_replayed_advertisements_hold_no_backup_up_also_after_its_restart(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        stranger = lan.zone("stranger", "10.0.6.6/16")
        file = lan.file()
        lan.run(lan.left, file)
        lan.until_holders("left")
        right = lan.run(lan.right, file)
        source = packed("10.0.0.9")
        lan.until(lambda: len(captured(lan.heard, source)) >= 8)
        attack = replay(stranger, captured(lan.heard, source), tmp_path)
        lan.until_logged(right, "was heard before")
        lan.during(1.0, "left")

        crash(lan.lab, lan.left)
        lan.until_holders("right", seconds=TAKEN_OVER)
        lan.during(1.0, "right")

        right.stop(signal.SIGKILL)
        again = lan.run(lan.right, file)
        lan.until_holders("right", seconds=TAKEN_OVER)
        lan.during(1.0, "right")
        assert attack.poll() is None
        assert "was heard before" in again.text()
        assert again.text().count("to state") == 2
        assert len(again.text().splitlines()) < 30


@pytest.mark.parametrize("mode", ["window", "off"])
def test_a_constant_counter_is_obeyed_if_that_is_wanted_and_told_of_if_not(
    tmp_path: Path, mode: str
) -> None:
    with Pair(tmp_path) as lan:
        openbsd = lan.zone("openbsd", "10.0.6.6/16")
        file = lan.file(replay=mode)
        openbsd.start([sys.executable, "-P", "-c", OPENBSD], log=tmp_path / "openbsd.log")
        lan.until(lambda: bool(lan.heard.adverts()), what="it advertises")
        right = lan.run(lan.right, file)
        if mode == "off":
            lan.during(2 * DOWN_TIME)
            assert "rejected" not in right.text()
        else:
            lan.until_holders("right", seconds=TAKEN_OVER)
            lan.until_logged(right, "error   an advertisement from 10.0.6.6 on net0")
            assert 'set replay = "off" in this group' in right.text()
