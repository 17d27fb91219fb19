"""What one node says: its last word about each of its groups, and how old that word is.

Times are seconds of this machine's clock since the epoch. A node tells durations, so its own clock
does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MASTER = "MASTER"
DOWN = "DOWN"
"""Of a group whose daemon is known not to run."""
NEVER_MASTER = 255
"""The demotion of one that must not be master."""


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
    known to hold nothing, because no daemon runs there.
    """

    node: str
    place: str
    answered: float | None = None
    error: str | None = None
    gone: bool = False
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
        said = {one["group"]: _said(one, node, asked, now) for one in document["groups"]}
        return View(
            node,
            place,
            answered=now,
            program=str(document.get("program", "")),
            started=now - float(document.get("uptime_seconds", 0)),
            said=said,
            notes=tuple(_notes(document)),
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no status: {error!r}") from None


def _said(one: Mapping[str, Any], node: str, asked: float, now: float) -> Said:
    master = one.get("master") or None
    return Said(
        node=node,
        group=str(one["group"]),
        vhid=int(one.get("vhid", 0)),
        interface=str(one.get("interface", "")),
        addresses=tuple(map(str, one["addresses"])),
        state=str(one["state"]),
        since=now - float(one["state_seconds"]),
        asked=asked,
        why=str(one.get("why", "")),
        transitions=int(one.get("transitions", 0)),
        advskew=int(one.get("advskew", 0)),
        demotion=int(one.get("demotion", 0)),
        demotions=tuple((str(why), int(by)) for why, by in one.get("demotions", {}).items()),
        master=master and str(master["address"]),
        master_heard=master and now - float(master["heard_seconds"]),
        own=frozenset(map(str, one.get("sources", ()))),
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
