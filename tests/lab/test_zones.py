"""Zones, cables, faults and the measuring client, each test in namespaces of its own."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, ip_address, ip_interface
from pathlib import Path

import pytest
from tests.support.waiting import PATIENCE, until

from carpool.lab import faults
from carpool.lab.namespaces import LabError
from carpool.lab.network import Lab
from carpool.lab.probe import Outage, Probe, outages, start_echo, tenures
from carpool.lab.zone import Zone
from carpool.netlink.messages import IFA_F_TENTATIVE

pytestmark = pytest.mark.namespaces

VIP = IPv4Interface("192.0.2.100/32")
MS = 1_000_000
DAEMON = "import os; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); input()"


@contextmanager
def two_zones() -> Iterator[tuple[Lab, Zone, Zone, Zone]]:
    """Zones a and b, each with an echo, and a client; a has the VIP."""
    with Lab() as lab:
        a, b, client = (
            lab.add_zone(name, "net0", [ip_interface(f"192.0.2.{number}/24")])
            for number, name in enumerate(["a", "b", "client"], 1)
        )
        start_echo(a)
        start_echo(b)
        a.route.add_address(a.ports["net0"].index, VIP)
        yield lab, a, b, client


def go_on(probe: Probe) -> int:
    """Return once there are answers to questions put from now on; what time it was then (ns)."""
    now = time.monotonic_ns()
    until(lambda: probe.answers() and probe.answers()[-1].sent > now, "an answer to the client")
    return now


def frames_heard(zone: Zone) -> int:
    """Return how many frames have come to a zone: all but a few are questions of the client."""
    with zone.namespace.entered():
        counters = Path("/proc/thread-self/net/dev").read_text()
    return int(counters.partition("net0:")[2].split()[1])


def ask_in_vain(zone: Zone, count: int) -> int:
    """Return, with the time (ns), once that many more frames have come to a zone.

    The client takes an answer before each question: it has taken all that there was by then,
    however long it had to wait for a processor.
    """
    asked = frames_heard(zone) + count
    until(lambda: frames_heard(zone) >= asked, "questions of the client")
    return time.monotonic_ns()


def frozen_for(probe: Probe, zone: Zone, seconds: float) -> Outage:
    """Freeze a zone that answers for that long; return what the client makes of it."""
    before = go_on(probe)
    faults.freeze(zone)
    frozen = ask_in_vain(zone, 25)
    time.sleep(seconds)  # the pause to be measured
    thawing = time.monotonic_ns()
    faults.thaw(zone)
    go_on(probe)
    gaps = outages(probe.answers(), at_least=0)
    (gap,) = (it for it in gaps if it.start < thawing <= it.end)
    assert before <= gap.start <= frozen
    assert gap.duration <= time.monotonic_ns() - before
    return gap


def frames_until_now(zone: Zone) -> tuple[int, int]:
    """Return the time (ns) and how many frames had come to a zone by then."""
    while True:
        now, heard = time.monotonic_ns(), frames_heard(zone)
        if time.monotonic_ns() - now < 10 * MS:  # else some came in between
            return now, heard


def announce(zone: Zone) -> None:
    """Send a gratuitous ARP request for the VIP: RFC 5227, section 3."""
    link = zone.route.link("net0")
    assert link is not None
    with (
        zone.namespace.entered(),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire,
    ):
        wire.bind(("net0", 0x0806))
        arp = bytes.fromhex("0001080006040001") + link.mac + VIP.packed + bytes(6) + VIP.packed
        wire.send(b"\xff" * 6 + link.mac + b"\x08\x06" + arp)


@pytest.mark.parametrize("address", ["192.0.2.1", "fd00::1"])
def test_zones_reach_each_other_at_once(address: str) -> None:
    with Lab() as lab:
        a = lab.add_zone("a", "net0", [ip_interface("192.0.2.1/24"), ip_interface("fd00::1/64")])
        b = lab.add_zone("b", "lan9", [ip_interface("192.0.2.2/24"), ip_interface("fd00::2/64")])
        assert not [it for it in a.route.addresses() if it.flags & IFA_F_TENTATIVE]
        start_echo(a)
        with Probe(lab, b, ip_address(address)) as probe:
            go_on(probe)
            assert probe.answers()[-1].zone == "a"


def test_segments_are_apart() -> None:
    with Lab() as lab:
        a = lab.add_zone("a", "net0", [ip_interface("192.0.2.1/24")], segment="front")
        b = lab.add_zone("b", "net0", [ip_interface("192.0.2.2/24")], segment="back")
        start_echo(a)
        with Probe(lab, b, IPv4Address("192.0.2.1")) as apart:
            lab.connect(a, "net1", [ip_interface("198.51.100.1/24")], segment="third")
            lab.connect(b, "net1", [ip_interface("198.51.100.2/24")], segment="third")
            with Probe(lab, b, IPv4Address("198.51.100.1")) as together:
                go_on(together)
            assert not apart.answers()


def test_a_zone_knows_what_it_holds() -> None:
    with two_zones() as (_, a, b, _):
        assert a.holds(VIP.ip)
        assert not b.holds(VIP.ip)
        assert VIP in a.addresses()
        assert a.route.delete_address(a.ports["net0"].index, VIP)
        assert not a.holds(VIP.ip)
        assert not a.holds(IPv6Address("2001:db8::1"))


def test_one_lab_after_another_in_the_same_namespaces() -> None:
    for _ in range(2):
        with Lab() as lab:
            lab.add_zone("a", segment="left")
            lab.add_zone("b", segment="right")


def test_two_zones_of_one_name() -> None:
    with Lab() as lab:
        lab.add_zone("a")
        with pytest.raises(LabError, match="zone a: there is one of that name already"):
            lab.add_zone("a")


def test_a_fault_on_an_interface_that_is_not_there() -> None:
    with Lab() as lab:
        a = lab.add_zone("a", "net0")
        with pytest.raises(LabError, match=r"zone a: no interface net7; there is: net0"):
            faults.unplug(lab, a, "net7")


def test_a_pulled_cable_takes_the_carrier() -> None:
    with Lab() as lab:
        a = lab.add_zone("a", "net0")
        lab.connect(a, "net1")
        faults.unplug(lab, a, "net0")
        until(lambda: not a.carrier("net0"), "carrier gone")
        assert a.carrier("net1")
        link = a.route.link("net0")
        assert link is not None
        assert link.up
        faults.plug(lab, a, "net0")
        assert a.carrier("net0")
        a.route.set_link(link.index, up=False)
        faults.plug(lab, a, "net0")  # which cannot give a carrier to what is switched off
        assert not a.carrier("net0")


def test_a_partition_leaves_the_carrier() -> None:
    with two_zones() as (lab, a, _, client), Probe(lab, client, VIP.ip) as probe:
        go_on(probe)
        faults.partition(lab, a)
        cut = time.monotonic_ns()
        time.sleep(0.1)  # 50 questions
        assert a.carrier("net0")
        assert max(answer.sent for answer in probe.answers()) <= cut
        faults.heal(lab, a)
        go_on(probe)


def test_a_known_pause_is_measured() -> None:
    with two_zones() as (lab, a, _, client), Probe(lab, client, VIP.ip) as probe:
        go_on(probe)
        gap = frozen_for(probe, a, 0.5)
        assert gap.duration >= 500 * MS
        assert (gap.before, gap.after) == ("a", "a")


def test_answers_later_than_a_second_do_not_count() -> None:
    with two_zones() as (lab, a, _, client), Probe(lab, client, VIP.ip) as probe:
        gap = frozen_for(probe, a, 1.5)
        assert max(answer.received - answer.sent for answer in probe.answers()) < 1000 * MS
        assert gap.duration >= 1500 * MS


def test_the_client_follows_the_vip_when_told_and_no_sooner() -> None:
    with two_zones() as (lab, a, b, client), Probe(lab, client, VIP.ip) as probe:
        go_on(probe)
        a.route.delete_address(a.ports["net0"].index, VIP)
        b.route.add_address(b.ports["net0"].index, VIP)
        ask_in_vain(a, 150)
        assert [tenure.zone for tenure in tenures(probe.answers())] == ["a"]
        announce(b)
        go_on(probe)
        assert [tenure.zone for tenure in tenures(probe.answers())] == ["a", "b"]
        (switch,) = (it for it in outages(probe.answers(), at_least=0) if it.before != it.after)
        assert switch.duration > 90 * MS


def test_a_crash_takes_everything_and_the_zone_can_boot_again() -> None:
    with two_zones() as (lab, a, _, client), Probe(lab, client, VIP.ip) as probe:
        go_on(probe)
        addresses = a.ports["net0"].addresses
        faults.crash(lab, a)
        assert a.processes() == []
        assert a.addresses() == []
        assert [link.name for link in a.route.links()] == ["lo"]
        lab.connect(a, "net0", [*addresses, VIP])
        start_echo(a)
        announce(a)
        go_on(probe)


def test_a_zone_sees_its_daemons_too_and_leaves_none() -> None:
    with Lab() as lab:
        a = lab.add_zone("a")
        b = lab.add_zone("b")
        feeder = a.namespace.popen([sys.executable, "-c", DAEMON], stdin=subprocess.PIPE)
        feeder.wait(PATIENCE)
        bystander = b.start(["sleep", "1000"])
        until(lambda: len(a.processes()) == 1, "the daemon alone")
        assert b.processes() == [bystander.pid]
        a.signal(signal.SIGKILL)
        assert a.processes() == []
        assert bystander.poll() is None
        assert feeder.stdin is not None
        feeder.stdin.close()
    assert bystander.poll() == -signal.SIGKILL


def test_what_a_program_prints_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with Lab() as lab:
        a = lab.add_zone("a")
        program = "import os; os.write(1, b'out\\n'); os.write(2, os.environb[b'WORD'])"
        for word in ("first\n", "second\n"):
            child = a.start([sys.executable, "-c", program], log=log, environment={"WORD": word})
            assert child.wait(PATIENCE) == 0
    assert log.read_text() == "out\nfirst\nout\nsecond\n"


def test_zones_do_not_forward() -> None:
    with Lab() as lab:
        a = lab.add_zone("a")
        with a.namespace.entered():
            assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "0\n"


@pytest.mark.skipif(shutil.which("nft") is None, reason="no nft: install nftables")
def test_loss_is_in_proportion() -> None:
    with two_zones() as (lab, a, _, client), Probe(lab, client, VIP.ip) as probe:
        go_on(probe)
        faults.lose(a, 100)
        cut = time.monotonic_ns()
        time.sleep(0.05)
        assert max(answer.sent for answer in probe.answers()) <= cut
        faults.lose(a, 50)
        go_on(probe)
        begin, before = frames_until_now(a)
        ask_in_vain(a, 200)
        end, after = frames_until_now(a)
        go_on(probe)  # whatever was asked until then is answered by now, or lost
        kept = sum(begin < answer.sent <= end for answer in probe.answers())
        assert 0.25 < kept / (after - before) < 0.75
        faults.lose(a, 0)
        go_on(probe)


def test_loss_without_nft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with Lab() as lab:
        a = lab.add_zone("a")
        with pytest.raises(LabError, match="install nftables"):
            faults.lose(a, 10)
