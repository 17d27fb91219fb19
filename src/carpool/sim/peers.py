"""Other kinds of CARP nodes, as far as the election goes: ucarp, NetBSD's and OpenBSD's kernels.

Models for the virtual LAN, not implementations: they trust every advertisement of their vhid,
and speak IPv4 only. Where the kinds differ:

=========  ==============================  =============================  ==================
kind       equal interval, as master       stopped or told to yield       counter
=========  ==============================  =============================  ==================
ucarp      the higher address yields,      says nothing                   random until a
           with a last word                                               peer is heard
NetBSD     yields                          bows out (255/255)             the same
OpenBSD    yields, unless the peer is      bows out                       one constant
           demoted more (byte 4)
=========  ==============================  =============================  ==================

Source: ucarp 1.5.2, and ``netinet/ip_carp.c`` of NetBSD and OpenBSD, as they behave on the wire.
"""

import random
from collections import Counter, deque
from collections.abc import Mapping
from enum import Enum

from carpool.carp import timing
from carpool.carp.auth import Authenticator
from carpool.carp.counters import Counters
from carpool.carp.effects import (
    AddAddresses,
    Advertise,
    Announce,
    Effect,
    RemoveAddresses,
    Transition,
)
from carpool.carp.election import MOST_DEMOTED, Event, State
from carpool.carp.packet import Datagram
from carpool.carp.settings import Settings
from carpool.carp.wire import Advertisement, Rejection

LISTENS_AFTER_YIELD = 3 * timing.SECOND
"""How long ucarp sleeps when it was told to yield."""


class Kind(Enum):
    """What a node runs."""

    UCARP = "ucarp"
    NETBSD = "netbsd"
    OPENBSD = "openbsd"


class Peer:
    """One vhid of a node of another kind. The same methods as `VirtualHost`."""

    def __init__(
        self, kind: Kind, settings: Settings, sources: Mapping[int, bytes], counters: Counters
    ) -> None:
        """Begin in INIT. `counters` are of no use but as a first, random one."""
        self.kind = kind
        self.settings = settings
        self.state = State.INIT
        self.rejections: Counter[Rejection] = Counter()
        self._source = sources[4]
        self._authenticator = Authenticator(settings.password, settings.vhid, settings.addresses)
        self._random = random.Random(counters.next(0))  # noqa: S311 - the same chances each time
        self._counter = self._random.getrandbits(64)
        self._heard_a_peer = False
        self.demotion = 0
        self._due: int | None = None
        self._deaf_until = 0
        self._effects: deque[Effect] = deque()

    # What the node tells it.

    def start(self, now: int) -> None:
        """Begin as BACKUP."""
        self._become(State.BACKUP, Event.START, now)

    def stop(self, now: int) -> None:
        """Leave: kernels bow out, ucarp runs its down script and ends."""
        self._leave(State.INIT, Event.STOP, now)
        self._due = None

    def link_lost(self, now: int) -> None:
        """Fall silent."""
        self._become(State.INIT, Event.LINK_LOST, now)
        self._due = None

    def link_back(self, now: int) -> None:
        """Begin again as BACKUP."""
        self._become(State.BACKUP, Event.LINK_BACK, now)

    def yield_mastership(self, now: int) -> None:
        """Hand the addresses to another node, if it holds them."""
        if self.state is State.MASTER:
            self._leave(State.BACKUP, Event.YIELD, now)
            self._deaf_until = now + LISTENS_AFTER_YIELD
            self._due = self._deaf_until + self._patience

    def set_demotion(self, demotion: int, _now: int) -> None:
        """Advertise at least advskew 240, or, as OpenBSD, the demotion. None is forbidden."""
        self.demotion = min(demotion, MOST_DEMOTED)

    def woke(self, _now: int) -> None:
        """Know nothing of it."""

    def handle_timer(self, now: int) -> None:
        """Advertise as master, take over as backup, if it is time to."""
        if self._due is None or now < self._due:
            return
        if self.state is State.MASTER:
            self._advertise(now)
        else:
            self._become(State.MASTER, Event.MASTER_DOWN, now)

    def receive(
        self, datagram: Datagram, advertisement: Advertisement, now: int
    ) -> Rejection | None:
        """Take an advertisement: the election table, row by row."""
        if self.state is State.INIT or now < self._deaf_until:
            return Rejection.INACTIVE
        self._heard_a_peer = True
        if self.kind is not Kind.OPENBSD:
            self._counter = advertisement.counter
        theirs = advertisement.interval
        heeds = self.kind is Kind.OPENBSD
        more = heeds and advertisement.demotion > self.demotion
        less = heeds and advertisement.demotion < self.demotion
        if self.state is State.MASTER:
            if less:
                self._yield_to(Event.LESS_DEMOTED, now)
            elif theirs < self._interval and not more:
                self._yield_to(Event.FASTER, now)
            elif theirs == self._interval and not more and self._loses_tie(datagram):
                self._yield_to(Event.TIE_LOST, now)
            else:
                self._effects.append(Announce())
        elif more:
            self._become(State.MASTER, Event.MORE_DEMOTED, now)
        elif theirs > self._patience and self.settings.advbase:
            self._become(State.MASTER, Event.TOO_SLOW, now)
        elif theirs > self._interval and self.settings.preempt and not less:
            self._become(State.MASTER, Event.PREEMPTIBLE, now)
        else:
            self._due = now + self._patience
        return None

    def timer(self) -> int | None:
        """Return when `handle_timer` is to be called."""
        return self._due

    def next_effect(self) -> Effect | None:
        """Return the next thing to do."""
        return self._effects.popleft() if self._effects else None

    # Inside.

    @property
    def _advskew(self) -> int:
        own = self.settings.advskew
        return (
            max(own, timing.DEMOTED_ADVSKEW)
            if self.demotion and self.kind is not Kind.OPENBSD
            else own
        )

    @property
    def _interval(self) -> int:
        return timing.interval(self.settings.advbase, self._advskew)

    @property
    def _patience(self) -> int:
        settings = self.settings
        return timing.master_down_time(settings.advbase, self._advskew, settings.dead_ratio)

    def _loses_tie(self, datagram: Datagram) -> bool:
        return self.kind is not Kind.UCARP or self._source[::-1] > datagram.source[::-1]

    def _yield_to(self, event: Event, now: int) -> None:
        if self.kind is Kind.UCARP:  # One last word, so that the winner announces again.
            self._send(self.settings.advbase, self._advskew)
        self._become(State.BACKUP, event, now)

    def _leave(self, state: State, event: Event, now: int) -> None:
        was_master = self.state is State.MASTER
        self._become(state, event, now)
        if was_master and self.kind is not Kind.UCARP:
            self._send(255, 255)

    def _become(self, state: State, event: Event, now: int) -> None:
        if state is self.state:
            return
        previous, self.state = self.state, state
        self._effects.append(Transition(previous, state, event))
        if previous is State.MASTER or event is Event.START:
            self._effects.append(RemoveAddresses())
        if state is State.MASTER:
            self._effects.append(AddAddresses())
            self._advertise(now)
            self._effects.append(Announce())
        else:
            self._due = now + self._patience

    def _advertise(self, now: int) -> None:
        self._due = now + self._interval
        self._send(self.settings.advbase, self._advskew)

    def _send(self, advbase: int, advskew: int) -> None:
        if self.kind is not Kind.OPENBSD:
            following = self._counter + 1 & (1 << 64) - 1
            self._counter = following if self._heard_a_peer else self._random.getrandbits(64)
        byte_4 = self.demotion if self.kind is Kind.OPENBSD else 0
        digest = self._authenticator.digest(self._counter)
        advertisement = Advertisement(
            self.settings.vhid, advbase, advskew, self._counter, digest, byte_4
        )
        self._effects.append(Advertise(4, advertisement.encode(), (advbase, advskew) == (255, 255)))
