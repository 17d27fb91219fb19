"""Two nodes that share an address, at four advertisements a second, and a client that listens."""

import socket
import time
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Self

from tests.support.lan import VIP, Daemon, Lan, cluster_file
from tests.support.wire import Advert, Capture, is_arp_reply

from carpool.carp.timing import interval, master_down_time
from carpool.lab.zone import Zone

VIP6 = IPv6Address("fd00::100")
BOW_OUT = (255, 255)

LEFT_SKEW, RIGHT_SKEW = 64, 100
INTERVAL = interval(0, LEFT_SKEW)
"""Of left, which is faster (ns)."""
DOWN_TIME = master_down_time(0, RIGHT_SKEW, 3) / 1e9
"""Of right (seconds)."""
SLOW_ADVBASE = 2
"""Of a pair that takes its time (s)."""
MARGIN = 1.0
"""Seconds that a busy machine may add to what ends by itself."""


def slow(**keys: object) -> dict[str, object]:
    """Return the keys of a group that a busy machine can restart in time, left the master."""
    return {"advbase": SLOW_ADVBASE, "advskew": {"left": 0, "right": 100}, **keys}


class Pair(Lan):
    """Zones left, right and client. Where nothing else is said, left is the faster node."""

    left: Zone
    right: Zone
    client: Zone
    heard: Capture
    """What the client hears."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.left = self.zone("left", "10.0.0.9/16", "fd00::9/64")
        self.right = self.zone("right", "10.0.1.5/16", "fd00::105/64")
        self.client = self.zone("client", "10.0.9.9/16", "fd00::909/64")
        self.heard = self.capture(self.client)
        return self

    def file(self, **keys: object) -> Path:
        """Write the cluster file; `keys` of its group www replace what stands here."""
        return self.files({"www": {"addresses": [f"{VIP}/16"], **keys}})

    def files(self, groups: Mapping[str, Mapping[str, object]]) -> Path:
        """Write a cluster file with several groups, each with the timing of a pair."""
        timing = {
            "advbase": 0,
            "advskew": {"left": LEFT_SKEW, "right": RIGHT_SKEW},
            "nodes": ["left", "right"],
        }
        return cluster_file(self, {name: {**timing, **keys} for name, keys in groups.items()})

    def run_both(self, **keys: object) -> tuple[Daemon, Daemon]:
        """Start left, and right once left is master."""
        file = self.file(**keys)
        left = self.run(self.left, file)
        self.until_holders("left")
        return left, self.run(self.right, file)

    def adverts_of(self, zone: Zone, *, since: int = 0) -> list[Advert]:
        """Return the advertisements of a node over IPv4 that came later than `since` (ns)."""
        mac = self.mac(zone)
        return [
            advert
            for advert in self.heard.adverts(mac)
            if advert.when > since and len(advert.source) == 4
        ]

    def ask_who_has(self, vip: IPv4Address) -> list[bytes]:
        """Ask as the client does, by ARP, until somebody answers; return who does within 100 ms."""
        since, own = time.monotonic_ns(), self.mac(self.client)
        request = bytes.fromhex("ffffffffffff") + own + bytes.fromhex("08060001080006040001")
        request += own + ip_address("10.0.9.9").packed + bytes(6) + vip.packed
        with self.client.namespace.entered():
            asker = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with asker:
            asker.bind(("net0", 0))
            asker.send(request)

        def answers() -> list[bytes]:
            return [
                frame.mac
                for frame in self.heard.frames()
                if frame.when > since and is_arp_reply(frame, vip.packed)
            ]

        self.until(lambda: bool(answers()), what=f"somebody answers for {vip}")
        deadline = time.monotonic() + 0.1
        while (left := deadline - time.monotonic()) > 0:
            self.look(left)
        return answers()

    def mac(self, zone: Zone) -> bytes:
        """Return the hardware address of a zone."""
        link = zone.route.link("net0")
        assert link is not None
        return link.mac
