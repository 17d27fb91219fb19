"""Rules about what is said: whose advertisements fit, and what is odd about them. Pure."""

from collections.abc import Iterator
from ipaddress import ip_address
from itertools import islice

from carpool.carp.counters import Replay
from carpool.carp.packet import TTL
from carpool.carp.wire import Rejection
from carpool.doctor.faults import Fault
from carpool.doctor.finding import Finding
from carpool.doctor.guess import MOST_TRIES, fits, guess, unpacked
from carpool.doctor.names import peer_of, speaker_from
from carpool.doctor.observation import Group, Observation, Word
from carpool.node.mismatch import OTHER_GROUP, OTHER_SET
from carpool.watch.sighting import Protocol, Sighting

CONSTANT = 3
"""Advertisements in a row with the counter of the one before, or in all, that are no accident."""
_LEAST_MISSING, _MOST_MISSING = 2, 5
"""So many advertisements, and one in so many, that are missing are a fault of the network."""
_TRIES = {2: MOST_TRIES, 50: 2000}
"""Up to so many guesses that found nothing: how much is tried in the next; then nothing."""
_MOST_OTHERS = 16
"""Of one interface, whose passwords and addresses a peer may have confused."""
_MOST_FOREIGN = 256
"""Advertisements on one interface with a vhid that is not ours."""


def is_authentic(word: Word, group: Group) -> bool | None:
    """Tell whether a word is of the group's nodes; None where that is not known."""
    advertisement = word.advertisement
    if word.outgoing or advertisement is None:
        return word.outgoing
    if group.carp is not None:
        return fits(advertisement, group.carp)
    if group.told is not None:
        if word.datagram.source in group.told.mismatches:
            return False
        if word.datagram.source in group.told.heard:
            return True
        return False if Rejection.AUTHENTICATION in group.told.rejected else None
    return None


def rules(seen: Observation) -> Iterator[Finding]:
    """Yield what is wrong with what was said."""
    hopeless = 0
    for group in seen.groups:
        incoming = [word for word in seen.of(group) if not word.outgoing]
        for one in _mismatches(group, incoming, seen, hopeless):
            hopeless += one.fault is not Fault.ADDRESSES
            yield one
        for word in incoming:
            yield from _routers(group, word)
            if is_authentic(word, group) is not False:
                yield from _timing(group, word, seen)
                yield from _way(group, word, seen)
                yield from _loss(group, word, seen)
        yield from _equal_skew(group, incoming, seen)
        yield from _replays(group, seen)
    yield from _other_vhids(seen)
    for word in seen.words:
        yield from _constant(word, seen)
        yield from _own_address(word, seen)
    yield from _strange_pairs(seen)


def _mismatches(
    group: Group, incoming: list[Word], seen: Observation, hopeless: int
) -> Iterator[Finding]:
    for word in incoming:
        if not word.is_carp or is_authentic(word, group) is not False:
            continue
        most = next((tries for many, tries in _TRIES.items() if hopeless < many), 0)
        fault, text = _why(group, word, seen, most)
        who = speaker_from(word, group, seen)
        yield Finding(fault, f"{who} advertises vhid {group.vhid}: {text}", group, word=word)


def _why(group: Group, word: Word, seen: Observation, most: int) -> tuple[Fault, str]:
    """Return what differs in a word that is not authentic."""
    advertisement = word.advertisement
    text = "no password and no addresses that we know fit"
    if group.carp is not None and advertisement is not None and most:
        near = (one for one in seen.groups if one.interface == group.interface)
        others = [(one.name, one.carp) for one in near if one is not group and one.carp]
        claims = seen.ports[word.interface].claims.get(word.mac, frozenset())
        found = guess(
            advertisement,
            group.carp,
            others[:_MOST_OTHERS],
            group.addresses,
            unpacked(claims),
            most,
        )
        if found.fault is not None:
            return found.fault, found.text
        text = found.text
    elif group.told is not None and group.carp is None:
        what = group.told.mismatches.get(word.datagram.source, "is not authentic")
        text = f"the daemon says that it {what}"
        if OTHER_SET in text:
            return Fault.ADDRESSES, text
        if OTHER_GROUP in text:
            return Fault.VHID, text
    if group.peers and peer_of(word, group, seen) is None:
        return Fault.VHID_CLASH, f"{text}, and the sender is no node of the group"
    return Fault.PASSWORD, text


def _other_vhids(seen: Observation) -> Iterator[Finding]:
    """Find our groups' advertisements under a number that none of ours has on the interface."""
    for name in seen.ports:
        groups = [one for one in seen.groups if one.interface == name]
        ours = {one.vhid for one in groups}
        foreign = (
            word
            for word in seen.words
            if word.interface == name and word.is_carp and word.vhid not in ours
            if not word.outgoing
        )
        for word in islice(foreign, _MOST_FOREIGN):
            said = word.advertisement
            for group in groups:
                if group.carp is not None and said is not None and fits(said, group.carp):
                    who = speaker_from(word, group, seen)
                    text = f"{who} has our password and addresses under vhid {word.vhid}"
                    text += f"; here it is {group.vhid}"
                    yield Finding(Fault.VHID, text, group, word=word)


def _routers(group: Group, word: Word) -> Iterator[Finding]:
    said = word.reading
    if isinstance(said, Sighting) and said.protocol is not Protocol.CARP:
        text = f"{word.source} ({word.mac.hex(':')}) speaks {said.protocol} with number {word.vhid}"
        yield Finding(Fault.VHID_CLASH, f"{text}, which is the group's vhid", group, word=word)


def _timing(group: Group, word: Word, seen: Observation) -> Iterator[Finding]:
    said = word.advertisement
    if word.is_carp and said is not None and said.advbase != group.advbase:
        text = f"{speaker_from(word, group, seen)} advertises with advbase {said.advbase}"
        yield Finding(Fault.ADVBASE, f"{text}; here it is {group.advbase}", group, word=word)


def _way(group: Group, word: Word, seen: Observation) -> Iterator[Finding]:
    if not word.is_carp and word.reading is not Rejection.TTL:
        return
    who = speaker_from(word, group, seen)
    if word.datagram.ttl != TTL:
        text = f"what {who} says arrives with a TTL of {word.datagram.ttl}"
        yield Finding(Fault.TTL, text, group, word=word)
    wanted = group.multicast_of(word.datagram.family)
    if wanted and word.datagram.destination != wanted:
        sent = ip_address(word.datagram.destination)
        text = f"{who} advertises to {sent}; here it is {ip_address(wanted)}"
        yield Finding(Fault.MULTICAST_GROUP, text, group, word=word)


def _loss(group: Group, word: Word, seen: Observation) -> Iterator[Finding]:
    """Find a master of whose advertisements some are missing in between."""
    if not seen.speaks_on(word):
        return
    expected = word.due // 1000 + 1
    missing = expected - word.number
    if missing >= _LEAST_MISSING and missing * _MOST_MISSING >= expected:
        who = speaker_from(word, group, seen)
        text = f"of {expected} advertisements of {who} {word.number} arrived"
        yield Finding(Fault.LOSS, f"{text}, or they came late", group, word=word)


def _equal_skew(group: Group, incoming: list[Word], seen: Observation) -> Iterator[Finding]:
    if not group.preempt or group.advskew is None:
        return
    for peer in group.peers:
        if peer.advskew == group.advskew:
            text = f"{peer.name} has advskew {peer.advskew} in the file, as this node has"
            yield Finding(Fault.EQUAL_SKEW, text, group)
            return
    for word in incoming:
        said = word.advertisement
        if word.is_carp and said is not None:
            same = (said.advbase, said.advskew) == (group.advbase, group.advskew)
            if same and is_authentic(word, group) is True:
                who = speaker_from(word, group, seen)
                text = f"{who} advertises with advskew {said.advskew}, as this node does"
                yield Finding(Fault.EQUAL_SKEW, text, group, word=word)
                return


def _replays(group: Group, seen: Observation) -> Iterator[Finding]:
    """Find counters that come again, of one sender, or as the daemon tells."""
    for word in seen.of(group):
        if word.is_carp and word.repeated >= CONSTANT and word.same_counter < CONSTANT:
            text = f"{word.source} ({word.mac.hex(':')}) has sent {word.repeated} advertisements "
            yield Finding(Fault.REPLAY, f"{text}with a counter of before", group, word=word)
            return
    refused = group.told.rejected.get(Rejection.REPLAY, 0) if group.told else 0
    if refused >= CONSTANT:
        last = next((one for one in seen.of(group) if not one.outgoing), None)
        text = f"the daemon has refused {refused} advertisements as replays"
        yield Finding(Fault.REPLAY, f"{text} in {seen.seconds:.1f} s", group, word=last)


def _constant(word: Word, seen: Observation) -> Iterator[Finding]:
    if word.outgoing or word.same_counter < CONSTANT:
        return
    group = next((one for one in seen.groups if word in seen.of(one)), None)
    if group is None and any(one.interface == word.interface for one in seen.groups):
        return  # Another cluster's business.
    if group is not None and group.carp is not None and group.carp.replay is Replay.OFF:
        return  # It is known, and accepted.
    said = word.advertisement
    number = f"{said.counter:016x}" if said is not None else "one"
    text = f"{word.source} ({word.mac.hex(':')}) repeats counter {number} for vhid {word.vhid}"
    yield Finding(Fault.CONSTANT_COUNTER, text, group, word.interface, word)


def _own_address(word: Word, seen: Observation) -> Iterator[Finding]:
    port = seen.ports.get(word.interface)
    if word.outgoing or port is None or word.datagram.source not in port.addresses:
        return
    own = "from its own MAC address" if word.mac in port.own_macs else f"from {word.mac.hex(':')}"
    text = f"an advertisement from {word.source}, which is this host's, arrives {own}"
    group = next((one for one in seen.groups if word in seen.of(one)), None)
    yield Finding(Fault.OWN_ADDRESS, text, group, word.interface, word)


def _strange_pairs(seen: Observation) -> Iterator[Finding]:
    """Where no group is known: a number that is CARP's and VRRP's at once."""
    ours = {one.interface for one in seen.groups}  # where others' groups are others' business
    spoken: dict[tuple[str, int], dict[bool, Word]] = {}
    for word in seen.words:
        if isinstance(word.reading, Sighting) and word.interface not in ours:
            kinds = spoken.setdefault((word.interface, word.vhid), {})
            kinds[word.reading.protocol is Protocol.CARP] = word
    for (interface, vhid), kinds in spoken.items():
        if len(kinds) == 2:
            text = f"{kinds[True].source} speaks CARP and {kinds[False].source} VRRP with {vhid}"
            yield Finding(Fault.VHID_CLASH, text, None, interface, kinds[False])
