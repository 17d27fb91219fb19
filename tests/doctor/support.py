"""What a doctor gathers on a healthy network, as a backup and as a master; tests change it."""

from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_interface

from carpool.carp.auth import Authenticator
from carpool.carp.counters import Replay
from carpool.carp.frames import ethernet, gratuitous_arp, multicast_mac
from carpool.carp.packet import GROUP_V4, Datagram, ipv4_packet
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.carp.wire import Advertisement
from carpool.doctor.observation import (
    Group,
    Interface,
    Observation,
    Peer,
    Port,
    Running,
    Told,
    Word,
)
from carpool.watch.sighting import sight

VIP, OURS, THEIRS, STRANGER = (ip_address(f"192.0.2.{number}").packed for number in (100, 1, 2, 9))
OUR_MAC, THEIR_MAC, STRANGE_MAC = (bytes((2, 0, 0, 0, 0, number)) for number in (1, 2, 9))
PASSWORD = b"Avogadro"
END = 4 * SECOND


def packed(*addresses: str) -> list[bytes]:
    return [ip_address(one).packed for one in addresses]


def word(
    source: bytes = THEIRS,
    mac: bytes = THEIR_MAC,
    *,
    password: bytes = PASSWORD,
    vips: tuple[str, ...] = ("192.0.2.100",),
    vhid: int = 42,
    advbase: int = 1,
    advskew: int = 0,
    demotion: int = 0,
    ttl: int = 255,
    group: bytes = GROUP_V4,
    **seen: object,
) -> Word:
    """Return what was heard four times within four seconds, signed."""
    auth = Authenticator(password, vhid, map(IPv4Address, vips))
    payload = Advertisement(vhid, advbase, advskew, 7, auth.digest(7), demotion).encode()
    datagram = Datagram(source, group, ttl, payload)
    frame = ethernet(mac, multicast_mac(group), ipv4_packet(source, payload, group))
    outgoing = mac == OUR_MAC
    own: dict[str, object] = {
        "outgoing": outgoing,
        "number": 4,
        "first": SECOND // 2,
        "last": END - SECOND // 2,
        "delivered": None if outgoing else 4,
        **seen,
    }
    return Word("net0", frame, mac, datagram, sight(datagram), **own)  # type: ignore[arg-type]


VIPS: tuple[Interface, ...] = (ip_interface("192.0.2.100/24"),)
CARP = Settings(42, (VIPS[0].ip,), PASSWORD)
OPEN = replace(CARP, replay=Replay.OFF)
TOLD = Told("MASTER", True, {}, {}, frozenset(), {})
WWW = Group(
    name="www",
    vhid=42,
    interface="net0",
    addresses=VIPS,
    advbase=1,
    advskew=100,
    carp=CARP,
    peers=(Peer("web2", (THEIRS,), 0),),
    told=replace(TOLD, state="BACKUP"),
)
ANSWERS = {THEIRS: {THEIR_MAC: b""}, VIP: {THEIR_MAC: gratuitous_arp(THEIR_MAC, VIP)}}
PORT = Port(
    "net0",
    mac=OUR_MAC,
    addresses=frozenset({OURS}),
    own_macs=frozenset({OUR_MAC}),
    joined=frozenset({GROUP_V4}),
    asked=frozenset({VIP, THEIRS}),
    answers=ANSWERS,
)
HEALTHY = Observation(
    began=0,
    ended=END,
    groups=(WWW,),
    ports={"net0": PORT},
    words=(word(),),
    node="web1",
    file="cluster.toml",
    running=Running.YES,
)
"""This node is a backup, and hears the master."""
OUR_WORD = word(OURS, OUR_MAC, advskew=100)
MASTER_PORT = replace(PORT, addresses=frozenset({OURS, VIP}), answers={THEIRS: {THEIR_MAC: b""}})
MASTER = replace(
    HEALTHY,
    groups=(replace(WWW, told=TOLD),),
    ports={"net0": MASTER_PORT},
    words=(OUR_WORD,),
)
"""This node is master, and the other one is there."""


MASTER_OF_TWO = replace(MASTER, words=(OUR_WORD, word()))


def with_words(seen: Observation, *words: Word) -> Observation:
    return replace(seen, words=words)


def with_group(seen: Observation, **keys: object) -> Observation:
    return replace(seen, groups=(replace(seen.groups[0], **keys),))  # type: ignore[arg-type]


def with_port(seen: Observation, **keys: object) -> Observation:
    port = replace(seen.ports["net0"], **keys)  # type: ignore[arg-type]
    return replace(seen, ports={"net0": port})


def with_told(seen: Observation, **keys: object) -> Observation:
    told = seen.groups[0].told
    assert told is not None
    return with_group(seen, told=replace(told, **keys))  # type: ignore[arg-type]


def both(seen: Observation) -> Observation:
    """Give the other node the address too, as it answers."""
    return with_port(seen, answers=ANSWERS)
