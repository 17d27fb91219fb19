"""What one node says: its last word about each of its groups, and how old that word is.

Times are seconds of this machine's clock since the epoch. A node tells durations, so its own clock
does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from carpool.cluster.wording import printable

MASTER = "MASTER"
DOWN = "DOWN"
"""Of a group whose daemon is known not to run."""
NEVER_MASTER = 255
"""The demotion of one that must not be master."""
_LONGEST: Final = 1e10  # s, three centuries: of no more can a date be told


@dataclass(frozen=True, slots=True)
class Said:
    """What a node says of one of its groups.

    It has been in this state since `since` at the latest, and was until `asked` at least.
    `masters` are the addresses of the master that it hears, if it obeys one; `own` are its own.
    """

    node: str
    group: str
    vhid: int
    interface: str
    addresses: tuple[str, ...]
    state: str
    since: float
    asked: float
    why: str = ""
    transitions: int = 0
    advskew: int = 0
    demotion: int = 0
    demotions: tuple[tuple[str, int], ...] = ()
    master: str | None = None
    master_heard: float | None = None
    own: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class View:
    """A node as it was last seen: what it said when it last answered, and why it does not now.

    `place` is where it is asked. `answered` is None until it has answered once. `gone`: it is
    known to hold nothing, because no daemon runs there; `gone_since`: when that was first seen.
    """

    node: str
    place: str
    answered: float | None = None
    error: str | None = None
    gone: bool = False
    gone_since: float | None = None
    program: str = ""
    started: float | None = None
    said: Mapping[str, Said] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def speaks(self) -> bool:
        """Whether its last word is good."""
        return self.error is None and self.answered is not None


def read(document: Mapping[str, Any], place: str, node: str, asked: float, now: float) -> View:
    """Return the view of a status that was asked for at `asked`, and was there at `now`.

    Raises ValueError for what is no status.
    """
    try:
        said = {one.group: one for one in (_said(o, node, asked, now) for o in document["groups"])}
        return View(
            node,
            place,
            answered=now,
            program=plain(document.get("program", "")),
            started=now - _seconds(document.get("uptime_seconds", 0)),
            said=said,
            notes=tuple(map(plain, _notes(document))),
        )
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"this is no status: {error!r}") from None


def plain(value: object) -> str:
    """Return it as text with escapes for what would turn the text around, or cannot be sent."""
    return printable(str(value))


def _seconds(value: Any) -> float:
    """Return a duration. Raises ValueError for what is none, or too long for a date."""
    seconds = float(value)
    if not -1 < seconds < _LONGEST:  # also if it is not a number
        raise ValueError(f"this is no status: {seconds} seconds")
    return seconds


def _said(one: Mapping[str, Any], node: str, asked: float, now: float) -> Said:
    master = one.get("master") or None
    return Said(
        node=node,
        group=plain(one["group"]),
        vhid=int(one.get("vhid", 0)),
        interface=plain(one.get("interface", "")),
        addresses=tuple(map(plain, one["addresses"])),
        state=plain(one["state"]),
        since=now - _seconds(one["state_seconds"]),
        asked=asked,
        why=plain(one.get("why", "")),
        transitions=int(one.get("transitions", 0)),
        advskew=int(one.get("advskew", 0)),
        demotion=int(one.get("demotion", 0)),
        demotions=tuple((plain(why), int(by)) for why, by in one.get("demotions", {}).items()),
        master=master and plain(master["address"]),
        master_heard=master and now - _seconds(master["heard_seconds"]),
        own=frozenset(map(plain, one.get("sources", ()))),
    )


def _notes(document: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the node as a whole."""
    notes = []
    for interface in document.get("interfaces", ()):
        name = interface["interface"]
        if not interface.get("open", True):
            notes.append(f"{name}: the interface is not there")
        notes += [
            f"{name}: {one['mac']} uses {one['address']}, too"
            for one in interface.get("strangers", ())
        ]
        notes += [
            f"{name}: what {one['address']} says with vhid {one['vhid']} {one['reason']}"
            for one in interface.get("mismatches", ())
        ]
    for check in document.get("checks", ()):
        if check["health"] == "bad":
            problem = f": {check['problem']}" if check.get("problem") else ""
            notes.append(f"check {check['check']} is bad{problem}")
    return notes
