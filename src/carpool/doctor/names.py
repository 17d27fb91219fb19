"""Who says what: nodes by their names. Pure."""

from collections.abc import Iterable

from carpool.carp.frames import virtual_mac
from carpool.doctor.observation import Group, Observation, Peer, Word

UCARP_MAC = bytes.fromhex("00005e0000")
"""Of its virtual MAC addresses, all but the last byte, which is the vhid."""


def is_virtual(word: Word) -> bool:
    """Tell whether it comes from a MAC address that all nodes of the group share."""
    return word.mac == virtual_mac(word.vhid) or word.mac[:5] == UCARP_MAC


def peer_of(word: Word, group: Group, seen: Observation) -> Peer | None:
    """Return the node of the file that says it.

    Over IPv6 it speaks from an address that the file does not have: then by its MAC address.
    """
    known = group.peer_at(word.datagram.source)
    if known is not None or word.outgoing:
        return known
    port, macs = seen.ports[word.interface], machine(word, seen)
    return next((one for one in group.peers if macs & port.macs_of(one.addresses)), None)


def speaker(word: Word, group: Group, seen: Observation) -> str:
    """Return who says it, and from which address."""
    if word.outgoing:
        return f"this node ({word.source})"
    peer = peer_of(word, group, seen)
    return f"{peer.name} ({word.source})" if peer is not None else word.source


def speaker_from(word: Word, group: Group, seen: Observation) -> str:
    """Return who says it, and from which IP and MAC address."""
    named = speaker(word, group, seen)
    return f"{named} from {word.mac.hex(':')}" if word.mac else named


def speakers(words: Iterable[Word], group: Group, seen: Observation) -> list[str]:
    """Return who says these, each machine once, though it speaks over both families."""
    found: dict[object, str] = {}
    for word in words:
        peer = peer_of(word, group, seen)
        own = machine(word, seen) or word.datagram.source
        named = "this node" if word.outgoing else speaker(word, group, seen)
        found.setdefault(word.outgoing or (peer and peer.name) or own, named)
    return list(found.values())


def machine(word: Word, seen: Observation) -> frozenset[bytes]:
    """Return the MAC addresses that tell its sender from others; none if that is not known."""
    answering = seen.ports[word.interface].macs_of((word.datagram.source,))
    own = frozenset((word.mac,)) if word.mac and not is_virtual(word) else frozenset()
    return own or answering
