"""What refusing counters does to honest nodes: restarts, clocks, partitions, peers that follow."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from itertools import product

import pytest
from tests.sim.support import MS, VHID, VIP, cluster, states

from carpool.carp.auth import Authenticator
from carpool.carp.counters import Replay
from carpool.carp.election import State
from carpool.carp.packet import ipv4_packet, parse_ipv4
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Advertisement, Rejection
from carpool.sim.lan import Lan

HOUR = 3600 * SECOND
YEAR = 365 * 24 * HOUR
TODAY = 57 * YEAR
SETTLED = 4500 * MS
"""After this at the latest one node alone is master: a master-down time, and an interval more."""


def clocks(lan: Lan, **walls: int) -> None:
    """Give the nodes these clocks, and boot them anew without any memory."""
    for name, wall in walls.items():
        lan.crash(name)
        lan.set_clock(name, wall)
        lan.forget(name)
    for name in walls:
        lan.boot(name)


def masters(lan: Lan) -> list[str]:
    return [name for name in lan.nodes if states(lan).get(name) is State.MASTER]


WRONG = [-HOUR, HOUR, -YEAR, YEAR, -TODAY, 200 * YEAR]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda ns: f"{ns // HOUR} h")
@pytest.mark.parametrize("preempt", [False, True])
@pytest.mark.parametrize("which", ["a", "b"])
def test_a_partition_of_nodes_with_different_clocks_heals_to_one_master(
    which: str, preempt: bool, wrong: int
) -> None:
    """Whichever has the rank, and whichever has the clock."""
    lan = cluster({"a": 0, "b": 100}, preempt=preempt)
    clocks(lan, a=TODAY + wrong * (which == "a"), b=TODAY + wrong * (which == "b"))
    lan.run(SETTLED)
    assert masters(lan) == ["a"]
    lan.partition("a")
    lan.run(600 * SECOND)
    assert masters(lan) == ["a", "b"]
    lan.heal()
    lan.run(3 * SECOND)  # two advertisements of b
    assert masters(lan) == ["a"]
    since = lan.now
    lan.run(60 * SECOND)
    assert [span.holders for span in lan.record.spans(VHID, since)] == [{"a"}]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda ns: f"{ns // HOUR} h")
@pytest.mark.parametrize("forgets", [False, True])
def test_a_restart_with_another_clock_disturbs_nobody(wrong: int, forgets: bool) -> None:
    lan = cluster({"a": 0, "b": 100})
    clocks(lan, a=TODAY, b=TODAY)
    lan.run(60 * SECOND)
    for name, successor in (("a", "b"), ("b", "a")):
        assert masters(lan) == [name]
        lan.crash(name)
        lan.set_clock(name, TODAY + wrong)
        if forgets:
            lan.forget(name)
        lan.run(10 * SECOND)
        since = lan.now
        lan.boot(name)
        lan.run(30 * SECOND)
        assert [span.holders for span in lan.record.spans(VHID, since)] == [{successor}]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda ns: f"{ns // HOUR} h")
def test_a_master_that_restarts_at_once_without_its_memory_ends_as_one_master(wrong: int) -> None:
    lan = cluster({"a": 0, "b": 100}, preempt=True)
    clocks(lan, a=TODAY, b=TODAY)
    lan.run(60 * SECOND)
    lan.crash("a")
    lan.set_clock("a", TODAY + wrong)
    lan.forget("a")
    lan.boot("a")
    lan.run(2 * SETTLED)
    assert masters(lan) == ["a"]
    since = lan.now
    lan.run(30 * SECOND)
    assert [span.holders for span in lan.record.spans(VHID, since)] == [{"a"}]


@pytest.mark.parametrize("seed", range(6))
def test_lost_adverts_cost_no_more_than_they_did(seed: int) -> None:
    """One in five is lost: three in a row, of which the third may wait for the fourth, seldom."""
    lan = cluster({"a": 0, "b": 100, "c": 200}, seed=seed, loss=0.2)
    clocks(lan, a=TODAY, b=TODAY + HOUR, c=TODAY - HOUR)
    lan.run(SETTLED)
    since = lan.now
    lan.run(600 * SECOND)
    dark = sum(span.length for span in lan.record.dark(VHID, since))
    double = sum(span.length for span in lan.record.doubled(VHID, since))
    assert dark < 1 * SECOND
    assert double < 20 * SECOND


class Attacker:
    """Hears everything, and sends it again: as it was, faster, and as a bow-out."""

    def __init__(self, lan: Lan) -> None:
        self.heard: list[bytes] = []
        self._lan = lan
        send = lan._send

        def listened(sender: object, family: int, payload: bytes) -> None:
            self.heard.append(payload)
            send(sender, family, payload)  # type: ignore[arg-type]

        lan._send = listened  # type: ignore[method-assign]

    def variants(self) -> Iterator[bytes]:
        sources = ["192.0.2.11", "192.0.2.77"]
        for payload, source in product(self.heard, sources):
            said = Advertisement(
                payload[1], payload[5], payload[2], int.from_bytes(payload[8:16]), payload[16:]
            )
            for advbase, advskew in ((1, 0), (0, 1), (255, 255), (254, 0)):
                changed = replace(said, advbase=advbase, advskew=advskew).encode()
                yield ipv4_packet(ip_address(source).packed, changed)

    def strikes(self, victim: str) -> None:
        for packet in self.variants():
            self._lan._receive(self._lan.nodes[victim], parse_ipv4(packet))


@pytest.mark.parametrize("restart", [False, True])
def test_a_replayed_master_is_dead_all_the_same(restart: bool) -> None:
    lan = cluster({"a": 0, "b": 100})
    clocks(lan, a=TODAY, b=TODAY)
    attacker = Attacker(lan)
    lan.run(20 * SECOND)
    assert masters(lan) == ["a"]
    lan.crash("a")
    died = lan.now
    if restart:
        lan.kill("b")
        lan.boot("b")
    while masters(lan) != ["b"]:
        attacker.strikes("b")
        lan.run(100 * MS)
        assert lan.now - died < SETTLED
    for _ in range(20):
        attacker.strikes("b")
        lan.run(100 * MS)
    assert masters(lan) == ["b"]


def test_a_live_master_is_not_unseated_by_what_it_said_or_heard() -> None:
    lan = cluster({"a": 0, "b": 100}, preempt=True)
    clocks(lan, a=TODAY, b=TODAY)
    attacker = Attacker(lan)
    lan.run(10 * SECOND)
    lan.stop("a")
    lan.boot("a")
    lan.run(10 * SECOND)
    since = lan.now
    for _ in range(100):
        for name in lan.nodes:
            attacker.strikes(name)
        lan.run(100 * MS)
    assert [span.holders for span in lan.record.spans(VHID, since)] == [{"a"}]


def test_a_password_is_changed_in_three_steps_without_an_outage() -> None:
    """Each step on one node after the other: accept the new, sign with it, forget the old."""
    old, new = b"secret", b"newsecret"
    lan = cluster({"a": 0, "b": 100, "c": 200})
    clocks(lan, a=TODAY, b=TODAY, c=TODAY)
    lan.run(SETTLED)
    since = lan.now
    for password, accepted in ((old, (new,)), (new, (old,)), (new, ())):
        for name in ("c", "b", "a"):
            lan.stop(name)
            node = lan.nodes[name]
            node.settings = tuple(
                replace(one, password=password, accepted_passwords=accepted)
                for one in node.settings
            )
            lan.boot(name)
            lan.run(SETTLED)
    assert sum(span.length for span in lan.record.dark(VHID, since)) < 100 * MS
    assert lan.record.doubled(VHID, since) == []
    for node in lan.nodes.values():
        host = node.hosts[VHID]
        assert isinstance(host, VirtualHost)
        assert host.rejections[Rejection.AUTHENTICATION] == 0


@pytest.mark.parametrize("mode", list(Replay))
@pytest.mark.parametrize("lag", [0, 900 * MS])
def test_a_master_that_follows_is_obeyed_and_if_strict_once_it_has_heard_us(
    mode: Replay, lag: int
) -> None:
    """A ucarp that was master first: random counters until it hears one, up to a second late."""
    lan = cluster({"b": 100}, replay=mode)
    peer = Authenticator(b"secret", VHID, [VIP])
    counter, random = 0, iter(range(1, 1000))

    def hear(payload: bytes) -> None:
        nonlocal counter
        counter = int.from_bytes(payload[8:16])

    def sent(_node: object, _family: int, payload: bytes) -> None:
        lan._at(lan.now + lag, lambda: hear(payload))

    lan._send = sent  # type: ignore[method-assign, assignment]
    for _ in range(30):
        lan.run(SECOND)
        counter = counter + 1 if counter > 1000 else next(random)
        said = Advertisement(VHID, 1, 0, counter, peer.digest(counter)).encode()
        packet = ipv4_packet(ip_address("192.0.2.77").packed, said)
        lan._receive(lan.nodes["b"], parse_ipv4(packet))
    assert masters(lan) == []
    held = sum(span.length for span in lan.record.spans(VHID) if span.holders)
    assert (held > 0) == (mode is Replay.STRICT)
    assert held <= 3 * SECOND
