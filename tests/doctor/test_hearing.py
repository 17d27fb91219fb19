"""What the ears hear on an interface: what the kernel would give to those who listen there."""

import socket
from collections.abc import Iterator

import pytest
from tests.doctor.speaker import advertisement

from carpool.carp.packet import Datagram
from carpool.doctor.hearing import Hearing
from carpool.lab.network import Lab
from carpool.lab.zone import Zone
from carpool.watch.ear import Ear

pytestmark = pytest.mark.namespaces

PLAIN, PRIORITY, TAGGED = 1, 2, 3
TAGS = {PLAIN: b"", PRIORITY: bytes.fromhex("8100a000"), TAGGED: bytes.fromhex("81000005")}


@pytest.fixture
def zones() -> Iterator[tuple[Zone, Zone]]:
    with Lab() as lab:
        yield lab.add_zone("left"), lab.add_zone("right")


def say(zone: Zone) -> None:
    """Send an advertisement in a VLAN, one of none but with a priority, and a plain one."""
    with zone.namespace.entered():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with sender:
        sender.bind(("net0", 0))
        for vhid in (TAGGED, PRIORITY, PLAIN):
            frame = advertisement(vhid, "10.0.0.1")
            sender.send(frame[:12] + TAGS[vhid] + frame[12:])


def test_the_doctor_does_not_hear_the_vlans_of_an_interface(zones: tuple[Zone, Zone]) -> None:
    left, right = zones
    with right.namespace.entered():
        hearing = Hearing("net0", whole=True)
    with hearing:
        say(left)
        while PLAIN not in (heard := {word.vhid for word in hearing.words()}):
            hearing.receive(0)
    assert heard == {PLAIN, PRIORITY}


def test_an_onlooker_does_not_hear_the_vlans_of_an_interface(zones: tuple[Zone, Zone]) -> None:
    left, right = zones
    with right.namespace.entered():
        ear = Ear("net0")
    heard: set[int] = set()
    with ear:
        say(left)
        while PLAIN not in heard:
            ear.wait(1)
            heard |= {one.payload[1] for one in ear.receive() if isinstance(one, Datagram)}
    assert heard == {PLAIN, PRIORITY}
