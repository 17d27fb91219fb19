"""From what each node says to what is so: who holds a group, and where the nodes disagree.

Nodes are asked one after the other, so that a clean handover between two answers looks like two
masters, or like none. What is called a fault here is proven: there is an instant at which all that
it rests on was so. Until the next answers come, what is not proven is only changing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from carpool.web.views import MASTER, NEVER_MASTER, Said, View


class Grade(IntEnum):
    """How well a group is. The greater, the worse."""

    GOOD = 0
    CHANGING = 1
    WARNING = 2
    FAULT = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    grade: Grade
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A node of a group, and its last word; None if it has never said one.

    `fresh`: that word is its answer to the last question. `gone`: no daemon runs there.
    """

    node: str
    said: Said | None
    fresh: bool
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A group as it is. `holders`: who says MASTER, the one that has said so longest first.

    `since`: from when on it has been held by the last of them, or by nobody; None: not known.
    `hearsay`: nobody who can be asked is master, but others hear this one.
    """

    name: str
    vhid: int
    interface: str
    addresses: tuple[str, ...]
    holders: tuple[str, ...]
    since: float | None
    hearsay: str | None
    headline: str
    findings: tuple[Finding, ...]
    claims: tuple[Claim, ...]

    @property
    def grade(self) -> Grade:
        """The worst of its findings."""
        return max((finding.grade for finding in self.findings), default=Grade.GOOD)


def merge(
    views: Sequence[View], members: Mapping[str, Sequence[str]] | None = None
) -> list[Picture]:
    """Return the groups, in the order in which they are first named.

    `members` are the nodes of each group as a cluster file has them: also those that have never
    said a word.
    """
    by_node = {view.node: view for view in views}
    nodes: dict[str, list[str]] = {name: list(them) for name, them in (members or {}).items()}
    for view in views:
        for name in view.said:
            there = nodes.setdefault(name, [])
            if view.node not in there:
                there.append(view.node)
    return [
        _picture(name, [_claim(by_node.get(node), node, name) for node in them])
        for name, them in nodes.items()
    ]


def _claim(view: View | None, node: str, group: str) -> Claim:
    said = view.said.get(group) if view else None
    return Claim(
        node,
        said,
        fresh=view is not None and view.speaks and said is not None,
        gone=view is not None and view.gone,
    )


def _picture(name: str, claims: Sequence[Claim]) -> Picture:
    fresh = [claim.said for claim in claims if claim.fresh and claim.said]
    masters = sorted((said for said in fresh if said.state == MASTER), key=lambda one: one.since)
    known = fresh or [claim.said for claim in claims if claim.said]
    hearsay = None if masters else _heard_of(fresh, claims)
    findings = list(_of_holders(masters, fresh, claims, hearsay))
    findings += _of_views(masters, fresh)
    findings += _of_settings(known)
    findings += _of_nodes(claim for claim in claims if claim.node != hearsay)
    holders = tuple(said.node for said in masters)
    proven = bool(masters) or not _silent(claims)
    first = known[0] if known else None
    return Picture(
        name=name,
        vhid=first.vhid if first else 0,
        interface=first.interface if first else "",
        addresses=first.addresses if first else (),
        holders=holders,
        since=max((said.since for said in masters or fresh), default=None) if proven else None,
        hearsay=hearsay,
        headline=_headline(holders, hearsay, known=proven),
        findings=tuple(sorted(findings, key=lambda finding: -finding.grade)),
        claims=tuple(claims),
    )


def _headline(holders: Sequence[str], hearsay: str | None, *, known: bool) -> str:
    if holders:
        return " and ".join(holders)
    if hearsay:
        return f"{hearsay}?"
    return "nobody" if known else "not known"


def at_once(words: Sequence[Said]) -> bool:
    """Tell whether there is an instant at which all of this was so."""
    return max(said.since for said in words) <= min(said.asked for said in words)


def _of_holders(
    masters: Sequence[Said], fresh: Sequence[Said], claims: Sequence[Claim], hearsay: str | None
) -> Iterator[Finding]:
    if len(masters) > 1:
        if any(at_once(pair) for pair in pairwise(masters)):
            named = _listed(said.node for said in masters)
            yield Finding(Grade.FAULT, f"{len(masters)} masters: {named} say MASTER")
        else:
            yield Finding(Grade.CHANGING, "it is changing hands")
    elif not masters:
        silent = [claim.node for claim in claims if not claim.fresh and not claim.gone]
        if hearsay:
            yield Finding(
                Grade.WARNING,
                f"{hearsay} holds it, others say; {hearsay} itself cannot be asked",
            )
        elif silent:
            said = "no node that can be asked is master" if fresh else "no node can be asked"
            yield Finding(Grade.WARNING, f"{said}; {_listed(silent)} may be")
        elif not fresh or at_once(fresh):
            yield Finding(Grade.FAULT, "no master: nobody holds the address")
        else:
            yield Finding(Grade.CHANGING, "it is changing hands")


def _of_views(masters: Sequence[Said], fresh: Sequence[Said]) -> Iterator[Finding]:
    """Yield where nodes see another master than there is."""
    names = {address: said.node for said in fresh for address in said.own}
    for said in fresh:
        if said.state == MASTER:
            continue
        named = said.master and names.get(said.master, said.master)
        for master in masters:
            # What it heard before this one became master proves nothing.
            later = (said.master_heard or said.asked) > master.since
            if not later or not at_once([said, master]):
                continue
            if named is None:
                text = f"{said.node} hears no master, but {master.node} is"
                yield Finding(Grade.WARNING, text)
            elif master.own and said.master not in master.own:
                text = f"{said.node} obeys {named}, but {master.node} is master"
                yield Finding(Grade.FAULT, f"the nodes disagree: {text}")
    if not masters:
        obeyed = {names.get(said.master, said.master) for said in fresh if said.master}
        if len(obeyed) > 1:
            yield Finding(Grade.FAULT, f"the nodes disagree: some obey {_listed(sorted(obeyed))}")


def _of_settings(words: Sequence[Said]) -> Iterator[Finding]:
    """Yield where nodes have the group otherwise than others."""
    if len({said.vhid for said in words}) > 1:
        shown = _listed(f"{said.node} {said.vhid}" for said in words)
        yield Finding(Grade.FAULT, f"the nodes have different vhids: {shown}")
    if len({frozenset(said.addresses) for said in words}) > 1:
        shown = "; ".join(f"{said.node}: {' '.join(said.addresses)}" for said in words)
        yield Finding(Grade.FAULT, f"the nodes have different addresses: {shown}")


def _of_nodes(claims: Iterable[Claim]) -> Iterator[Finding]:
    for claim in claims:
        said = claim.said
        if not claim.fresh or said is None:
            how = "is not running" if claim.gone else "cannot be asked"
            yield Finding(Grade.WARNING, f"{claim.node} {how}")
        elif said.demotion == NEVER_MASTER:
            reasons = ", ".join(why for why, by in said.demotions if by == NEVER_MASTER)
            yield Finding(Grade.WARNING, f"{said.node} must not be master: {reasons}")
        elif said.demotion:
            reasons = ", ".join(f"{why} ({by})" for why, by in said.demotions)
            yield Finding(Grade.WARNING, f"{said.node} is demoted: {reasons}")
        elif said.state not in (MASTER, "BACKUP"):
            yield Finding(Grade.WARNING, f"{said.node} is {said.state}: {said.why}")


def _heard_of(fresh: Sequence[Said], claims: Sequence[Claim]) -> str | None:
    """Return the silent node that all others hear as master, by its name or address."""
    silent = _silent(claims)
    heard = {said.master for said in fresh if said.master}
    if not silent or len(heard) != 1:
        return None
    (address,) = heard
    if any(address in said.own for said in fresh):
        return None
    if any(claim.gone and claim.said and address in claim.said.own for claim in claims):
        return None
    for claim in silent:
        if claim.said and address in claim.said.own:
            return claim.node
    return silent[0].node if len(silent) == 1 and not silent[0].said else address


def _silent(claims: Sequence[Claim]) -> list[Claim]:
    """Return those of whom it is not known what they do now."""
    return [claim for claim in claims if not claim.fresh and not claim.gone]


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
