"""The groups of a network as lines of text for a terminal of any width."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address

from carpool.carp.timing import SECOND
from carpool.watch.durations import two_units
from carpool.watch.lan import Event, Group, Key, Lan, Speaker
from carpool.watch.sighting import Protocol

HEADINGS = ("VHID", "PROTOCOL", "MASTER", "SKEW", "EVERY", "JITTER", "FOR")
_WIDTHS = (4, 8, 17, 7, 7, 7, 7)
_CONSTANT = 3
"""Advertisements in a row with one counter, after which it is worth a word."""

Names = Mapping[bytes, str]
"""What nodes are called, by packed address."""


def heading(width: int) -> str:
    """Return the line above the groups."""
    return line((*HEADINGS, "LAST SECONDS"), width, _WIDTHS)


def row(group: Group, now: int, width: int, names: Names) -> str:
    """Return the line of a group, cut to `width`: its strip takes what is left."""
    vhid, protocol, family = group.key
    kind = f"{protocol}{'/6' if family == 6 else ''}"
    cells = [str(vhid), kind, _masters(group, names), "", "", "", duration(now - group.since)]
    if len(group.masters) == 1:
        speaker = group.speakers[group.masters[0]]
        cells[3] = _strength(speaker)
        cells[4] = duration(speaker.pace or speaker.last.interval)
        cells[5] = duration(speaker.jitter) if speaker.pace else ""
    left = max(width - sum(_WIDTHS) - len(_WIDTHS), 0)
    strip = "".join(group.strip)[-left:] if left else ""
    return line((*cells, strip), width, _WIDTHS)


def is_wrong(group: Group) -> bool:
    """Tell whether it has no master, or several."""
    return len(group.masters) != 1


def summary(lan: Lan) -> str:
    """Say in a few words how the network is."""
    groups = list(lan.groups.values())
    none = sum(not group.masters for group in groups)
    several = sum(len(group.masters) > 1 for group in groups)
    parts = [f"{len(groups)} group{'s' * (len(groups) != 1)}"]
    if several:
        parts.append(f"{several} with SEVERAL masters")
    if none:
        parts.append(f"{none} with NO master")
    return ", ".join(parts)


def event_line(event: Event, ago: int, names: Names) -> str:
    """Return an event as a line: how long ago, which group, from whom to whom, and why."""
    return f"{duration(ago):>7} ago  {event_text(event, names)}"


def event_text(event: Event, names: Names) -> str:
    """Say what happened, without when."""
    vhid, protocol, family = event.key
    before, masters = (
        " and ".join(name(source, names) for source in sources) or "nobody"
        for sources in (event.before, event.masters)
    )
    kind = f"{protocol}{' over IPv6' if family == 6 else ''}"
    return f"{kind} {vhid}: {before} -> {masters} ({event.why})"


def remarks(group: Group, names: Names) -> Iterator[str]:
    """Say who is master where several are, and what else is odd about the group."""
    if len(group.masters) > 1:
        speakers = sorted((group.speakers[one] for one in group.masters), key=lambda s: s.letter)
        named = ", ".join(f"{one.letter} {name(one.last.source, names)}" for one in speakers)
        yield f"{_label(group.key)}: several masters: {named}"
    for speaker in group.speakers.values():
        if speaker.same_counter >= _CONSTANT:
            yield (
                f"{_label(group.key)}: {ip_address(speaker.last.source)} repeats one counter: "
                "OpenBSD, or a replay"
            )


def name(source: bytes, names: Names) -> str:
    """Return what a node is called, or else its address."""
    return names.get(source) or str(ip_address(source))


def duration(nanoseconds: int) -> str:
    """Write a duration in seven characters at most: 0.3ms, 312ms, 1.00s, 5m10s, 3d4h."""
    seconds = nanoseconds / SECOND
    if seconds < 0.995:  # So that an interval of a second is not now one, now 999.8ms.
        return f"{seconds * 1000:.{0 if seconds >= 0.1 else 1}f}ms"
    if seconds < 60:
        return f"{seconds:.2f}s"
    return "".join(two_units(int(seconds)))


def _label(key: Key) -> str:
    vhid, protocol, family = key
    return f"{protocol} {vhid}{' over IPv6' if family == 6 else ''}"


def _masters(group: Group, names: Names) -> str:
    if not group.masters:
        return "NONE"
    if len(group.masters) > 1:
        letters = "+".join(sorted(group.speakers[one].letter for one in group.masters))
        return f"SEVERAL: {letters}"
    speaker = group.speakers[group.masters[0]]
    return f"{speaker.letter} {name(speaker.last.source, names)}"


def _strength(speaker: Speaker) -> str:
    sighting = speaker.last
    if sighting.protocol is Protocol.CARP and sighting.demotion:
        return f"{sighting.strength}-{sighting.demotion}"
    return str(sighting.strength)


def line(cells: Sequence[str], width: int, widths: Sequence[int]) -> str:
    """Return cells of these widths, and the last of what is left, as a line of `width` at most."""
    *fixed, last = cells
    text = " ".join(_fit(cell, size) for cell, size in zip(fixed, widths, strict=True))
    return f"{text} {last}".rstrip()[:width]


def _fit(text: str, width: int) -> str:
    """Fill up, or cut in the middle: of an IPv6 address both ends tell."""
    if len(text) > width:
        text = f"{text[: width // 2]}~{text[len(text) - (width - width // 2 - 1) :]}"
    return text.ljust(width)
