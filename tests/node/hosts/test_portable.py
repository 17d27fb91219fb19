"""The hosts that are configured by ifconfig, in front of a stand-in that keeps state."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest
from tests.support.ifconfig import FLAVOURS, StandIn
from tests.support.waiting import PATIENCE, turn_until
from tests.support.written import Written

from carpool.node.commands import Commands
from carpool.node.host import (
    AddressChanged,
    AnyInterface,
    HostError,
    HostEvent,
    Interface,
    InterfaceGone,
)
from carpool.node.hosts.bsd import BsdHost
from carpool.node.hosts.illumos import IllumosHost
from carpool.node.hosts.ipadm import IpadmHost
from carpool.node.hosts.portable import PortableHost
from carpool.node.hosts.routing import RoutingSocket
from carpool.node.log import Log
from carpool.node.loop import Loop

RTM_ADD = 1
RTM_NEWADDR = 12
MS = 1_000_000
SECOND = 1000 * MS
ADDS = ("addif", "alias", "create-addr")
"""What puts an address on, by whichever command."""
CREATE = ["create-addr", "-t", "-T", "static", "-a"]
REAL = "192.168.0.201/24"
VIP = ip_interface("192.168.0.203/24")
FAR = ip_interface("10.7.0.3/16")
VIP6 = ip_interface("2001:db8::203/64")
INDEXES = {"lo0": 1, "net0": 2, "net1": 3}


class FakeRouting(RoutingSocket):
    """Tells of a change when it is told to."""

    def __init__(self) -> None:
        self._socket, self._kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def tell(self, kind: int = RTM_NEWADDR) -> None:
        self._kernel.send(bytes([0, 0, 5, kind]) + bytes(60))

    def close(self) -> None:
        super().close()
        self._kernel.close()


@dataclass
class Bench:
    """A host, its stand-in, and what it has reported."""

    loop: Loop
    stand_in: StandIn
    host: PortableHost
    routing: FakeRouting
    lines: Written
    events: list[HostEvent] = field(default_factory=list)
    done: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def net0(self) -> Interface:
        return next(one for one in self.host.interfaces() if one.name == "net0")

    def add(self, *addresses: AnyInterface) -> None:
        name = "add " + " ".join(str(address.ip) for address in addresses)
        self.host.add_addresses(self.net0, addresses, lambda why: self.done.append((name, why)))

    def remove(self, *addresses: AnyInterface) -> None:
        name = "remove " + " ".join(str(address.ip) for address in addresses)
        self.host.remove_addresses(self.net0, addresses, lambda why: self.done.append((name, why)))

    def until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        turn_until(self.loop, condition, lambda: (self.done, self.lines), seconds)

    def until_done(self, *wanted: str) -> None:
        """Wait until these have ended well, in this order, and nothing else has."""
        self.until(lambda: len(self.done) >= len(wanted))
        assert self.done == [(name, None) for name in wanted]

    def ips(self) -> set[str]:
        return {text.partition("/")[0] for text in self.stand_in.addresses()}


MakeBench = Callable[..., Bench]


@pytest.fixture
def routing() -> Iterator[FakeRouting]:
    routing = FakeRouting()
    yield routing
    routing.close()


@pytest.fixture
def make_bench(
    loop: Loop, routing: FakeRouting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeBench:
    indexes = dict(INDEXES)
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(i, name) for name, i in indexes.items()])

    def make(
        flavour: str,
        *,
        limit_ns: int = 30 * SECOND,
        ifconfig: str | None = None,
        told: bool = True,
    ) -> Bench:
        stand_in = StandIn(tmp_path, flavour)
        stand_in.add_interface("net0", REAL)
        lines = Written()
        kind = {"illumos": IllumosHost, "ipadm": IpadmHost}.get(flavour, BsdHost)
        host = kind(
            loop,
            Log(lines),
            routing=routing if told else None,
            ifconfig=ifconfig or str(stand_in.path),
            commands=Commands(loop, limit_ns),
        )
        return Bench(loop, stand_in, host, routing, lines)

    return make


@pytest.fixture(params=FLAVOURS)
def bench(request: pytest.FixtureRequest, make_bench: MakeBench) -> Bench:
    return make_bench(request.param)


@pytest.fixture(params=["illumos", "ipadm", "freebsd"])
def each_kind(request: pytest.FixtureRequest, make_bench: MakeBench) -> Bench:
    """One of each class of host: the BSDs differ in what their ifconfig prints alone."""
    return make_bench(request.param)


@pytest.fixture
def illumos(make_bench: MakeBench) -> Bench:
    return make_bench("illumos")


# Addresses.


@pytest.mark.parametrize("address", [VIP, FAR, VIP6])
def test_an_address_goes_on_and_off_and_may_be_asked_for_twice(
    bench: Bench, address: AnyInterface
) -> None:
    bench.add(address)
    bench.until_done(f"add {address.ip}")
    assert bench.ips() == {"192.168.0.201", str(address.ip)}
    calls = bench.stand_in.calls()
    bench.add(address)
    bench.until_done(*[f"add {address.ip}"] * 2)
    assert bench.stand_in.calls() == calls, "it was there already"
    bench.remove(address)
    bench.until_done(*[f"add {address.ip}"] * 2, f"remove {address.ip}")
    assert bench.ips() == {"192.168.0.201"}
    calls = bench.stand_in.calls()
    bench.remove(address)
    bench.until(lambda: len(bench.done) == 4)
    assert bench.done[-1] == (f"remove {address.ip}", None)
    assert bench.stand_in.calls() == calls, "it had gone already"


def test_several_at_once(each_kind: Bench) -> None:
    each_kind.add(VIP, FAR, VIP6)
    name = f"{VIP.ip} {FAR.ip} {VIP6.ip}"
    each_kind.until_done(f"add {name}")
    assert each_kind.ips() == {"192.168.0.201", *name.split()}
    each_kind.remove(VIP, FAR, VIP6)
    each_kind.until_done(f"add {name}", f"remove {name}")
    assert each_kind.ips() == {"192.168.0.201"}


def test_the_commands_on_illumos(illumos: Bench) -> None:
    illumos.add(VIP, VIP6)
    illumos.until(lambda: len(illumos.done) == 1)
    illumos.remove(VIP, VIP6)
    illumos.until(lambda: len(illumos.done) == 2)
    assert illumos.stand_in.calls() == [
        ["net0", "inet", "addif", "192.168.0.203/24", "up"],
        ["net0", "inet6", "addif", "2001:db8::203/64", "up"],
        ["net0", "inet", "removeif", "192.168.0.203"],
        ["net0", "inet6", "removeif", "2001:db8::203"],
    ]


def test_the_commands_of_ipadm(make_bench: MakeBench) -> None:
    bench = make_bench("ipadm")
    bench.add(VIP, VIP6)
    bench.until(lambda: len(bench.done) == 1)
    bench.remove(VIP, VIP6)
    bench.until(lambda: len(bench.done) == 2)
    assert bench.stand_in.calls() == [
        [*CREATE, "192.168.0.203/24", "net0/carpoolc0a800cb"],
        [*CREATE, "2001:db8::203/64", "net0/carpool000000000000000000000203"],
        ["delete-addr", "net0/carpoolc0a800cb"],
        ["delete-addr", "net0/carpool000000000000000000000203"],
    ]


def test_what_ipadm_did_not_put_on_it_cannot_take_off(make_bench: MakeBench) -> None:
    bench = make_bench("ipadm")
    bench.stand_in.add_address("net0", str(VIP), object="?")
    bench.add(VIP)
    bench.until_done(f"add {VIP.ip}")
    bench.remove(VIP)
    bench.until(lambda: len(bench.done) == 2)
    assert "Address object not found" in str(bench.done[-1][1])


def test_the_commands_on_the_bsds(make_bench: MakeBench) -> None:
    bench = make_bench("freebsd")
    bench.add(VIP, FAR, VIP6)
    bench.until(lambda: len(bench.done) == 1)
    bench.remove(VIP, FAR, VIP6)
    bench.until(lambda: len(bench.done) == 2)
    assert bench.stand_in.calls() == [
        # In the network of the real address: a netmask of all ones.
        ["net0", "inet", "192.168.0.203/32", "alias"],
        ["net0", "inet", "10.7.0.3/16", "alias"],
        ["net0", "inet6", "2001:db8::203/64", "alias"],
        ["net0", "inet", "192.168.0.203", "-alias"],
        ["net0", "inet", "10.7.0.3", "-alias"],
        ["net0", "inet6", "2001:db8::203", "-alias"],
    ]


def test_what_a_script_has_plumbed_is_taken_for_there_and_taken_off(illumos: Bench) -> None:
    illumos.stand_in.add_address("net0", "192.168.0.203/32")
    illumos.add(VIP)
    illumos.until_done(f"add {VIP.ip}")
    assert illumos.stand_in.calls() == []
    illumos.remove(VIP)
    illumos.until(lambda: len(illumos.done) == 2)
    assert illumos.ips() == {"192.168.0.201"}


def test_taken_off_before_it_was_on(each_kind: Bench) -> None:
    each_kind.add(VIP)
    each_kind.remove(VIP)
    each_kind.until_done(f"remove {VIP.ip}")
    assert each_kind.ips() == {"192.168.0.201"}


def test_wanted_back_before_it_was_off(each_kind: Bench) -> None:
    each_kind.add(VIP)
    each_kind.until_done(f"add {VIP.ip}")
    each_kind.remove(VIP)
    each_kind.add(VIP)
    each_kind.until_done(*[f"add {VIP.ip}"] * 2)
    assert str(VIP.ip) in each_kind.ips()


def test_many_changes_of_mind_end_with_the_last(each_kind: Bench) -> None:
    for _ in range(5):
        each_kind.add(VIP)
        each_kind.loop.call_at(each_kind.loop.now() + 7 * MS, each_kind.loop.stop)
        each_kind.loop.run()
        each_kind.remove(VIP)
    each_kind.add(VIP, FAR)
    each_kind.until(lambda: (f"add {VIP.ip} {FAR.ip}", None) in each_kind.done)
    assert each_kind.ips() == {"192.168.0.201", str(VIP.ip), str(FAR.ip)}
    assert all(problem is None for _, problem in each_kind.done)


# What a crash left.


def test_a_sweep_takes_off_what_a_crash_left(bench: Bench) -> None:
    bench.stand_in.add_interface("net1", "172.16.0.9/16", mac="2:8:20:0:0:2")
    bench.stand_in.add_address("net0", "192.168.0.203/32")
    bench.stand_in.add_address("net1", str(VIP6))
    bench.stand_in.add_address("net1", str(FAR))
    unwanted = [VIP.ip, VIP6.ip, ip_address("192.168.0.250")]
    assert set(bench.host.sweep(unwanted)) == {ip_interface("192.168.0.203/32"), VIP6}
    assert bench.stand_in.addresses("net0") == [REAL]
    assert bench.stand_in.addresses("net1") == ["172.16.0.9/16", str(FAR)]
    calls = bench.stand_in.calls()
    assert bench.host.sweep(unwanted) == []
    assert bench.stand_in.calls() == calls


def test_a_sweep_takes_off_a_duplicate_too(bench: Bench) -> None:
    bench.stand_in.add_address("net0", str(VIP), duplicate=True, up=False)
    assert bench.host.sweep([VIP.ip]) == [VIP]
    assert bench.stand_in.addresses() == [REAL]


def test_a_sweep_that_is_refused_says_why(each_kind: Bench) -> None:
    each_kind.stand_in.add_address("net0", str(VIP))
    with each_kind.stand_in.change() as state:
        state["fails"] = dict.fromkeys(("removeif", "-alias", "delete-addr"), "permission denied")
    with pytest.raises(HostError, match="permission denied"):
        each_kind.host.sweep([VIP.ip])


# Duplicates.

ASKS_AGAIN = {
    "illumos": [["net0:1", "inet", "up"]],
    "ipadm": [["refresh-addr", "net0/carpoolc0a800cb"]],
    "freebsd": [
        ["net0", "inet6", "2001:db8::203", "-alias"],
        ["net0", "inet6", "2001:db8::203/64", "alias"],
    ],
}


@pytest.mark.parametrize(
    ("flavour", "address"), [("illumos", VIP), ("ipadm", VIP), ("freebsd", VIP6)]
)
def test_a_duplicate_is_brought_up_until_the_other_lets_go(
    make_bench: MakeBench, flavour: str, address: AnyInterface
) -> None:
    bench = make_bench(flavour)
    with bench.stand_in.change() as state:
        state["taken"] = [str(address.ip)]
    bench.host.watch(bench.events.extend)
    bench.add(address)
    again = ASKS_AGAIN[flavour]
    bench.until(lambda: len(bench.stand_in.calls()) >= 1 + 2 * len(again))
    assert bench.stand_in.calls()[1:] == again * 2
    assert bench.done == [], "it is not in use yet"
    with bench.stand_in.change() as state:
        state["taken"] = []
    bench.until_done(f"add {address.ip}")
    told = f"{address.ip} on net0"
    assert all(line.startswith(told) and "duplicate" in line for line in bench.lines.texts)
    assert bench.lines


def test_one_that_turns_out_a_duplicate_later_is_mended(illumos: Bench) -> None:
    illumos.host.watch(illumos.events.extend)
    illumos.add(VIP)
    illumos.until_done(f"add {VIP.ip}")
    with illumos.stand_in.change() as state:
        state["interfaces"]["net0"]["addresses"][1].update(up=False, duplicate=True)
    illumos.routing.tell()
    illumos.until(lambda: ["net0:1", "inet", "up"] in illumos.stand_in.calls())
    illumos.until(lambda: illumos.host.addresses()[1].usable)
    assert illumos.done == [(f"add {VIP.ip}", None)], "it is said once"
    assert AddressChanged(VIP.ip) in illumos.events


def test_attempts_come_at_longer_and_longer_pauses(illumos: Bench) -> None:
    with illumos.stand_in.change() as state:
        state["taken"] = [str(VIP.ip)]
    illumos.host.watch(illumos.events.extend)
    start = time.monotonic()
    illumos.add(VIP)
    illumos.until(lambda: illumos.stand_in.calls().count(["net0:1", "inet", "up"]) == 3)
    assert time.monotonic() - start >= 3, "1 s after the first, 2 s after the second"


def test_a_duplicate_that_is_given_up_is_left_alone(illumos: Bench) -> None:
    with illumos.stand_in.change() as state:
        state["taken"] = [str(VIP.ip)]
    illumos.host.watch(illumos.events.extend)
    illumos.add(VIP)
    illumos.until(lambda: ["net0:1", "inet", "up"] in illumos.stand_in.calls())
    illumos.remove(VIP)
    illumos.until_done(f"remove {VIP.ip}")
    assert illumos.stand_in.addresses() == [REAL]
    calls = illumos.stand_in.calls()
    since = illumos.loop.now()
    illumos.until(lambda: illumos.loop.now() > since + 1500 * MS)
    assert illumos.stand_in.calls() == calls


# What goes wrong.


def test_a_refusal_is_told_after_three_attempts(each_kind: Bench) -> None:
    with each_kind.stand_in.change() as state:
        state["fails"] = dict.fromkeys(ADDS, "permission denied")
    each_kind.add(VIP)
    each_kind.until(lambda: bool(each_kind.done))
    ((name, problem),) = each_kind.done
    assert name == f"add {VIP.ip}"
    assert problem is not None
    assert "permission denied" in problem
    assert str(each_kind.stand_in.path) in problem
    tried = [call for call in each_kind.stand_in.calls() if not set(ADDS).isdisjoint(call)]
    assert len(tried) == 3
    assert each_kind.stand_in.addresses() == [REAL], "no empty logical interface is left"


def test_success_that_changes_nothing_is_a_failure(each_kind: Bench) -> None:
    with each_kind.stand_in.change() as state:
        state["ignores"] = list(ADDS)
    each_kind.add(VIP)
    each_kind.until(lambda: bool(each_kind.done))
    assert each_kind.done == [(f"add {VIP.ip}", "ifconfig succeeded, yet nothing has changed")]


def test_a_failure_that_passes_is_none(each_kind: Bench) -> None:
    with each_kind.stand_in.change() as state:
        state["fails"] = dict.fromkeys(ADDS, "busy")
    each_kind.add(VIP)
    each_kind.until(lambda: bool(each_kind.stand_in.calls()))
    with each_kind.stand_in.change() as state:
        state["fails"] = {}
    each_kind.until_done(f"add {VIP.ip}")


def test_a_command_that_hangs_is_killed_and_the_loop_goes_on(
    make_bench: MakeBench, sleep: Callable[[int], None]
) -> None:
    bench = make_bench("illumos", limit_ns=300 * SECOND)
    bench.host.interfaces()
    with bench.stand_in.change() as state:
        state["hangs"] = ["addif"]
    bench.add(VIP)
    bench.until(lambda: bool(bench.stand_in.calls()))
    ticks: list[None] = []

    def tick() -> None:
        ticks.append(None)
        bench.loop.call_at(bench.loop.now() + 20 * MS, tick)

    tick()
    bench.until(lambda: len(ticks) > 20)
    assert bench.done == []
    sleep(300 * SECOND)
    bench.until(lambda: bool(bench.done))
    ((_, problem),) = bench.done
    assert problem is not None
    assert "did not end within 300 s" in problem
    assert len(bench.stand_in.calls()) == 1, "it would hang again"


def test_without_ifconfig_it_says_so(make_bench: MakeBench) -> None:
    bench = make_bench("illumos", ifconfig="/nowhere/ifconfig")
    with pytest.raises(HostError, match="cannot run /nowhere/ifconfig: No such file"):
        bench.host.interfaces()
    with pytest.raises(HostError):
        bench.host.sweep([VIP.ip])


def test_an_ifconfig_that_goes_away_is_told_and_looked_for_again(illumos: Bench) -> None:
    illumos.host.watch(illumos.events.extend)
    illumos.host.interfaces()
    hidden = illumos.stand_in.path.rename(illumos.stand_in.path.with_suffix(".hidden"))
    illumos.add(VIP)
    illumos.until(lambda: bool(illumos.done))
    assert illumos.done[0][1] is not None
    assert "No such file" in illumos.done[0][1]
    assert any("trying again" in line for line in illumos.lines.texts)
    hidden.rename(illumos.stand_in.path)
    illumos.done.clear()
    illumos.add(VIP)
    illumos.until_done(f"add {VIP.ip}")


# Events.


def test_changes_from_outside_are_told(bench: Bench) -> None:
    bench.host.interfaces()
    bench.host.watch(bench.events.extend)
    before = bench.net0

    def change(act: Callable[[Any], None], expected: HostEvent) -> None:
        bench.events.clear()
        with bench.stand_in.change() as state:
            act(state["interfaces"])
        bench.routing.tell()
        bench.until(lambda: bool(bench.events))
        assert bench.events == [expected]

    def unplug(interfaces: Any) -> None:
        interfaces["net0"]["carrier"] = False

    def plug(interfaces: Any) -> None:
        interfaces["net0"]["carrier"] = True

    def readdress(interfaces: Any) -> None:
        interfaces["net0"]["addresses"].append(
            {"unit": 1, "address": "192.168.0.9/24", "up": True, "duplicate": False}
        )

    def take_off(interfaces: Any) -> None:
        interfaces["net0"]["addresses"].pop()

    mac = b"" if isinstance(bench.host, IpadmHost) else bytes.fromhex("020820000001")  # not told
    assert before == Interface("net0", 2, mac, carrier=True)
    change(unplug, Interface("net0", 2, before.mac, carrier=False))
    assert not bench.net0.carrier
    change(plug, before)
    change(readdress, AddressChanged(IPv4Address("192.168.0.9")))
    assert [str(one.interface) for one in bench.host.addresses()] == [REAL, "192.168.0.9/24"]
    change(take_off, AddressChanged(IPv4Address("192.168.0.9"), gone=True))
    with bench.stand_in.change() as state:
        state["interfaces"].clear()
    bench.routing.tell()
    bench.until(lambda: InterfaceGone(2) in bench.events)
    assert bench.host.interfaces() == []


def test_messages_about_routes_are_none_of_its_business(illumos: Bench) -> None:
    illumos.host.interfaces()
    illumos.host.watch(illumos.events.extend)
    with illumos.stand_in.change() as state:
        listings = len(state["calls"])
    illumos.routing.tell(RTM_ADD)
    since = illumos.loop.now()
    illumos.until(lambda: illumos.loop.now() > since + 200 * MS)
    with illumos.stand_in.change() as state:
        assert len(state["calls"]) == listings


def test_where_nothing_tells_it_looks_every_second(make_bench: MakeBench) -> None:
    bench = make_bench("illumos", told=False)
    bench.host.interfaces()
    bench.host.watch(bench.events.extend)
    with bench.stand_in.change() as state:
        state["interfaces"]["net0"]["carrier"] = False
    bench.until(lambda: bool(bench.events))
    with bench.stand_in.change() as state:
        state["interfaces"]["net0"]["carrier"] = True
    bench.until(lambda: len(bench.events) == 2)


def test_an_interface_made_anew_is_another(illumos: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    illumos.host.interfaces()
    illumos.host.watch(illumos.events.extend)
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(7, "net0")])
    illumos.routing.tell()
    illumos.until(lambda: bool(illumos.events))
    gone, new = (event for event in illumos.events if not isinstance(event, AddressChanged))
    assert gone == InterfaceGone(2)
    assert isinstance(new, Interface)
    assert new.index == 7


def test_an_address_that_somebody_else_takes_off_is_left_to_the_group(illumos: Bench) -> None:
    illumos.host.watch(illumos.events.extend)
    illumos.add(VIP)
    illumos.until_done(f"add {VIP.ip}")
    illumos.events.clear()
    with illumos.stand_in.change() as state:
        state["interfaces"]["net0"]["addresses"].pop()
    illumos.routing.tell()
    illumos.until(lambda: AddressChanged(VIP.ip, gone=True) in illumos.events)
    illumos.add(VIP)
    illumos.until_done(*[f"add {VIP.ip}"] * 2)


def test_an_interface_that_the_kernel_does_not_know_is_passed_over(illumos: Bench) -> None:
    illumos.stand_in.add_interface("net9", "10.9.9.9/24")
    assert [one.name for one in illumos.host.interfaces()] == ["net0"]
    assert len(illumos.host.addresses()) == 1


def test_a_link_local_address_comes_without_its_zone(make_bench: MakeBench) -> None:
    bench = make_bench("freebsd")
    bench.stand_in.add_address("net0", "fe80::1/64")
    (_, one) = bench.host.addresses()
    assert one.interface.ip == IPv6Address("fe80::1")
