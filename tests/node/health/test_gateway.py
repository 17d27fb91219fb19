"""A neighbour is asked on a real network whether it is there."""

import random
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_interface

import pytest
from tests.support.waiting import turn, turn_until, until

from carpool.carp import frames
from carpool.lab.faults import unplug
from carpool.lab.network import Lab
from carpool.lab.zone import Zone
from carpool.node.health.connection import TcpProbe
from carpool.node.health.gateway import GatewayProbe, _filter
from carpool.node.health.settings import Gateway
from carpool.node.host import Interface
from carpool.node.loop import Loop

pytestmark = pytest.mark.namespaces

MS = 1_000_000
NODE, ROUTER = "10.0.0.7", "10.0.0.1"
NODE6, ROUTER6 = "fd00::7", "fd00::1"
FOUND = [None]
NOTHING: list[str | None] = []


class Net:
    """A node and its router."""

    def __init__(self, lab: Lab, loop: Loop) -> None:
        self.lab = lab
        self.loop = loop
        self.node = self.zone("node", f"{NODE}/24", f"{NODE6}/64")
        self.router = self.zone("router", f"{ROUTER}/24", f"{ROUTER6}/64")
        self.probes: list[GatewayProbe] = []

    def zone(self, name: str, *addresses: str) -> Zone:
        return self.lab.add_zone(name, addresses=[ip_interface(text) for text in addresses])

    def interface(self, name: str) -> Interface | None:
        link = self.node.route.link(name)
        return Interface(link.name, link.index, link.mac, link.carrier) if link else None

    def probe(self, address: str, source: str | None) -> GatewayProbe:
        own = None if source is None else ip_address(source)
        probe = GatewayProbe(self.loop, self.interface, Gateway(ip_address(address), "net0", own))
        self.probes.append(probe)
        return probe

    def ask(self, probe: GatewayProbe, *, seconds: float = 5) -> list[str | None]:
        """Ask, and return what is found within a time."""
        found: list[str | None] = []

        def done(problem: str | None) -> None:
            found.append(problem)
            self.loop.stop()

        with self.node.namespace.entered():
            probe.start(done)
        turn(self.loop, round(seconds * 1000) * MS)
        return found

    def until_answered(self, probe: GatewayProbe) -> None:
        """Ask until there is an answer: a network that was just made takes its time to hear.

        What others of the questions are answered with has come by then, too.
        """
        asked = 0

        def answers() -> bool:
            nonlocal asked
            asked += 1
            probe.cancel()
            return self.ask(probe, seconds=0.2) == FOUND

        until(answers)
        assert probe._socket is not None
        while asked > 1 and select.select([probe._socket], [], [], 0.5)[0]:
            probe._socket.recv(200)


@contextmanager
def network() -> Iterator[Net]:
    loop = Loop()
    with Lab() as lab:
        net = Net(lab, loop)
        yield net
        for probe in net.probes:
            probe.close()
    loop.close()


@pytest.mark.parametrize(
    ("address", "absent", "source"),
    [
        (ROUTER, "10.0.0.2", NODE),
        (ROUTER, "10.0.0.2", None),
        (ROUTER6, "fd00::2", NODE6),
        (ROUTER6, "fd00::2", None),
    ],
)
def test_who_is_there_answers(address: str, absent: str, source: str | None) -> None:
    with network() as net:
        there = net.probe(address, source)
        net.until_answered(there)
        assert net.ask(there) == FOUND
        assert net.ask(net.probe(absent, source), seconds=0.3) == NOTHING


def test_a_late_answer_is_none_to_the_next_question() -> None:
    with network() as net:
        probe = net.probe(ROUTER, NODE)
        net.until_answered(probe)
        found: list[str | None] = []
        with net.node.namespace.entered():
            probe.start(found.append)
            probe.cancel()
        assert probe._socket is not None
        assert select.select([probe._socket], [], [], 5)[0], "the late answer has not come"
        unplug(net.lab, net.router)
        assert net.ask(probe, seconds=0.3) == NOTHING
        assert found == NOTHING


def test_an_interface_that_goes_and_comes_back() -> None:
    with network() as net:
        probe = net.probe(ROUTER, NODE)
        net.until_answered(probe)
        port = net.node.ports["net0"]
        net.node.route.delete_link(port.index)
        [problem] = net.ask(probe)
        assert problem == "there is no interface net0 to ask on"
        net.lab.connect(net.node, "net0", port.addresses)
        until(lambda: (one := net.interface("net0")) and one.carrier)
        net.until_answered(probe)


def test_nothing_else_wakes_us() -> None:
    """The kernel's filter lets through what is an answer, and nothing besides."""
    with network() as net:
        probe = net.probe(ROUTER, NODE)
        net.until_answered(probe)
        chance = random.Random(7)
        mac = net.router.route.link("net0")
        assert mac is not None
        noise = [
            frames.gratuitous_arp(mac.mac, ip_address(ROUTER).packed),
            frames.question(mac.mac, ip_address(ROUTER).packed, ip_address(NODE).packed),
            frames.neighbour_advertisement(mac.mac, ip_address(ROUTER6).packed),
            *(
                b"\xff" * 6 + mac.mac + b"\x08\x06" + chance.randbytes(chance.randrange(60))
                for _ in range(500)
            ),
        ]
        with (
            net.router.namespace.entered(),
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender,
        ):
            for frame in noise:
                sender.sendto(frame, ("net0", 0))
        time.sleep(0.05)
        assert probe._socket is not None
        with pytest.raises(BlockingIOError):
            probe._socket.recv(200)
        assert net.ask(probe) == FOUND


def test_every_jump_of_the_filter_stays_inside() -> None:
    for address in (ROUTER, ROUTER6):
        program = _filter(ip_address(address))
        for at, (operation, _, to_reject, _) in enumerate(program):
            if operation == 0x15:
                assert at + 1 + to_reject == len(program) - 1


def test_tcp_over_ipv6() -> None:
    with network() as net:
        with net.router.namespace.entered():
            listener = socket.create_server((ROUTER6, 0), family=socket.AF_INET6)
        probe = TcpProbe(net.loop, ip_address(ROUTER6), listener.getsockname()[1])
        for expected in (None, "Connection refused"):
            found: list[str | None] = []
            with net.node.namespace.entered():
                probe.start(found.append)
            turn_until(net.loop, lambda found=found: found)  # type: ignore[misc]
            assert found == [expected]
            listener.close()
