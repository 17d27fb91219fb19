"""From what was gathered to what is wrong. Pure."""

from collections.abc import Iterator

from carpool.doctor import node_rules, reach, said
from carpool.doctor.faults import Fault
from carpool.doctor.finding import Finding
from carpool.doctor.names import speakers
from carpool.doctor.observation import Group, Observation, Word

_ORDER = {fault: number for number, fault in enumerate(Fault)}
_NO_CAUSE = {Fault.PEER_GONE, Fault.CLOCK, Fault.EQUAL_SKEW, Fault.LOSS}
"""What may be there besides, and does not explain who is master."""

_OF_THIS_HOST = {
    *(Fault.NOT_RUNNING, Fault.CAPABILITIES, Fault.LINK, Fault.FIREWALL, Fault.STALLS),
}
"""What explains that of every group, where it is told of none."""

_EXPLAINS = {
    Fault.VHID: {Fault.MULTICAST},
    Fault.MULTICAST_GROUP: {Fault.ONE_WAY, Fault.MAC_FILTER},
    Fault.OWN_ADDRESS: {Fault.CONSTANT_COUNTER, Fault.REPLAY, Fault.ONE_WAY, Fault.MAC_FILTER},
    Fault.TTL: {Fault.CONSTANT_COUNTER, Fault.REPLAY, Fault.ONE_WAY, Fault.MAC_FILTER},
    Fault.CONSTANT_COUNTER: {Fault.REPLAY, Fault.ONE_WAY, Fault.MAC_FILTER},
    Fault.REPLAY: {Fault.ONE_WAY, Fault.MAC_FILTER},
}
"""What a fault makes look like another one, in the same group."""


def diagnose(seen: Observation) -> list[Finding]:
    """Return all findings, causes before symptoms; a symptom only where no cause explains it."""
    found = [*node_rules.rules(seen), *said.rules(seen), *reach.rules(seen)]
    found = _once(_unexplained(found))
    found.sort(key=lambda one: _ORDER[one.fault])
    return [*found, *_symptoms(seen, found)]


def _unexplained(found: list[Finding]) -> list[Finding]:
    """Drop what is another fault's look."""
    explained = {
        (one.group.name, other)
        for one in found
        if one.group is not None
        for other in _EXPLAINS.get(one.fault, ())
    }
    return [
        one for one in found if one.group is None or (one.group.name, one.fault) not in explained
    ]


def _once(found: list[Finding]) -> list[Finding]:
    """Drop what repeats: one fault, group and sender are one finding, though over both families."""
    kept: dict[object, Finding] = {}
    for one in found:
        group = one.group.name if one.group else one.interface
        sender = one.word.mac or one.word.datagram.source if one.word else one.frame[6:12]
        kept.setdefault((one.fault, group, sender), one)
    return list(kept.values())


def _symptoms(seen: Observation, found: list[Finding]) -> Iterator[Finding]:
    causes = [one for one in found if one.fault not in _NO_CAUSE]
    explained = {one.group.name for one in causes if one.group is not None}
    everywhere = {
        one.interface for one in causes if one.group is None and one.fault in _OF_THIS_HOST
    }
    for group in seen.groups:
        if group.name in explained or {None, group.interface} & everywhere:
            continue
        if any(len(words) > 1 for words in reach.masters(group, seen).values()):
            text = f"several masters: {_sources(group, seen)}"
            yield Finding(Fault.TWO_MASTERS, text, group, word=_one(group, seen))
        elif _nobody(group, seen):
            text = f"in {seen.seconds:.1f} s nobody advertised vhid {group.vhid} on "
            yield Finding(Fault.NO_MASTER, text + group.interface, group)
    ours = {one.interface for one in seen.groups}  # where others' groups are others' business
    for key in sorted(
        {(one.interface, one.vhid) for one in seen.words if one.interface not in ours}
    ):
        words = [word for word in seen.words if (word.interface, word.vhid) == key]
        for family in (4, 6):
            several = seen.masters(word for word in words if word.datagram.family == family)
            if len(several) > 1 and not any(one.word in words for one in causes):
                named = ", ".join(f"{word.source} ({word.mac.hex(':')})" for word in several)
                text = f"several advertise vhid {key[1]}: {named}"
                yield Finding(Fault.TWO_MASTERS, text, None, key[0], several[0])
                break


def _sources(group: Group, seen: Observation) -> str:
    words = [word for found in reach.masters(group, seen).values() for word in found]
    return " and ".join(speakers(words, group, seen))


def _one(group: Group, seen: Observation) -> Word:
    found = reach.masters(group, seen)
    words = next(words for words in found.values() if len(words) > 1)
    return next((word for word in words if not word.outgoing), words[0])


def _nobody(group: Group, seen: Observation) -> bool:
    port = seen.ports[group.interface]
    answered = any(port.answers.get(vip.packed) for vip in group.vips)
    here = any(vip.packed in port.addresses for vip in group.vips)
    heard = any(word.is_carp for word in seen.of(group))
    return seen.heard_enough_of(group) and not (answered or here or heard)
