"""What ifconfig lists, from transcripts written after the man pages of each system."""

from ipaddress import ip_interface
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carpool.node.hosts.ifconfig import Listed, Listing, parse

TRANSCRIPTS = {path.stem: path for path in (Path(__file__).parent / "transcripts").iterdir()}

BSD_MAC = bytes.fromhex("080027aabbcc")

PORTS = {
    "smartos": {
        "lo0": (b"", True),
        "net0": (bytes.fromhex("020820881ead"), True),
        "net1": (bytes.fromhex("020820050607"), False),
        "tun0": (b"", True),
    },
    "freebsd": {
        "em0": (BSD_MAC, True),
        "em1": (bytes.fromhex("080027ddeeff"), False),
        "lo0": (b"", True),
        "wlan0": (bytes.fromhex("080027112233"), True),
    },
    "openbsd": {
        "lo0": (b"", True),
        "em0": (BSD_MAC, True),
        "em1": (bytes.fromhex("080027ddeeff"), False),
        "enc0": (b"", False),
    },
    "netbsd": {
        "wm0": (BSD_MAC, True),
        "wm1": (bytes.fromhex("080027ddeeff"), False),
        "lo0": (b"", True),
    },
    "macos": {
        "lo0": (b"", True),
        "gif0": (b"", False),
        "en0": (BSD_MAC, True),
        "en5": (bytes.fromhex("080027ddeeff"), False),
        "utun0": (b"", True),
    },
}
"""MAC and carrier of each interface."""

ADDRESSES = {
    "smartos": [
        "lo0 127.0.0.1/8",
        "net0 192.168.0.201/24",
        "net0:1 192.168.0.203/24",
        "net0:2 192.168.0.204/32 down duplicate",
        "tun0 10.9.0.1/32",
        "lo0 ::1/128",
        "net0 fe80::8:20ff:fe88:1ead/10",
        "net0:1 2001:db8::8:20ff:fe88:1ead/64",
    ],
    "freebsd": [
        "em0 192.168.0.201/24",
        "em0 192.168.0.203/32",
        "em0 fe80::a00:27ff:feaa:bbcc/64",
        "em0 2001:db8::201/64 tentative",
        "em0 2001:db8::203/64 duplicate",
        "lo0 127.0.0.1/8",
        "lo0 ::1/128",
        "lo0 fe80::1/64",
        "wlan0 10.0.0.7/16",
    ],
    "openbsd": [
        "lo0 ::1/128",
        "lo0 fe80::1/64",
        "lo0 127.0.0.1/8",
        "em0 192.168.0.201/24",
        "em0 192.168.0.203/32",
        "em0 fe80::a00:27ff:feaa:bbcc/64",
        "em0 2001:db8::203/64 duplicate",
    ],
    "netbsd": [
        "wm0 fe80::a00:27ff:feaa:bbcc/64",
        "wm0 2001:db8::203/64 tentative",
        "wm0 192.168.0.201/24",
        "wm0 192.168.0.203/32 duplicate",
        "wm0 192.168.0.204/32",
        "lo0 ::1/128",
        "lo0 fe80::1/64",
        "lo0 127.0.0.1/8",
    ],
    "macos": [
        "lo0 127.0.0.1/8",
        "lo0 ::1/128",
        "lo0 fe80::1/64",
        "en0 fe80::c8f:1c8a:5c4f:3d1e/64",
        "en0 192.168.0.201/24",
        "en0 192.168.0.203/32",
        "en5 fe80::aede:48ff:fe00:1122/64 duplicate",
        "utun0 10.8.0.6/32",
    ],
}


def short(listed: Listed) -> str:
    assert listed.interface == listed.unit.partition(":")[0]
    marks = {"down": not listed.up, "duplicate": listed.duplicate, "tentative": listed.tentative}
    assert listed.usable == (not any(marks.values()))
    return " ".join([listed.unit, str(listed.address), *(name for name in marks if marks[name])])


@pytest.mark.parametrize("system", sorted(TRANSCRIPTS))
def test_a_transcript_is_read(system: str) -> None:
    listing = parse(TRANSCRIPTS[system].read_text())
    assert {name: (port.mac, port.carrier) for name, port in listing.ports.items()} == PORTS[system]
    assert [short(one) for one in listing.addresses] == ADDRESSES[system]


ILLUMOS = """\
net0: flags=1000843<UP,BROADCAST,RUNNING,MULTICAST,IPv4> mtu 1500 index 2
\tinet 10.0.0.1 netmask ffffff00 broadcast 10.0.0.255
"""


def test_on_illumos_running_tells_of_the_link() -> None:
    assert parse(ILLUMOS).ports["net0"].carrier
    assert not parse(ILLUMOS.replace("RUNNING,", "")).ports["net0"].carrier


def test_on_illumos_each_logical_interface_is_up_or_down_for_itself() -> None:
    down = ILLUMOS.replace("UP,", "").replace("net0:", "net0:1:").replace("10.0.0.1 ", "10.0.0.2 ")
    first, second = parse(ILLUMOS + down).addresses
    assert (first.unit, first.usable) == ("net0", True)
    assert (second.unit, second.usable) == ("net0:1", False)
    assert second.address == ip_interface("10.0.0.2/24")


def test_an_unset_address_is_none() -> None:
    assert parse(ILLUMOS.replace("10.0.0.1 ", "0.0.0.0 ")).addresses == ()


@pytest.mark.parametrize(
    "line",
    [
        "inet",
        "inet 10.0.0.256 netmask ffffff00",
        "inet 10.0.0.1/33",
        "inet 10.0.0.1/x",
        "inet 10.0.0.1 netmask",
        "inet 10.0.0.1 netmask xyz",
        "inet6 ::1::2/64",
        "inet6 ::1 prefixlen 129",
        "inet6 ::1 prefixlen -1",
        "inet6 %em0",
        "ether",
        "ether 1:2:3",
        "ether 1:2:3:4:5:6:7",
        "ether 1:2:3:4:5:g",
        "ether 1:2:3:4:5:100",
        "ether -1:2:3:4:5:6",
        "status:",
    ],
)
def test_a_line_that_makes_no_sense_harms_nothing(line: str) -> None:
    listing = parse(f"{ILLUMOS}\t{line}\n")
    assert listing.ports == {**parse(ILLUMOS).ports}
    assert listing.addresses[0] == parse(ILLUMOS).addresses[0]
    assert len(listing.addresses) == (2 if line == "inet 10.0.0.1 netmask" else 1)


def test_what_is_printed_before_the_first_interface_is_passed_over() -> None:
    noise = "ifconfig: warning: something\n\tinet 10.1.1.1 netmask ffffff00\n"
    assert parse(noise + ILLUMOS) == parse(ILLUMOS)
    assert parse("") == Listing({}, ())


LINES = [line for path in TRANSCRIPTS.values() for line in path.read_text().splitlines()]


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    parse(text)


@given(st.lists(st.sampled_from(LINES)), st.data())
def test_any_mixture_of_lines_and_damage_can_be_read(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(lines)
    for _ in range(3):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.text(max_size=4)) + text[place + 2 :]
    for one in parse(text).addresses:
        assert one.interface
        assert not one.address.ip.is_unspecified
