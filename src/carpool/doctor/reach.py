"""Rules about who reaches whom: what does not arrive, and who has the address. Pure."""

from collections.abc import Iterator
from ipaddress import ip_address
from itertools import pairwise

from carpool.carp.frames import virtual_mac
from carpool.carp.packet import GROUP_V4, GROUP_V6
from carpool.doctor.faults import Fault
from carpool.doctor.finding import Finding
from carpool.doctor.names import UCARP_MAC, is_virtual, machine, speaker
from carpool.doctor.observation import Group, Observation, Port, Word
from carpool.doctor.said import is_authentic

_ENOUGH = 3
"""Advertisements: fewer may have been lost by accident."""
MASTER = "MASTER"


def rules(seen: Observation) -> Iterator[Finding]:
    """Yield what does not arrive, and who answers that should not."""
    yield from _firewall(seen)
    for group in seen.groups:
        port = seen.ports[group.interface]
        if not port.usable:
            continue
        yield from _silent(group, port, seen)
        yield from _deaf(group, port, seen)
        yield from _holders(group, port, seen)
        yield from _half_heard(group, port, seen)
        yield from _unanswered(group, port, seen)
    yield from _gone(seen)


def masters(group: Group, seen: Observation) -> dict[int, list[Word]]:
    """Return by family who lastingly advertises a group, the fastest first."""
    said = seen.of(group)
    of_family = {
        family: seen.masters(word for word in said if word.datagram.family == family)
        for family in sorted(group.families)
    }
    return {family: sorted(words, key=_rank) for family, words in of_family.items() if words}


def _rank(word: Word) -> tuple[int, int]:
    said = word.advertisement
    return said.demotion if said is not None else 0, word.interval


def _firewall(seen: Observation) -> Iterator[Finding]:
    for name, port in seen.ports.items():
        groups = [one for one in seen.groups if one.interface == name]
        expected = {
            (one.vhid, one.multicast_of(family) or GROUP_V4)
            for one in groups
            for family in one.families
        }
        lost = [
            word
            for word in seen.words
            if word.interface == name
            and word.is_carp
            and word.number >= _ENOUGH
            and word.delivered == 0
            and _is_taken(word, port)
            and (
                (word.vhid, word.datagram.destination) in expected
                if groups
                else word.datagram.destination in {GROUP_V4, GROUP_V6}
            )
        ]
        if lost:
            word = lost[0]
            text = (
                f"{word.number} advertisements of {word.source} arrived at {name} in "
                f"{seen.seconds:.1f} s, and none at a raw socket of this host"
            )
            vhids = {one.vhid for one in lost}
            hit = [one for one in groups if one.vhid in vhids]
            if len(vhids) > 1:
                text += f", nor those of {len(vhids) - 1} more vhids"
            group = hit[0] if len(hit) == 1 else None
            yield Finding(Fault.FIREWALL, text, group, name, word, more=_dropper(port, seen))
        elif port.drops_in and groups:
            text = f"what arrives for protocol 112 is dropped by {port.drops_in}"
            yield Finding(Fault.FIREWALL, text, None, name)
        if port.drops_out and groups:
            text = f"what leaves for protocol 112 is dropped by {port.drops_out}"
            yield Finding(Fault.FIREWALL, text, None, name)


def _is_taken(word: Word, port: Port) -> bool:
    """Tell whether the kernel gives it to raw sockets, if no rule drops it."""
    datagram = word.datagram
    if datagram.source in port.addresses:  # which it takes from nobody
        return False
    return datagram.family == 4 or port.link_local is not None  # else IPv6 is switched off there


def _dropper(port: Port, seen: Observation) -> str:
    if port.drops_in:
        return f"it is {port.drops_in}"
    hints = []
    if seen.legacy_tables:
        tables = ", ".join(seen.legacy_tables)
        hints.append(
            f"iptables-legacy has tables ({tables}) whose rules are not read here: look with "
            "iptables-legacy-save and ip6tables-legacy-save"
        )
    if port.reverse_path:
        hints.append(
            f"if no rule drops it, rp_filter = 1 does on {port.name} where this host has no "
            "route back to the sender"
        )
    return "; ".join(hints)


def _silent(group: Group, port: Port, seen: Observation) -> Iterator[Finding]:
    told = group.told
    if told is None or told.state != MASTER or not told.lasting or port.drops_out or not port.mac:
        return
    if seen.heard_enough_of(group) and not any(word.outgoing for word in seen.of(group)):
        text = f"the daemon is master of {group.name}, and in {seen.seconds:.1f} s none of its "
        yield Finding(Fault.SILENT, f"{text}advertisements left {port.name}", group)


def _deaf(group: Group, port: Port, seen: Observation) -> Iterator[Finding]:
    """Find, of several lasting masters, those that should yield and do not."""
    for words in masters(group, seen).values():
        if any(is_authentic(one, group) is False or one.delivered == 0 for one in words):
            continue
        told: set[tuple[Fault, bytes]] = set()
        for fastest, slower in pairwise(words):
            if fastest.datagram.source == slower.datagram.source or slower.outgoing:
                continue
            fault = Fault.MAC_FILTER if is_virtual(fastest) else Fault.ONE_WAY
            if (fault, slower.datagram.source) in told:
                continue
            told.add((fault, slower.datagram.source))
            slow, fast = speaker(slower, group, seen), speaker(fastest, group, seen)
            text = f"{slow} goes on advertising beside {fast}, which it should yield to"
            yield Finding(fault, text, group, port.name, fastest)


def _holders(group: Group, port: Port, seen: Observation) -> Iterator[Finding]:
    """Find who answers for a virtual address, and does not advertise it."""
    spoken = {word.mac for word in seen.of(group)}
    sources = tuple(word.datagram.source for word in seen.of(group) if not word.outgoing)
    spoken |= port.macs_of(sources)  # of a machine with several interfaces here
    virtual = {virtual_mac(group.vhid), UCARP_MAC + bytes((group.vhid,))}
    for vip in group.vips:
        for mac, frame in port.answers.get(vip.packed, {}).items():
            if mac in port.own_macs | spoken or (mac in virtual and spoken):
                continue
            peer = next((one for one in group.peers if mac in port.macs_of(one.addresses)), None)
            has = f"{mac.hex(':')} has {vip}, as it answers,"
            if peer is not None:
                heard = [word for word in seen.of(group) if word.datagram.source in peer.addresses]
                if not heard:
                    text = f"{peer.name} at {has} and nothing of its advertisements arrives"
                    yield Finding(
                        *(Fault.MULTICAST, text, group, port.name),
                        frame=frame,
                        more=_evidence(group, port, vip.version),
                    )
            elif any(word.is_carp for word in seen.of(group)) or group.peers:
                text = f"{has} and is no node that advertises"
                yield Finding(Fault.STRANGER, text, group, port.name, frame=frame)
            else:
                text = f"{has} and nothing of anybody's advertisements arrives"
                yield Finding(Fault.MULTICAST, text, group, port.name, frame=frame)


def _half_heard(group: Group, port: Port, seen: Observation) -> Iterator[Finding]:
    """Find a master that is heard over one family only, of a group that has both."""
    if group.families != {4, 6} or not seen.heard_enough_of(group) or port.link_local is None:
        return
    incoming = [word for word in seen.of(group) if not word.outgoing]
    for family, words in masters(group, seen).items():
        silent = {4: 6, 6: 4}[family]
        others = [machine(word, seen) for word in incoming if word.datagram.family == silent]
        for word in words:
            own = machine(word, seen)
            if word.outgoing or not own or any(own & other or not other for other in others):
                continue
            text = (
                f"{speaker(word, group, seen)} is heard over IPv{family}, and nothing of its "
                f"advertisements over IPv{silent} arrives"
            )
            more = _evidence(group, port, silent)
            yield Finding(Fault.MULTICAST, text, group, port.name, word, more=more)


def _evidence(group: Group, port: Port, family: int) -> str:
    found = []
    multicast = group.multicast_of(family)
    if port.joined is not None and group.told is not None and multicast:
        there = multicast in port.joined
        verb = "has" if there else "has not"
        found.append(f"this host {verb} joined {ip_address(multicast)} on {port.name}")
    if group.virtual_mac:
        found.append(
            "the group advertises from a virtual MAC address, which a MAC filter at the other "
            'node\'s port would drop (source_mac = "real")'
        )
    if port.bridge:
        found.append(port.bridge)
    return "; ".join(found)


def _unanswered(group: Group, port: Port, seen: Observation) -> Iterator[Finding]:
    """Find an address whose master is heard, and does not have it."""
    speaking = masters(group, seen)
    for vip in group.vips:
        words = speaking.get(vip.version, [])
        if len(words) != 1 or words[0].outgoing or vip.packed not in port.asked:
            continue
        if is_authentic(words[0], group) is False or vip.packed in port.addresses:
            continue
        if not port.answers.get(vip.packed):
            text = f"{speaker(words[0], group, seen)} is master, and nobody answers for {vip}"
            yield Finding(Fault.UNANSWERED, text, group, port.name, words[0])


def _gone(seen: Observation) -> Iterator[Finding]:
    """Find nodes that neither answer nor speak."""
    told: set[str] = set()
    heard = {word.datagram.source for word in seen.words if not word.outgoing}
    for group in seen.groups:
        port = seen.ports[group.interface]
        for peer in group.peers:
            if not port.usable or peer.name in told or not set(peer.addresses) & port.asked:
                continue
            if not port.macs_of(peer.addresses) and not heard & set(peer.addresses):
                told.add(peer.name)
                text = f"{peer.name} answers at none of its addresses on {port.name}"
                yield Finding(Fault.PEER_GONE, text, group, port.name)
