"""Whom a virtual host has heard."""

from tests.carp.support import MS, Bench, Peer, packed

from carpool.carp.peers import MOST_PEERS
from carpool.carp.peers import Peer as Heard
from carpool.carp.wire import Rejection


def test_the_last_word_of_each_peer_is_remembered() -> None:
    bench = Bench.of().start()
    first, second = Peer("192.0.2.20"), Peer("192.0.2.21", counter=1000)
    bench.hears(1, 10, peer=first)
    bench.hears(1, 20, peer=second, demotion=3)
    bench.wait(5 * MS)
    bench.hears(1, 30, peer=first)
    assert list(bench.host.peers) == [
        Heard(packed("192.0.2.21"), 1, 20, 3, 0),
        Heard(packed("192.0.2.20"), 1, 30, 0, 5 * MS),
    ]


def test_what_is_rejected_makes_no_peer() -> None:
    bench = Bench.of().start()
    assert bench.hears(peer=Peer(password=b"hate")) is Rejection.AUTHENTICATION
    assert list(bench.host.peers) == []


def test_of_many_peers_the_last_are_remembered() -> None:
    bench = Bench.of().start()
    for number in range(MOST_PEERS + 3):
        bench.hears(peer=Peer(f"192.0.2.{20 + number}", counter=1000 * number))
    assert [peer.source[3] for peer in bench.host.peers] == [*range(23, 23 + MOST_PEERS)]
    assert bench.host.peers.of(packed("192.0.2.22")) is None
