"""Which advertisements of a host's groups its packet filter drops. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from carpool.carp.frames import virtual_mac
from carpool.carp.packet import GROUP_V4
from carpool.doctor.firewall import Packet, dropped_by
from carpool.doctor.observation import Group, Port, Word


@dataclass(frozen=True, slots=True)
class _Kind:
    """Advertisements that a packet filter treats alike: addresses packed."""

    destination: bytes
    sources: tuple[bytes, ...] = ()
    """Of one node, from any of which it speaks; empty where they are not known."""
    framed: bool = False
    """They leave through a packet socket."""

    def is_shown_by(self, word: Word) -> bool:
        """Tell whether a word that has passed the filter is of this kind."""
        if word.datagram.destination != self.destination:
            return False
        if word.outgoing:
            return self.framed is _is_framed(word)
        return not self.sources or word.datagram.source in self.sources


def dropped(
    rules: Sequence[Mapping[str, Any]],
    hook: str,
    port: Port,
    groups: Sequence[Group],
    words: Collection[Word],
) -> str:
    """Return what drops advertisements on a port at "input" or "output", "" if nothing for certain.

    What has passed, of the `words`, shows that the rules were misread here: it is not told.
    """
    here = [word for word in words if word.interface == port.name]
    passed = [word for word in here if (word.outgoing if hook == "output" else word.delivered)]
    on_it = [group for group in groups if group.interface == port.name]
    kinds = _received(on_it) if hook == "input" else _sent(on_it, here)
    for kind in dict.fromkeys(kinds) or [_Kind(GROUP_V4)]:
        if any(kind.is_shown_by(word) for word in passed):
            continue
        found = [_drop(rules, hook, port, kind, source) for source in kind.sources or (b"",)]
        if all(found):
            return found[0]
    return ""


def _received(groups: Sequence[Group]) -> Iterator[_Kind]:
    """Yield what the other nodes should send."""
    for group in groups:
        for family in sorted(group.families):
            destination = group.multicast_of(family) or GROUP_V4
            for peer in group.peers:
                yield _Kind(destination, _speaking(peer.addresses, family))
            if not group.peers:
                yield _Kind(destination)


def _speaking(addresses: Sequence[bytes], family: int) -> tuple[bytes, ...]:
    """Return from which of its addresses a node may speak over a family."""
    if family == 4:
        return tuple(one for one in addresses if len(one) == 4)
    return tuple(one for one in addresses if one[:2] == b"\xfe\x80")


def _sent(groups: Sequence[Group], words: Collection[Word]) -> Iterator[_Kind]:
    """Yield what this node should send."""
    framed = {word.vhid for word in words if word.outgoing and _is_framed(word)}
    for group in groups:
        for family in sorted(group.families):
            destination = group.multicast_of(family) or GROUP_V4
            yield _Kind(destination, framed=group.virtual_mac or group.vhid in framed)


def _is_framed(word: Word) -> bool:
    return word.mac == virtual_mac(word.vhid)


def _drop(
    rules: Sequence[Mapping[str, Any]], hook: str, port: Port, kind: _Kind, source: bytes
) -> str:
    packet = Packet(
        hook,
        port.name,
        str(ip_address(source)) if source else "",
        str(ip_address(kind.destination)),
        4 if len(kind.destination) == 4 else 6,
        framed=kind.framed,
    )
    try:
        return dropped_by(rules, packet)
    except (LookupError, TypeError, ValueError, AttributeError):  # a form we do not know
        return ""
