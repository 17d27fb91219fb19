"""tshark and tcpdump read what the daemon sends: every field, every checksum."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.lan import Lan, cluster_file, packed

pytestmark = pytest.mark.namespaces

VHID, ADVSKEW = 7, 64
SOURCE, SOURCE6 = "10.0.0.9", "fd00::9"
VIP, VIP6 = "10.0.0.77", "fd00::77"
VIRTUAL_MAC = "00:00:5e:00:01:07"
BOW_OUT = (255, 255)


@dataclass(frozen=True, slots=True)
class Taken:
    """The frames of one master's life, from its first word to its bow-out, in a file."""

    pcap: Path
    mac: str
    link_local: str


def record(folder: Path, source_mac: str) -> Taken:
    """Run a master until it has announced twice, stop it, and write down what a client hears."""
    with Lan(folder) as lan:
        node = lan.zone("node", f"{SOURCE}/16", f"{SOURCE6}/64")
        client = lan.zone("client", "10.0.9.9/16", "fd00::99/64")
        capture = lan.capture(client)
        keys = {
            "vhid": VHID,
            "advbase": 0,
            "advskew": ADVSKEW,
            "addresses": [f"{VIP}/16", f"{VIP6}/64"],
            "source_mac": source_mac,
        }
        file = cluster_file(lan, {"www": keys})
        daemon = lan.run(node, file)
        vips = [packed(VIP), packed(VIP6)]
        lan.until(lambda: all(len(capture.announcements(vip)) >= 2 for vip in vips))
        assert daemon.stop() == 0
        lan.until(lambda: [sent.strength for sent in capture.adverts()].count(BOW_OUT) == 2)
        pcap = folder / "taken.pcap"
        capture.write_pcap(pcap)
        link = node.route.link("net0")
        assert link is not None
        (link_local,) = (str(own.ip) for own in node.addresses() if own.ip.is_link_local)
        return Taken(pcap, link.mac.hex(":"), link_local)


def tshark(taken: Taken, wanted: str, *fields: str) -> list[tuple[str, ...]]:
    """Return the values of `fields` for every frame that passes the display filter `wanted`."""
    command = ["tshark", "-n", "-r", str(taken.pcap), "-Y", wanted, "-T", "fields"]
    command += ["-d", "ip.proto==112,carp", "-o", "ip.check_checksum:TRUE"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def tcpdump(taken: Taken, wanted: str) -> list[str]:
    """Return what tcpdump says of each frame that passes the filter, a line for each."""
    command = ["tcpdump", "-envv", "-T", "carp", "-r", str(taken.pcap), wanted]
    if Path("/proc/self/setgroups").read_text() == "deny\n":
        # Root of a user namespace, and tcpdump insists on becoming another user if it is root.
        command = ["unshare", "--user", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return re.sub(r"\n\s+", " ", done.stdout).splitlines()


CARP_FIELDS = (
    *("carp.version", "carp.type", "carp.vhid", "carp.advskew", "carp.authlen"),
    *("carp.demotion", "carp.adver_int", "carp.checksum.status"),
)
GOOD = "1"
"""tshark's checksum status."""
REGULAR = ("2", "1", str(VHID), str(ADVSKEW), "7", "0", "0", GOOD)
FAREWELL = ("2", "1", str(VHID), "255", "7", "255", "255", GOOD)
"""A bow-out is the most demoted of all, so that no kernel that looks there takes it for a claim."""


@pytest.mark.peer("tshark")
@pytest.mark.parametrize("source_mac", ["real", "virtual"])
def test_tshark_reads_the_advertisements(tmp_path: Path, source_mac: str) -> None:
    taken = record(tmp_path, source_mac)
    mac = VIRTUAL_MAC if source_mac == "virtual" else taken.mac

    header = ("ip.ttl", "ip.dsfield", "ip.flags", "ip.len", "ip.checksum.status")
    ethernet = ("eth.src", "eth.dst")
    read = tshark(taken, "carp && ip", *ethernet, "ip.src", "ip.dst", *header, *CARP_FIELDS)
    around = (mac, "01:00:5e:00:00:12", SOURCE, "224.0.0.18", "255", "0x10", "0x02", "56", GOOD)
    assert len(read) >= 4
    assert set(read[:-1]) == {around + REGULAR}
    assert read[-1] == around + FAREWELL

    header6 = ("ipv6.hlim", "ipv6.plen")
    read = tshark(taken, "carp && ipv6", *ethernet, "ipv6.src", "ipv6.dst", *header6, *CARP_FIELDS)
    around6 = (mac, "33:33:00:00:00:12", taken.link_local, "ff02::12", "255", "36")
    assert len(read) >= 4
    assert set(read[:-1]) == {around6 + REGULAR}
    assert read[-1] == around6 + FAREWELL


@pytest.mark.peer("tshark")
def test_tshark_reads_the_announcements(tmp_path: Path) -> None:
    taken = record(tmp_path, "real")

    arp = ("eth.dst", "arp.opcode", "arp.isgratuitous", "arp.src.hw_mac", "arp.src.proto_ipv4")
    read = tshark(taken, "arp", *arp, "arp.dst.proto_ipv4")
    assert read == [("ff:ff:ff:ff:ff:ff", "1", "1", taken.mac, VIP, VIP)] * 2

    ip = ("eth.src", "eth.dst", "ipv6.src", "ipv6.dst", "ipv6.hlim", "icmpv6.checksum.status")
    flags = ("icmpv6.nd.na.flag.r", "icmpv6.nd.na.flag.s", "icmpv6.nd.na.flag.o")
    target = ("icmpv6.nd.na.target_address", "icmpv6.opt.type", "icmpv6.opt.target_linkaddr")
    read = tshark(taken, "icmpv6.type == 136", *ip, *flags, *target)
    around = (taken.mac, "33:33:00:00:00:01", VIP6, "ff02::1", "255", GOOD)
    assert read == [(*around, "0", "0", "1", VIP6, "2", taken.mac)] * 2


@pytest.mark.peer("tcpdump")
@pytest.mark.parametrize("source_mac", ["real", "virtual"])
def test_tcpdump_reads_the_advertisements(tmp_path: Path, source_mac: str) -> None:
    taken = record(tmp_path, source_mac)
    read = tcpdump(taken, "proto 112")
    mac = VIRTUAL_MAC if source_mac == "virtual" else taken.mac
    assert len(read) >= 8
    assert not [line for line in read if "bad" in line]
    for way, seen in (
        (f"{SOURCE} > 224.0.0.18", r"\(tos 0x10, ttl 255, id \d+, offset 0, flags \[DF\], "),
        (f"{taken.link_local} > ff02::12", r"hlim 255, next-header VRRP \(112\)"),
    ):
        *regular, last = [line for line in read if f"{way}: CARPv2-advertise 36: " in line]
        assert all(f" {mac} > " in line for line in [*regular, last])
        assert all(re.search(seen, line) for line in [*regular, last])
        assert all(f"vhid={VHID} advbase=0 advskew={ADVSKEW} authlen=7" in line for line in regular)
        assert f"vhid={VHID} advbase=255 advskew=255 authlen=7" in last


@pytest.mark.peer("tcpdump")
def test_tcpdump_reads_the_announcements(tmp_path: Path) -> None:
    taken = record(tmp_path, "real")
    arps = tcpdump(taken, "arp")
    assert len(arps) == 2
    assert all(f"Request who-has {VIP} ({taken.mac}) tell {VIP}" in line for line in arps)
    told = [line for line in tcpdump(taken, "icmp6") if "neighbor advertisement" in line]
    assert len(told) == 2
    for line in told:
        assert f"{VIP6} > ff02::1: [icmp6 sum ok]" in line
        assert f"tgt is {VIP6}, Flags [override]" in line
        assert f"destination link-address option (2), length 8 (1): {taken.mac}" in line
