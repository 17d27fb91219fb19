"""The password changes without an outage, and what does not fit is named."""

import sys
import time
from pathlib import Path

import pytest
from tests.support.lan import PASSWORD, SECOND, VHID, VIP
from tests.support.pair import DOWN_TIME, Pair

from carpool.node.client import Connection
from carpool.node.rundir import socket_path

pytestmark = pytest.mark.namespaces

NEW_PASSWORD = "another-one!"
ROUNDS = (
    {"accept_password_files": ["new.key"]},
    {"password_file": "new.key", "accept_password_files": ["cluster.key"]},
    {"password_file": "new.key"},
)

VRRP = f"""
import socket, time
from carpool.carp.frames import ethernet, multicast_mac
from carpool.carp.packet import GROUP_V4, ipv4_packet
from carpool.carp.wire import internet_checksum

sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("net0", 0))
# RFC 3768, 5.1: version and type, id, priority, addresses, no authentication, interval.
said = bytes((0x21, {VHID}, 254, 1, 0, 1, 0, 0, 10, 0, 0, 77)) + bytes(8)
said = said[:6] + internet_checksum(said).to_bytes(2) + said[8:]
while True:
    packet = ipv4_packet(bytes((10, 0, 6, 6)), said)
    sender.send(ethernet(bytes(5) + b"\\1", multicast_mac(GROUP_V4), packet))
    time.sleep(0.1)
"""


def test_a_password_is_changed_one_node_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "new.key").touch(mode=0o600)
    (tmp_path / "new.key").write_text(NEW_PASSWORD)
    with Pair(tmp_path) as lan:
        daemons = dict(zip(("left", "right"), lan.run_both(), strict=True))
        zones = {"left": lan.left, "right": lan.right}
        since = time.monotonic_ns()
        for keys in ROUNDS:
            file = lan.file(**keys)
            for name, other in (("right", "left"), ("left", "right")):
                assert daemons[name].stop() == 0
                lan.until_holders(other)
                daemons[name] = lan.run(zones[name], file)
                lan.during(DOWN_TIME, other)
                assert "digest" not in daemons[other].text()
                assert "MASTER" not in daemons[name].text()
        logs = "".join(path.read_text() for path in tmp_path.glob("*.log"))
        # Each but the first was told that it is its turn, and none had to find out.
        assert logs.count("no master heard") == 1
        assert lan.dark(since) < SECOND // 2
        assert lan.shared(since) == 0
        assert PASSWORD not in logs
        assert NEW_PASSWORD not in logs


def test_another_set_of_addresses_is_named(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        left = lan.run(lan.left, lan.file())
        lan.until_holders("left")
        right = lan.run(lan.right, lan.file(addresses=[f"{VIP}/16", "10.0.0.101/16"]))
        lan.until_logged(right, "from 10.0.0.9 on net0 was rejected: has the right password")
        lan.until_logged(right, "another set of addresses: without 10.0.0.101;")
        lan.until_logged(left, "from 10.0.1.5 on net0 was rejected: has a digest of neither")
        assert right.text().count("another set of addresses") == 1
        with Connection(socket_path(lan.run_directory, "right")) as connection:
            (interface,) = connection.ask("status")["interfaces"]
        (found,) = interface["mismatches"]
        assert (found["address"], found["vhid"]) == ("10.0.0.9", VHID)
        assert "another set of addresses: without 10.0.0.101;" in found["reason"]


def test_a_vrrp_router_with_our_id_is_named(tmp_path: Path) -> None:
    with Pair(tmp_path) as lan:
        router = lan.zone("router", "10.0.6.6/16")
        left = lan.run(lan.left, lan.file())
        lan.until_holders("left")
        lan.start(router, [sys.executable, "-c", VRRP])
        lan.until_logged(left, "an advertisement from 10.0.6.6 on net0 was rejected: is VRRP")
        with Connection(socket_path(lan.run_directory, "left")) as connection:
            (interface,) = connection.ask("status")["interfaces"]
        assert interface["rejected"]["vrrp"] > 0
        lan.during(0.5, "left")
