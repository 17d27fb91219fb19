"""Behind a real switch that snoops: the bridge of Linux, and nothing but what it is asked for."""

import subprocess
import time
from pathlib import Path

import pytest
from tests.doctor.provoke import Patient, Wanted
from tests.support.pair import INTERVAL, VIP6

pytestmark = [pytest.mark.namespaces, pytest.mark.peer("ip", "nft"), pytest.mark.slow]

GROUP = "239.0.0.18"
"""One that switches keep track of, unlike 224.0.0.18; over IPv6 they do of ff02::12 as well."""
FORGETS_AFTER = 1.2
"""Seconds."""
ASKING = {  # hundredths of a second
    "mcast_query_response_interval": 10,
    "mcast_startup_query_interval": 40,
    "mcast_query_interval": 40,
    "mcast_membership_interval": round(FORGETS_AFTER * 100),
}
NOBODY_ASKS = """
add table bridge fault
add chain bridge fault asks { type filter hook output priority 0; }
add rule bridge fault asks ip protocol igmp drop
"""


def snoop() -> None:
    """Let the switch pass multicast only to those who have said that they listen."""
    Path("/proc/sys/net/ipv6/conf/br1/disable_ipv6").write_text("0")  # it asks from an address
    for words in (
        [word for name, value in ASKING.items() for word in (name, str(value))],
        ["mcast_snooping", "1", "mcast_querier", "1"],
    ):
        subprocess.run(["ip", "link", "set", "br1", "type", "bridge", *words], check=True)


def test_a_switch_that_snoops(tmp_path: Path) -> None:
    with Patient(tmp_path) as lan:
        snoop()
        groups: dict[str, dict[str, object]] = {
            "www": {"multicast": GROUP},
            "both": {
                "vhid": 44,
                "addresses": ["10.0.0.144/16", "fd00::144/64"],
                "multicast": GROUP,
            },
            "six": {"vhid": 43, "addresses": [f"{VIP6}/64"]},
        }
        file = lan.files(groups)
        lan.run(lan.left, file)
        lan.until_holders("left")
        lan.until_holders("left", vip=VIP6)
        lan.run(lan.right, file)
        # Both listen, and say so whenever they are asked.
        lan.during(2 * FORGETS_AFTER, "left")
        assert lan.holders(VIP6) == ["left"]
        # Who does not gets nothing.
        since = time.monotonic_ns()
        lan.during(3 * INTERVAL / 1e9, "left")
        assert [one for one in lan.heard.adverts(lan.mac(lan.left)) if one.when > since] == []
        right = (str(file), "--node", "right")
        lan.expect(
            Wanted(set(), lan.right, right),
            Wanted(set(), lan.client, (str(file), "--interface", "net0")),  # an onlooker
        )
        # As soon as nobody asks, the switch forgets who listens.
        subprocess.run(["nft", "-f", "-"], input=NOBODY_ASKS, text=True, check=True)
        lan.until_holders("left", "right", seconds=15)
        found = {("www", "doctor-multicast"), ("both", "doctor-multicast")}
        lan.expect(Wanted(found, lan.right, right, f"this host has joined {GROUP} on net0"))
