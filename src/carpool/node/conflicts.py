"""A stranger that uses an address of ours: noticed, told, and answered as the settings say.

While a node is master nobody else may claim its addresses. Whoever does is another node, whose
advertisements then explain it, or a stranger: a machine that was given the address by mistake, or
a node whose advertisements do not arrive. We hear claims (ARP from the address, neighbour
advertisements for it), and now and then ask who has it, by a probe that leaves no trace in
anybody's cache (RFC 5227 section 2.1.1, RFC 4862 section 5.4.2). None of this holds up a takeover:
the address is put on and announced first, and watched then.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from carpool.carp.auth import Address
from carpool.carp.election import NEVER_MASTER, State
from carpool.carp.frames import Claim
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import VirtualHost
from carpool.node.group import Group
from carpool.node.host import Link
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.settings import OnConflict

GRACE = SECOND // 10
"""From a claim to our announcement against it (ns): what explains it may be on its way.

Whoever it is has the address just now, as we do: an announcement too many harms nobody.
"""
DEFEND_EVERY = SECOND
"""An address is announced against a stranger so often at most (ns)."""
FIRST_PROBE_AFTER = SECOND
"""From a takeover (ns): by then the old master has heard of it, and yielded."""
PROBE_EVERY = 60 * SECOND
YIELD_FOR = 60 * SECOND
"""How long (ns) a group leaves its addresses to a stranger that was heard."""
REMEMBERED_FOR = 3 * PROBE_EVERY


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who used an address of ours: its MAC (6 bytes), and when that was noticed last (ns)."""

    address: Address
    mac: bytes
    when: int


class _Watched:
    """One address and what is known of it."""

    __slots__ = (
        "address",
        "answer_at",
        "claimed_by",
        "defended_at",
        "group",
        "probe_at",
        "stranger",
        "verdict_at",
    )

    def __init__(self, address: Address, group: Group) -> None:
        self.address = address
        self.group = group
        self.claimed_by: bytes | None = None
        """Whose claim is unexplained so far."""
        self.answer_at: int | None = None
        """When to announce against it."""
        self.verdict_at = 0
        """When to believe that nothing explains it: another node would have advertised by then."""
        self.stranger: Stranger | None = None
        self.probe_at: int | None = None
        """None while we are not master."""
        self.defended_at = -DEFEND_EVERY


class Conflicts:
    """The watch on the addresses of one segment."""

    def __init__(self, *, loop: Loop, log: Log) -> None:
        self.own_macs: Callable[[], Collection[bytes]] = frozenset
        """The hardware addresses of this host: all of its interfaces may answer for it."""
        self._loop = loop
        self._log = log
        self._link: Link | None = None
        self._watched: dict[bytes, _Watched] = {}
        self._yielding: dict[Group, int] = {}
        self._held: frozenset[bytes] = frozenset()
        """Whose claims are heard. Of those that we are not master of they would be the master's,
        every other second, and would wake us for nothing."""
        self._judge = loop.call_at(loop.now(), self._judge_claims)
        self._judge.cancel()
        self._look = loop.call_at(loop.now(), self._look_around)
        self._look.cancel()

    def add(self, group: Group) -> None:
        """Watch the addresses of a group, unless its settings say not to."""
        if group.settings.on_conflict is not OnConflict.IGNORE:
            group.on_transition.append(self._look_soon)
            for one in group.settings.addresses:
                self._watched[one.ip.packed] = _Watched(one.ip, group)

    @property
    def families(self) -> Collection[int]:
        """The IP families (4, 6) of the addresses whose claims are to be told."""
        return {one.address.version for one in self._watched.values()}

    @property
    def strangers(self) -> list[Stranger]:
        """Who was noticed within the last minutes, at most one for each address."""
        since = self._loop.now() - REMEMBERED_FOR
        found = [one.stranger for one in self._watched.values()]
        return [one for one in found if one is not None and one.when > since]

    # What happens.

    def use_link(self, link: Link | None) -> None:
        """Ask and announce through `link` from now on; None while there is no interface."""
        self._link = link
        self._held = frozenset()
        if link is None:
            self._look.cancel()
        else:
            self._look_soon()

    def hear(self, claims: Iterable[Claim]) -> None:
        """Take note of claims, to be judged a moment later."""
        for claim in claims:
            watched = self._watched.get(claim.address)
            if watched is None or claim.mac in self.own_macs():
                continue
            host, now = watched.group.virtual_host, self._loop.now()
            if host.state is State.MASTER:
                if watched.claimed_by is None:
                    watched.verdict_at = now + GRACE + host.interval * 3 // 2
                watched.claimed_by = claim.mac
                if watched.answer_at is None:
                    watched.answer_at = max(now + GRACE, watched.defended_at + DEFEND_EVERY)
        self._await_judgement()

    def _await_judgement(self) -> None:
        watched = self._watched.values()
        due = [one.answer_at for one in watched if one.answer_at is not None]
        due += [one.verdict_at for one in watched if one.claimed_by is not None]
        if due:
            self._judge.reschedule(min(due))

    def _judge_claims(self) -> None:
        now = self._loop.now()
        for watched in self._watched.values():
            host = watched.group.virtual_host
            if host.state is not State.MASTER or _is_explained(host, now):
                watched.claimed_by = watched.answer_at = None
            if watched.answer_at is not None and now >= watched.answer_at:
                watched.answer_at = None
                self._defend(watched, now)
            mac = watched.claimed_by
            if mac is not None and now >= watched.verdict_at:
                watched.claimed_by = None
                self._condemn(watched, mac, now)
        self._await_judgement()

    def _defend(self, watched: _Watched, now: int) -> None:
        if watched.group.settings.on_conflict is OnConflict.DEFEND:
            watched.defended_at = now
            self._send(watched.group, lambda link: link.announce(watched.address.packed))

    def _condemn(self, watched: _Watched, mac: bytes, now: int) -> None:
        group = watched.group
        watched.stranger = Stranger(watched.address, mac, now)
        answer = group.settings.on_conflict
        does = {
            OnConflict.DEFEND: "announcing it again",
            OnConflict.YIELD: f"leaving it alone for {YIELD_FOR // SECOND} s",
        }
        self._log.happened(
            "conflict",
            Level.ERROR,
            f"{group.label}{mac.hex(':')} on {group.settings.interface} uses {watched.address}, "
            "and no advertisement that we hear explains it: take the address off that machine, or "
            "if it is a node of ours find out why it is not heard"
            + (f"; {does[answer]}" if answer in does else ""),
            group=group.settings.name,
            key=f"conflict {watched.address}",
            details={
                "address": str(watched.address),
                "mac": mac.hex(":"),
                "interface": group.settings.interface,
                "answer": answer.value,
            },
        )
        if answer is OnConflict.YIELD:
            self._yielding[group] = now + YIELD_FOR
            group.demote(_REASON, NEVER_MASTER)
            self._look_soon()

    # What is done now and then.

    def _look_soon(self) -> None:
        if self._link is not None and self._watched:
            self._look.reschedule(self._loop.now())

    def _look_around(self) -> None:
        now = self._loop.now()
        for watched in self._watched.values():
            if watched.group.virtual_host.state is not State.MASTER:
                watched.probe_at = None
            elif watched.probe_at is None:
                watched.probe_at = now + FIRST_PROBE_AFTER
            elif now >= watched.probe_at:
                watched.probe_at = now + PROBE_EVERY
                self._probe(watched)
        self._listen()
        for group in [one for one, until in self._yielding.items() if now >= until]:
            del self._yielding[group]
            group.demote(_REASON, 0)
        due = [one.probe_at for one in self._watched.values() if one.probe_at is not None]
        due += self._yielding.values()
        if due:
            self._look.reschedule(min(due))

    def _listen(self) -> None:
        """Hear who claims what we hold, and no other claims."""
        watched = self._watched.items()
        held = frozenset(packed for packed, one in watched if one.probe_at is not None)
        if self._link is None or held == self._held:
            return
        try:
            self._link.only_claims_of(held)
        except OSError as error:
            self._log.warning(
                f"cannot watch for strangers that use our addresses: {error.strerror}",
                key="watch claims",
            )
        else:
            self._held = held

    def _probe(self, watched: _Watched) -> None:
        self._send(watched.group, lambda link: link.probe(watched.address.packed))

    def _send(self, group: Group, send: Callable[[Link], None]) -> None:
        if self._link is None:
            return
        try:
            send(self._link)
        except OSError as error:
            self._log.warning(
                f"{group.label}cannot watch {group.settings.interface} for strangers: "
                f"{error.strerror}",
                key=f"watch {group.settings.name}",
            )


def _is_explained(host: VirtualHost, now: int) -> bool:
    """Tell whether another node advertises, or did a moment ago: it may claim."""
    heard_at = host.peers.last_heard_at
    return heard_at is not None and now < heard_at + host.master_down_time


_REASON = "another machine uses an address"
