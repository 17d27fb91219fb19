"""The raw IP sockets of illumos, the BSDs and macOS, which work on Linux as well."""

import errno
import fcntl
import os
import select
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Interface, ip_interface
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.processes import open_descriptors
from tests.support.wire import Capture, Frame

from carpool.carp.frames import announcement, ethernet, multicast_mac, virtual_mac
from carpool.carp.packet import GROUP_V4, GROUP_V6, TTL, Datagram, ipv4_packet, parse_ipv4
from carpool.carp.wire import PROTOCOL, Rejection
from carpool.lab.network import Lab
from carpool.lab.zone import Zone
from carpool.node.links import bpf
from carpool.node.links.plain import delivered, in_host_order
from carpool.node.links.posix import PosixLink
from carpool.node.settings import Advertise

LEFT, RIGHT = ip_interface("10.0.0.1/24"), ip_interface("10.0.0.2/24")
LEFT6, RIGHT6 = ip_interface("fd00::1/64"), ip_interface("fd00::2/64")
PAYLOAD = bytes(range(36))
REFUSED = "assign|argument|No such device"


@contextmanager
def two_zones() -> Iterator[tuple[Zone, Zone]]:
    with Lab() as lab:
        left = lab.add_zone("left", addresses=[LEFT, LEFT6])
        yield left, lab.add_zone("right", addresses=[RIGHT, RIGHT6])


def open_link(
    zone: Zone,
    families: tuple[int, ...] = (4, 6),
    *,
    name: str = "net0",
    group: bytes = GROUP_V4,
    plain: bool = True,
) -> PosixLink:
    port = zone.ports[name]
    with zone.namespace.entered():
        link = PosixLink(name, port.index, b"\2\0\0\0\0\1", group, families, plain=plain)
        link.use_addresses([one for one in port.addresses if isinstance(one, IPv4Interface)])
    return link


def say(zone: Zone, link: PosixLink, source: bytes) -> None:
    with zone.namespace.entered():
        link.advertise(1, source, PAYLOAD, Advertise.REAL_MAC)


def heard(link: PosixLink, seconds: float = 5.0) -> list[Datagram | Rejection]:
    """Return what a link hears, once it hears anything; nothing if it does not within that time."""
    while select.select(link.sockets(), [], [], seconds)[0]:
        if found := list(link.receive()):
            return found
    return []


def advertisement(capture: Capture) -> Frame:
    """Return the first frame of protocol 112."""
    for _ in range(500):
        for frame in capture.frames():
            place = {0x0800: 23, 0x86DD: 20}.get(frame.ethertype)
            if place is not None and frame.data[place] == PROTOCOL:
                return frame
        select.select([], [], [], 0.01)
    raise AssertionError("no advertisement on the wire")


either = pytest.mark.parametrize("plain", [False, True], ids=["BSD", "illumos"])


@pytest.mark.namespaces
def test_an_ipv4_advertisement_is_sent_as_it_should_be_and_heard() -> None:
    with two_zones() as (left, right), Capture(right) as capture, ExitStack() as stack:
        sender, receiver = open_link(left), open_link(right)
        stack.callback(sender.close)
        stack.callback(receiver.close)
        say(left, sender, LEFT.ip.packed)
        assert heard(receiver) == [Datagram(LEFT.ip.packed, GROUP_V4, TTL, PAYLOAD)]
        packet = advertisement(capture).data[14:]
        assert (packet[1], packet[6:8], packet[8]) == (0x10, b"\x40\0", 255), "TOS, DF, TTL"
        assert parse_ipv4(packet) == Datagram(LEFT.ip.packed, GROUP_V4, TTL, PAYLOAD)
        assert heard(sender, 0.1) == [], "its own is not heard"


@pytest.mark.namespaces
@either
def test_an_ipv6_advertisement_is_sent_as_it_should_be_and_heard(plain: bool) -> None:
    with two_zones() as (left, right), Capture(right) as capture, ExitStack() as stack:
        sender, receiver = open_link(left, plain=plain), open_link(right, plain=plain)
        stack.callback(sender.close)
        stack.callback(receiver.close)
        link_local = next(
            one.ip for one in left.addresses() if one.version == 6 and one.ip.is_link_local
        )
        for source in (LEFT6.ip.packed, link_local.packed, LEFT6.ip.packed):
            say(left, sender, source)
            assert heard(receiver) == [Datagram(source, GROUP_V6, TTL, PAYLOAD)]
        frame = advertisement(capture)
        assert frame.data[14 + 7] == 255, "hop limit"
        assert frame.data[:6] == multicast_mac(GROUP_V6)
        assert heard(sender, 0.1) == [], "its own is not heard"


@pytest.mark.namespaces
@either
def test_each_interface_hears_its_own_network_alone(plain: bool) -> None:
    with Lab() as lab, ExitStack() as stack:
        both = lab.add_zone("both", addresses=[RIGHT, RIGHT6])
        lab.connect(
            both, "net1", [ip_interface("10.1.0.2/24"), ip_interface("fd01::2/64")], "other"
        )
        near = lab.add_zone("near", addresses=[LEFT, LEFT6])
        far_addresses = [ip_interface("10.1.0.1/24"), ip_interface("fd01::1/64")]
        far = lab.add_zone("far", addresses=far_addresses, segment="other")
        links = [open_link(both, name=name, plain=plain) for name in ("net0", "net1")]
        senders = [open_link(zone, plain=plain) for zone in (near, far)]
        for link in links + senders:
            stack.callback(link.close)
        for index, zone in enumerate((near, far)):
            for address in zone.ports["net0"].addresses:
                say(zone, senders[index], address.ip.packed)
                (found,) = heard(links[index])
                assert isinstance(found, Datagram)
                assert found.source == address.ip.packed
                assert heard(links[1 - index], 0.1) == []


@pytest.mark.namespaces
def test_an_interface_without_address_is_heard_once_it_has_one() -> None:
    with two_zones() as (left, right), ExitStack() as stack:
        sender = open_link(left)
        with right.namespace.entered():
            late = PosixLink("net0", right.ports["net0"].index, b"", GROUP_V4, [4], plain=True)
        stack.callback(sender.close)
        stack.callback(late.close)
        say(left, sender, LEFT.ip.packed)
        assert heard(late, 0.1) == []
        for _ in range(2):
            late.use_addresses([IPv4Interface(RIGHT)])
        say(left, sender, LEFT.ip.packed)
        assert len(heard(late)) == 1
        # What it joined with goes; the membership stays.
        right.route.add_address(right.ports["net0"].index, ip_interface("10.0.0.3/24"))
        assert right.route.delete_address(right.ports["net0"].index, RIGHT)
        late.use_addresses([IPv4Interface("10.0.0.3/24")])
        say(left, sender, LEFT.ip.packed)
        assert len(heard(late)) == 1


@pytest.mark.namespaces
def test_another_multicast_group_is_another_network() -> None:
    other = bytes([224, 0, 0, 99])
    with two_zones() as (left, right), ExitStack() as stack:
        sender, receiver = open_link(left, group=other), open_link(right, group=other)
        stack.callback(sender.close)
        stack.callback(receiver.close)
        say(left, sender, LEFT.ip.packed)
        assert heard(receiver) == [Datagram(LEFT.ip.packed, other, TTL, PAYLOAD)]


@pytest.mark.namespaces
@either
def test_a_source_that_is_not_ours_is_an_error(plain: bool) -> None:
    with two_zones() as (left, _), ExitStack() as stack:
        link = open_link(left, plain=plain)
        stack.callback(link.close)
        for source in (RIGHT.ip.packed, RIGHT6.ip.packed):
            with pytest.raises(OSError, match=REFUSED):
                say(left, link, source)
        say(left, link, LEFT6.ip.packed)


@pytest.mark.namespaces
def test_without_bpf_the_kernel_announces_and_virtual_macs_are_refused() -> None:
    with two_zones() as (left, _), ExitStack() as stack:
        link = open_link(left)
        stack.callback(link.close)
        assert link.no_bpf is not None
        link.announce(LEFT.ip.packed)
        for how in (Advertise.VIRTUAL_MAC, Advertise.BROADCAST):
            with pytest.raises(OSError, match=r"needs /dev/bpf \(.*no /dev/bpf.*use the real MAC"):
                link.advertise(1, LEFT.ip.packed, PAYLOAD, how)


@pytest.mark.namespaces
@either
def test_no_socket_is_left_behind(plain: bool) -> None:
    with two_zones() as (left, _):
        before = open_descriptors()
        link = open_link(left, plain=plain)
        say(left, link, LEFT6.ip.packed)
        link.close()
        with pytest.raises(OSError, match=REFUSED):
            open_link_number(left, 9999, plain)
        assert open_descriptors() == before


def open_link_number(zone: Zone, index: int, plain: bool) -> PosixLink:
    with zone.namespace.entered():
        return PosixLink("net0", index, b"", GROUP_V4, (4, 6), plain=plain)


# Headers.


def test_a_header_in_host_order() -> None:
    packet = ipv4_packet(LEFT.ip.packed, PAYLOAD)
    turned = in_host_order(packet)
    assert struct.unpack_from("=H", turned, 2) == (20 + len(PAYLOAD),)
    assert struct.unpack_from("=H", turned, 6) == (0x4000,)
    assert (turned[:2], turned[4:6], turned[8:]) == (packet[:2], packet[4:6], packet[8:])


def test_what_the_kernels_hand_over_is_taken_apart() -> None:
    packet = ipv4_packet(LEFT.ip.packed, PAYLOAD)
    expected = Datagram(LEFT.ip.packed, GROUP_V4, TTL, PAYLOAD)
    assert delivered(packet) == expected
    # NetBSD and macOS: host order, and without the header's length.
    less = struct.pack("=H", len(PAYLOAD))
    assert delivered(packet[:2] + less + packet[4:]) == expected
    options = bytes([0x46, *packet[1:20]]) + bytes(4) + PAYLOAD
    assert delivered(options) == expected


@given(st.binary(max_size=80))
def test_nothing_that_is_handed_over_raises(packet: bytes) -> None:
    found = delivered(packet)
    assert found is Rejection.TRUNCATED or isinstance(found, Datagram)


@given(st.integers(0, 40))
def test_a_short_packet_is_truncated(size: int) -> None:
    packet = ipv4_packet(LEFT.ip.packed, PAYLOAD)[: min(size, 19)]
    assert delivered(packet) is Rejection.TRUNCATED


# The Berkeley packet filter, in front of a kernel that is a file.


class FakeKernel:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[tuple[int, bytes]] = []
        self.refuses: set[str] = set()
        self.file = folder / "bpf"
        self.file.touch()
        self.busy = folder / "busy"
        monkeypatch.setattr(bpf, "_DEVICES", ("/nowhere/bpf", str(self.busy), str(self.file)))
        monkeypatch.setattr(fcntl, "ioctl", self._ioctl)
        self._open = os.open
        monkeypatch.setattr(os, "open", self._opened)

    def _opened(self, path: str, flags: int, mode: int = 0o777) -> int:
        if path == str(self.busy):
            raise OSError(errno.EBUSY, "Device busy")
        return self._open(path, flags, mode)

    def _ioctl(self, _fd: int, request: int, argument: bytes) -> None:
        name = argument.partition(b"\0")[0].decode(errors="replace")
        if name in self.refuses:
            raise OSError(errno.ENXIO, "Device not configured")
        self.requests.append((request, argument))


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    return FakeKernel(tmp_path, monkeypatch)


def test_bpf_sends_whole_frames_with_our_source(kernel: FakeKernel) -> None:
    device = bpf.Bpf("net0")
    device.send(b"frame")
    device.close()
    (bind, interface), (complete, flag) = kernel.requests
    assert (bind, complete) == (0x8020426C, 0x80044275)
    assert interface.startswith(b"net0\0")
    assert struct.unpack("@I", flag) == (1,)
    assert kernel.file.read_bytes() == b"frame"


def test_bpf_on_no_interface_is_an_error_and_leaves_nothing_open(kernel: FakeKernel) -> None:
    kernel.refuses = {"net9"}
    before = open_descriptors()
    with pytest.raises(OSError, match="not configured"):
        bpf.Bpf("net9")
    with pytest.raises(OSError, match="too long"):
        bpf.Bpf("n" * 16)
    assert open_descriptors() == before


def test_bpf_that_is_all_in_use_says_so(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bpf, "_DEVICES", (str(kernel.busy),))
    with pytest.raises(OSError, match="busy"):
        bpf.Bpf("net0")
    monkeypatch.setattr(bpf, "_DEVICES", ("/nowhere/bpf",))
    with pytest.raises(OSError, match="there is no /dev/bpf"):
        bpf.Bpf("net0")


def test_a_link_with_bpf_announces_and_has_virtual_macs(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac = bytes.fromhex("020820000001")
    link = PosixLink("net0", 2, mac, GROUP_V4, (), plain=True)
    link.announce(LEFT.ip.packed)
    link.advertise(7, LEFT.ip.packed, PAYLOAD, Advertise.VIRTUAL_MAC)
    link.mac = b""  # ifconfig shows none to the unprivileged
    link.announce(LEFT.ip.packed)
    link.close()
    packet = ipv4_packet(LEFT.ip.packed, PAYLOAD)
    frame = ethernet(virtual_mac(7), multicast_mac(GROUP_V4), packet)
    assert kernel.file.read_bytes() == announcement(mac, LEFT.ip.packed) + frame
