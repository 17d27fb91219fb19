"""What the doctor found, for people and for programs. No digest is shown: see `hidden`."""

import textwrap
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from itertools import groupby
from typing import Any

from carpool.carp.frames import claim
from carpool.carp.timing import SECOND
from carpool.carp.wire import Rejection
from carpool.cluster.wording import printable
from carpool.doctor import reach
from carpool.doctor.finding import Finding
from carpool.doctor.names import speakers
from carpool.doctor.observation import Group, Observation, Word
from carpool.watch.sighting import Protocol, Sighting

MOST_COLUMNS, LEAST_COLUMNS = 98, 40
"""Of what it prints."""
_MOST_ALIKE, _MOST_FRAMES = 12, 3
"""Findings of one kind that are told, and those of them with their frames."""
_DIGEST_AT, _VRRP_HEAD = 16, 8


def lines(
    seen: Observation, found: Sequence[Finding], columns: int = MOST_COLUMNS
) -> Iterator[str]:
    """Yield what was looked at, what was found, and what could not be looked at.

    What was found is wrapped for a terminal of so many columns, within the bounds above; what was
    looked at has a line for each group.
    """
    columns = max(LEAST_COLUMNS, min(columns, MOST_COLUMNS))
    where = ", ".join(name for name, port in seen.ports.items() if port.listened) or "no interface"
    who = f"node {seen.node}: " if seen.node else ""
    yield f"{who}listened on {where} for {seen.seconds:.1f} s"
    for group in seen.groups:
        yield f"  {group.name}, vhid {group.vhid} on {group.interface}: {_state(group, seen)}"
    if not seen.groups and any(port.listened for port in seen.ports.values()):
        yield f"  {_heard(seen)}"
    for _, alike in groupby(found, lambda one: one.fault):
        yield ""
        yield from _told(list(alike), columns)
    if seen.blind:
        yield ""
    for text in seen.blind:
        yield from _wrapped("not looked at: ", text, columns)


def _heard(seen: Observation) -> str:
    """Say how much was heard where no group is known that should be there."""
    groups = {
        (word.interface, word.vhid, word.reading.protocol)
        for word in seen.words
        if isinstance(word.reading, Sighting)
    }
    if not groups:
        return "no advertisement was heard"
    return f"{len(groups)} group{'s' * (len(groups) != 1)} heard: carpool scan tells of each"


def _told(alike: Sequence[Finding], columns: int) -> Iterator[str]:
    """Tell findings of one kind; what it means once."""
    for number, one in enumerate(alike[:_MOST_ALIKE]):
        place = one.group.name if one.group else one.interface
        begins = one.group is None and one.seen.startswith(f"{place} ")
        label = f"{place}: " if place and not begins else ""
        yield from _wrapped(f"{one.fault.code}: ", label + one.seen, columns)
        for frame, decoded in _frames(one) if number < _MOST_FRAMES else ():
            yield from _wrapped("    frame: ", decoded, columns)
            yield from textwrap.wrap(frame, columns, initial_indent=" " * 11, **_INDENT)
    if len(alike) > _MOST_ALIKE:
        yield f"    and {len(alike) - _MOST_ALIKE} more: --json has all"
    yield from _wrapped("    means: ", alike[0].fault.means, columns)
    for mend in dict.fromkeys(one.mend for one in alike[:_MOST_ALIKE]):
        yield from _wrapped("    mend:  ", mend, columns)


_INDENT: dict[str, Any] = {"subsequent_indent": " " * 11, "break_on_hyphens": False}


def _wrapped(head: str, text: str, columns: int) -> list[str]:
    return textwrap.wrap(
        printable(text),
        columns,
        initial_indent=head,
        subsequent_indent=" " * (11 if head.startswith(" ") else 4),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _state(group: Group, seen: Observation) -> str:
    said = [word for words in reach.masters(group, seen).values() for word in words]
    masters = [word for word in said or seen.of(group) if word.is_carp]
    says = f"; the daemon says {group.told.state}" if group.told else ""
    return f"advertised by {' and '.join(speakers(masters, group, seen)) or 'nobody'}{says}"


def _frames(one: Finding) -> Iterator[tuple[str, str]]:
    if one.word is not None:
        yield hidden(one.word), decoded(one.word)
    elif one.frame:
        said = claim(one.frame)
        if said is not None:
            kind = "ARP" if len(said.address) == 4 else "neighbour advertisement"
            yield one.frame.hex(), f"{kind}: {ip_address(said.address)} is at {said.mac.hex(':')}"


def hidden(word: Word) -> str:
    """Return a frame in hex without secrets, and ".." where one is left out.

    From CARP's digest a weak password could be guessed, and VRRP 2 may send a plain one.
    """
    payload = word.datagram.payload
    is_vrrp = isinstance(word.reading, Sighting) and word.reading.protocol is not Protocol.CARP
    shown = _VRRP_HEAD + 4 * payload[3] if is_vrrp else _DIGEST_AT
    at = word.frame.find(payload) + shown
    return word.frame[:at].hex() + (".." if len(word.frame) > at else "")


def decoded(word: Word) -> str:
    """Say what is in an advertisement."""
    way = f"from {word.source}" + (f" at {word.mac.hex(':')}" if word.mac else "")
    datagram, said = word.datagram, word.reading
    way += f" to {ip_address(datagram.destination)}, TTL {datagram.ttl}"
    if isinstance(said, Rejection):
        return f"{way}: no advertisement ({said.value})"
    if said.protocol is not Protocol.CARP:
        addresses = ", ".join(said.addresses)
        every = f"every {said.interval / SECOND:g} s"
        return f"{way}: {said.protocol} {said.vhid}, priority {said.strength}, {every}, {addresses}"
    advertisement = word.advertisement
    assert advertisement is not None
    return (
        f"{way}: CARP vhid {said.vhid}, advbase {advertisement.advbase}, advskew "
        f"{advertisement.advskew}, demotion {advertisement.demotion}, counter "
        f"{advertisement.counter:016x}"
    )


def document(seen: Observation, found: Sequence[Finding]) -> dict[str, Any]:
    """Return the same for programs. Durations are in seconds."""
    return {
        "node": seen.node,
        "file": seen.file,
        "seconds": round(seen.seconds, 3),
        "interfaces": list(seen.ports),
        "daemon": seen.running.value,
        "groups": [
            {
                "group": group.name,
                "vhid": group.vhid,
                "interface": group.interface,
                "state": group.told.state if group.told else None,
                "masters": sorted(
                    {word.source for words in reach.masters(group, seen).values() for word in words}
                ),
            }
            for group in seen.groups
        ],
        "findings": [
            {
                "finding": one.fault.code,
                "title": one.fault.title,
                "group": one.group.name if one.group else None,
                "interface": one.interface or (one.group.interface if one.group else None),
                "seen": one.seen,
                "means": one.fault.means,
                "mend": one.mend,
                "frames": [{"hex": frame, "decoded": decoded} for frame, decoded in _frames(one)],
            }
            for one in found
        ],
        "not_looked_at": list(seen.blind),
    }
