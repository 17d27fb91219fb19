"""One virtual host (one vhid): walks the election table, as bytes and time go in.

::

    host.start(now)                    the owner of the clock says what happens ...
    host.receive(datagram, advertisement, now)
    host.handle_timer(now)             ... and calls this when timer() has come;
    host.timer()                       when to call handle_timer, or None
    host.next_effect()                 what to do now, one by one, in order, or None

`now` is in nanoseconds of one monotonic clock that counts a machine's sleep.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import ClassVar

from carpool.carp import timing
from carpool.carp.announcements import Announcements
from carpool.carp.auth import Authenticator
from carpool.carp.counters import Counters
from carpool.carp.effects import (
    AddAddresses,
    Advertise,
    Announce,
    Effect,
    Heard,
    RemoveAddresses,
    Transition,
)
from carpool.carp.election import NEVER_MASTER, TABLE, Action, Event, State
from carpool.carp.memory import Memory
from carpool.carp.pace import Paced
from carpool.carp.packet import Datagram
from carpool.carp.peers import Peer, Peers
from carpool.carp.phase import Phase
from carpool.carp.routine import Routine, head, is_routine
from carpool.carp.rulers import Ruler, Rulers
from carpool.carp.seeking import PACE, Seeking
from carpool.carp.settings import Settings
from carpool.carp.tiebreak import TieBreak
from carpool.carp.waiting import Wait
from carpool.carp.wire import Advertisement, Rejection, encode

STAND_BACK_TIME = 3 * timing.SECOND
"""How long a node that was told to yield does not preempt (ucarp sleeps 3 s on SIGUSR2)."""

REASSERTIONS = 3
"""Answers to rivals between two advertisements. Two masters settle within one; the limit keeps a
forger from making us shout. Where there are more, the next advertisement comes after an eighth of
the interval, and announces: the last of many rivals to leave must not have the last word."""

_INIT, _BACKUP, _MASTER = State.INIT, State.BACKUP, State.MASTER
_ADVERTISEMENT_DUE, _AUTHENTICATION = Event.ADVERTISEMENT_DUE, Rejection.AUTHENTICATION
"""Looking up a member of an enumeration is slow before Python 3.12: for what is asked often."""
_IPV4_ALONE = [4]


class VirtualHost(Paced):
    """The CARP state machine of one vhid. It touches nothing but itself."""

    def __init__(
        self,
        settings: Settings,
        *,
        sources: Mapping[int, bytes],
        counters: Counters,
        phase: Phase | None = None,
    ) -> None:
        """Make a virtual host in state INIT.

        `sources`: our own real address for each IP family we speak (4, 6), packed: it breaks
        ties. `counters`: those that this vhid has heard and sent, which may outlive us. `phase`:
        when to advertise as master; the interval that leads into it is shorter, never longer.
        """
        super().__init__(settings)
        self.sources = dict(sources)
        self.state = _INIT
        self.rejections: Counter[Rejection] = Counter()
        self.master: bytes | None = None
        """Source address of the master that keeps us BACKUP, or last did."""
        self.peers = Peers()
        self.seeking = Seeking(settings.seek_rival)
        self.rival_heard_at: int | None = None
        """When we, as master, last heard another one (ns)."""
        self.routine: Routine | None = None
        """What `hear_again` takes, if anything."""
        self._started = False
        self._authenticator = Authenticator(
            settings.password, settings.vhid, settings.addresses, settings.accepted_passwords
        )
        self._families = sorted({address.version for address in settings.addresses})
        self._counters = counters
        self._phase = phase
        counters.patience = self.master_down_time + self.interval
        self._effects: deque[Effect] = deque()
        self._heard: tuple[Advertisement, Datagram] | None = None
        self._wait = Wait()
        self._timer_event = Event.MASTER_DOWN
        self._invitation: Heard | None = None
        """What makes us master when the timer next runs, if it was something heard."""
        self._advertise_at: int | None = None
        self._advertised_at = 0
        self._reassertions_left = REASSERTIONS
        self._announcements = Announcements(settings.announce_every, settings.vhid)
        self._stand_back_until = 0
        self._hold_down_until = 0
        self._preempt_from = 0
        self._rulers = Rulers()
        self._tie = TieBreak(self._families)

    # What the outside asks.

    def timer(self) -> int | None:
        """Return the instant at which `handle_timer` wants to be called, or None."""
        if self.state is _MASTER:
            return self.seeking.due_before(self._advertise_at) or self._advertise_at
        due = self._wait.ends_at
        if due is None or self.state is not _BACKUP or self._demotion == NEVER_MASTER:
            return None
        looks = self.settings.fast and self._timer_event is Event.MASTER_DOWN
        return min(due, self._wait.look_at) if looks else due

    def next_effect(self) -> Effect | None:
        """Return the next thing to do, or None when there is none left."""
        return self._effects.popleft() if self._effects else None

    # What the outside tells.

    def start(self, now: int) -> None:
        """Begin as BACKUP, whatever there was before."""
        self._started = True
        self._fire(Event.START, now)

    def use_sources(self, sources: Mapping[int, bytes], _now: int) -> None:
        """Speak from these addresses from now on: our own for each IP family, packed."""
        self.routine = None
        self.sources = dict(sources)

    def memory(self) -> Memory:
        """Return what `resume` needs."""
        master = self.state is _MASTER
        return Memory(
            master,
            self._advertised_at,
            self._counters.highest,
            self._slowed_to,
            self.seeking.until,
            self._preempt_from,
            self._hold_down_until,
            self._stand_back_until,
        )

    def resume(self, memory: Memory, now: int) -> None:
        """Go on where a former self was: as master, unless it is too late for that.

        A former backup waits for its master afresh. No hold-down and no delay begins; one that runs
        goes on, unless it is shorter by now.
        """
        self._started = True
        self._preempt_from = min(memory.preempt_from, now + self.settings.preempt_delay)
        self._hold_down_until = min(memory.hold_down_until, now + self.settings.hold_down)
        self._stand_back_until = memory.stand_back_until
        if memory.counter is not None:
            self._counters.follow(memory.counter, now)
        if not memory.master:
            self._fire(Event.RESUMED_AS_BACKUP, now)
            return
        # Backups wait for as long as the last advertisement asked for; so does the first of ours,
        # until whoever watches the machine says how fast it can be.
        self.slow_down(memory.slowed_to)
        if now - memory.advertised_at >= self._patience or self._demotion == NEVER_MASTER:
            self.slow_down(0)
            self._fire(Event.START, now)
        else:
            self._fire(Event.RESUMED_AS_MASTER, now)
            self.seeking.until = memory.seeking_until

    def advertise_now(self, now: int) -> None:
        """As master, say so now and not when it is due."""
        if not self._lapsed(now) and self.state is _MASTER:
            self._fire(_ADVERTISEMENT_DUE, now)

    def stop(self, now: int) -> None:
        """Leave: as master, addresses off and bow out. Only `start` brings it back."""
        self._started = False
        self._lapsed(now)
        self._fire(Event.STOP, now)

    def link_lost(self, now: int) -> None:
        """Fall silent: the interface lost its carrier or went away."""
        self._fire(Event.LINK_LOST, now)

    def link_back(self, now: int) -> None:
        """Begin again as BACKUP: the interface has its carrier again."""
        if self._started:
            self._fire(Event.LINK_BACK, now)

    def woke(self, now: int) -> None:
        """Wait for a master afresh: the machine has slept, and nothing was heard meanwhile."""
        if not self._lapsed(now):
            self._fire(Event.WOKE, now)

    def yield_mastership(self, now: int) -> None:
        """Hand the addresses to another node, if we hold them, and stand back for 3 s."""
        self._lapsed(now)
        self._fire(Event.YIELD, now)

    def set_demotion(self, demotion: int, now: int) -> None:
        """Be demoted by `demotion` from now on: 0 not at all, at most 255 (NEVER_MASTER).

        It goes into the demotion byte for carpool and OpenBSD, and where it is not 0 the advskew is
        at least 240, for ucarp and NetBSD. Forbidden to be master, a master bows out.
        """
        if demotion == self._demotion:
            return
        self._lapsed(now)
        before, self._demotion = self._demotion, demotion
        self.routine = None
        self._set_pace()
        if demotion == NEVER_MASTER:
            self._fire(Event.FORBIDDEN, now)
        else:
            self._fire(Event.DEMOTED if demotion > before else Event.RECOVERED, now)

    def slow_down(self, advskew: int) -> None:
        """Advertise no faster than this (1/256 s) from now on, in the fast profile; 0: as set."""
        if self.settings.fast:
            self._slowed_to = advskew
            self.routine = None
            self._set_pace()

    def be_represented(self, represented: bool) -> None:
        """Leave the search for a rival to another virtual host on the same nodes, or no longer."""
        self.seeking.represented = represented

    def handle_timer(self, now: int) -> None:
        """Do what is due. Calling it too early does nothing."""
        if self._lapsed(now):
            return
        due = self.timer()
        if due is None or now < due:
            return
        if self._was_late(now - due):
            self._fire(Event.LATE, now)
        elif self.state is _BACKUP and due != self._wait.ends_at:
            self._wait.look_at += self._pace
        elif self.state is _MASTER and due != self._advertise_at:
            self._fire(Event.SEEKING_DUE, now)
        else:
            self._fire(self._timer_event, now, self._invitation)

    def speak_again(self, now: int) -> bytes | None:
        """Return the advertisement that is due, if nothing else is: the rest has been done.

        The short way for what a master does each second over IPv4 alone. None: nothing has
        happened; `handle_timer` knows what is to be done.
        """
        due = self._advertise_at
        if self.state is not _MASTER or due is None or self._families != _IPV4_ALONE:
            return None
        if not due <= now < due + self.interval or now - self._advertised_at >= self._patience:
            return None  # Too early; too late; so late that it has lapsed.
        if self.seeking.due_before(due) is not None or self._announcements.are_due(now):
            return None
        self._begin_interval(due)
        self._note_speaking(now)
        return self._signed(now, self.settings.advbase, self.advskew, self._demotion)

    def receive(
        self, datagram: Datagram, advertisement: Advertisement, now: int
    ) -> Rejection | None:
        """Take an advertisement for our vhid. Return why it was rejected, or None.

        What follows from it may have to wait for `handle_timer`, which is to be called when all
        that has arrived has been received.
        The caller has checked TTL, destination, length and checksum: `carpool.carp.receiver`.
        """
        rejection = self._judge(datagram, advertisement, now)
        if rejection is not None:
            self.rejections[rejection] += 1
            return rejection
        if datagram.family == 4:
            self.routine = None
        said = advertisement
        self.peers.note(Peer(datagram.source, said.advbase, said.advskew, said.demotion, now))
        self._lapsed(now)
        self._hold_down_until = 0  # Whoever hears is heard.
        event = self._classify(datagram, advertisement, now)
        heard = Heard(datagram.source, advertisement.interval, advertisement.demotion)
        row = TABLE.get((self.state, event))
        if self.state is _MASTER:
            self.rival_heard_at = now
        if self.state is _BACKUP and row is not None and row.next is _MASTER:
            self._invite(event, heard, now)
        else:
            self._heard = (advertisement, datagram)
            self._fire(event, now, heard)
            self._heard = None
        if datagram.family == 4:
            self._tie.heard_ipv4(now + self.master_down_time)
            self._expect_again(event, advertisement, datagram.source, now)
        return None

    def hear_again(self, counter: bytes, digest: bytes, now: int) -> bool:
        """Take the `routine` once more, with another counter (8 bytes) and digest (20 bytes).

        Does what `receive` would. Tell whether; where not, nothing has happened: `receive` knows.
        """
        routine, number = self.routine, int.from_bytes(counter)
        if routine is None or not self._counters.goes_on(number):
            return False
        if routine.source not in self.peers:
            return False  # So many others were heard, over IPv6, that it has been forgotten.
        if not self._authenticator.fits(counter, digest):
            return False
        self._counters.go_on(number, now)
        source = self.master = routine.source
        self.peers.heard_again(source, now)
        until = now + routine.patience
        self._rulers.obey_again(4, until)
        self._tie.heard_ipv4(until)
        self._masters_interval = routine.masters_interval
        self._wait.begin(now, routine.patience, routine.look_after)
        return True

    def turns_away(self, source: bytes, counter: bytes, digest: bytes) -> bool:
        """Tell whether `receive` would reject this for its digest, and count it if so.

        `source`: 4 or 16 bytes; `counter`: 8 bytes.
        """
        if self._authenticator.fits(counter, digest):
            return False
        if self.state is _INIT or source in self.sources.values():
            return False  # which has another name
        self.rejections[_AUTHENTICATION] += 1
        return True

    # Events.

    def _expect_again(self, event: Event, said: Advertisement, source: bytes, now: int) -> None:
        """Note that the next advertisement like this one does the same, if that is certain."""
        obeyed = self.state is _BACKUP and now >= self._stand_back_until
        obeyed = obeyed and not self._rulers.another_rules(4, source, now)
        if obeyed and is_routine(event, preempt=self.settings.preempt):
            strength = (said.advbase, said.advskew, said.demotion)
            times = (self.master_down_time, self._pace * 3 // 2, self._masters_interval)
            self.routine = Routine(source, head(said), strength, *times)

    def _judge(
        self, datagram: Datagram, advertisement: Advertisement, now: int
    ) -> Rejection | None:
        if self.state is _INIT:
            return Rejection.INACTIVE
        if datagram.source == self.sources.get(datagram.family):
            return Rejection.OWN
        if not self._authenticator.verify(advertisement):
            return _AUTHENTICATION
        return self._counters.take(advertisement.counter, now)

    def _classify(self, datagram: Datagram, advertisement: Advertisement, now: int) -> Event:
        """Turn an advertisement into an event: compare its interval with ours."""
        own, theirs = self.interval, advertisement.interval
        if advertisement.is_bow_out:
            return self._unless_overruled(Event.BOW_OUT, datagram, now)
        if self.state is _BACKUP and now < self._stand_back_until:
            return Event.FASTER  # While we stand back everyone outranks us.
        if advertisement.demotion < self._demotion or self._demotion == NEVER_MASTER:
            return Event.LESS_DEMOTED
        if advertisement.demotion > self._demotion:
            return self._unless_overruled(Event.MORE_DEMOTED, datagram, now)
        if theirs < own:
            return Event.FASTER
        if theirs == own:
            lost = self._tie.is_lost(self.sources, datagram.source, own, now)
            return Event.TIE_LOST if lost else Event.TIE_WON
        # OpenBSD skips this test at advbase 0, where the own patience is not in whole seconds.
        if self.settings.advbase and theirs > self.master_down_time:
            return self._unless_overruled(Event.TOO_SLOW, datagram, now)
        if self.settings.preempt and (self.state is _MASTER or now >= self._preempt_from):
            return self._unless_overruled(Event.PREEMPTIBLE, datagram, now)
        return Event.SLOWER

    def _unless_overruled(self, event: Event, datagram: Datagram, now: int) -> Event:
        """Pass `event` on, unless it comes from a lesser master while we know a greater one."""
        overruled = self.state is _BACKUP and self._rulers.another_rules(
            datagram.family, datagram.source, now
        )
        return Event.OVERRULED if overruled else event

    def _lapsed(self, now: int) -> bool:
        """As a master that was paused past the backups' patience, step down. Tell whether."""
        if self.state is not _MASTER or now - self._advertised_at < self._patience:
            return False
        self._fire(Event.LAPSED, now)
        if self.settings.fast:
            # A stall of a few milliseconds may have hit all nodes, and all that was queued has been
            # read: a successor, if there is one, says so within an interval.
            self._wait.ends_at = now + self.interval * 5 // 4
        return True

    def _was_late(self, by: int) -> bool:
        """Tell whether a backup that is late by so much (ns) must not call its master dead yet."""
        if not self.settings.fast or self._timer_event is not Event.MASTER_DOWN:
            return False
        may_wait = self._wait.grace_left > 0 or self.timer() != self._wait.ends_at
        return by > self._wanted_interval // 4 and may_wait

    def _invite(self, event: Event, heard: Heard, now: int) -> None:
        """Let the timer make us master in a moment, because of what was heard."""
        self.routine = None
        soon = now + self._turn(heard)
        if event is Event.BOW_OUT:
            self._rulers.forget()
        self._wait.end_by(soon)
        self._timer_event = event
        self._invitation = heard

    def _turn(self, heard: Heard) -> int:
        """Return how long to wait for a better backup to take over (ns)."""
        place = self.settings.place
        if place is None:
            return timing.takeover_wait(self.advskew)
        if self._demotion:
            return timing.takeover_wait(max(self.advskew, timing.DEMOTED_ADVSKEW))  # the last
        # Who leaves is no longer one of those before us.
        its_interval = self._rulers.interval_of(heard.source)
        gone = its_interval is not None and its_interval <= self.interval
        return timing.takeover_turn(place - gone, self.interval)

    def _fire(self, event: Event, now: int, heard: Heard | None = None) -> None:
        row = TABLE.get((self.state, event))
        if row is None:
            return
        previous, self.state = self.state, row.next
        if row.next is not previous:
            self.routine = None
            self._tie.state_changed()
            self._effects.append(Transition(previous, row.next, event, heard))
        for action in row.actions:
            self._ACTIONS[action](self, now)

    # Actions, one method for each.

    def _add_addresses(self, _now: int) -> None:
        self._effects.append(AddAddresses())

    def _remove_addresses(self, _now: int) -> None:
        self._announcements.forget()
        self.seeking.end()
        self._effects.append(RemoveAddresses())

    def _advertise(self, now: int) -> None:
        # From the instant it was due, not from now: lateness must not add up.
        due = self._advertise_at
        on_time = due is not None and due <= now < due + self.interval
        self._timer_event = _ADVERTISEMENT_DUE
        self._invitation = None
        self._begin_interval(due if on_time and due is not None else now)
        self._speak(now)
        if self._announcements.due(now):
            self._effects.append(Announce())

    def _begin_interval(self, instant: int) -> None:
        interval, phase = self.interval, self._phase
        due = instant + interval
        self._advertise_at = due if phase is None else phase.last(due, interval)
        self._reassertions_left = REASSERTIONS

    def _announce(self, now: int) -> None:
        self._announcements.announced(now)
        self._effects.append(Announce())

    def _begin_seeking(self, now: int) -> None:
        has_met_one = any(True for _ in self.peers)
        if has_met_one and self.interval > PACE:
            self.seeking.begin(now)

    def _reassert(self, now: int) -> None:
        if self._reassertions_left:
            self._reassertions_left -= 1
            self._speak(now)
            self._announce(now)
        elif self._advertise_at is not None:
            self._advertise_at = min(self._advertise_at, now + self.interval // 8)
            self._announcements.announce_next_time()

    def _concede(self, now: int) -> None:
        """Say one last word that no winner can take for a stronger or equal rival's."""
        if self._heard is None:
            return
        winner, _ = self._heard
        own, theirs = self.interval // timing.TICK, winner.interval // timing.TICK
        slower = min(max(own, theirs + 1), timing.BOW_OUT_TICKS - 1)
        self._send(now, *divmod(slower, 256), self._demotion, farewell=True)

    def _say_bow_out(self, now: int) -> None:
        # OpenBSD would yield even to this, if it were less demoted.
        self._send(now, 255, 255, NEVER_MASTER, farewell=True)

    def _await_master(self, now: int) -> None:
        was_master, self._advertise_at = self._advertise_at is not None, None
        self._timer_event = Event.MASTER_DOWN
        self._invitation = None
        since = max(now, self._stand_back_until, self._hold_down_until)
        self._masters_interval = 0
        if self._heard is not None:
            self._obey(*self._heard, now)
            rival, _ = self._heard
            less_demoted = rival.demotion < self._demotion
            if was_master and less_demoted and rival.interval == self.interval:
                # A demoted kernel, which yields to an equal interval, too: may it be back first.
                since += timing.TICK
        # Look half an interval after the next advertisement is due: if that comes, we never look.
        self._wait.begin(since, self.master_down_time, self._pace * 3 // 2)

    def _obey(self, advertisement: Advertisement, datagram: Datagram, now: int) -> None:
        if self.settings.fast:
            # Not under the HMAC: whoever changes it on its way must not gain more than seconds.
            self._masters_interval = min(advertisement.interval, timing.interval(0, 255))
        until = now + self.master_down_time
        claim = Ruler(datagram.source, advertisement.demotion, advertisement.interval)
        if self._rulers.obey(datagram.family, claim, until, now):
            self.master = claim.source

    def _adjust_wait(self, _now: int) -> None:
        if self._timer_event is not Event.BOW_OUT:
            self._timer_event, self._invitation = Event.MASTER_DOWN, None
            self._wait.ends_at = self._wait.since + self.master_down_time

    def _allow_lateness(self, now: int) -> None:
        due = self.timer()
        assert due is not None
        self._wait.allow_lateness(due, now, self._pace)

    def _hold_down(self, now: int) -> None:
        self._hold_down_until = now + self.settings.hold_down

    def _delay_preemption(self, now: int) -> None:
        self._preempt_from = now + self.settings.preempt_delay

    def _stand_back(self, now: int) -> None:
        self._stand_back_until = now + STAND_BACK_TIME

    # Speaking.

    def _speak(self, now: int) -> None:
        self._note_speaking(now)
        self._send(now, self.settings.advbase, self.advskew, self._demotion)

    def _send(
        self, now: int, advbase: int, advskew: int, demotion: int, *, farewell: bool = False
    ) -> None:
        for family in self._families:
            payload = self._signed(now, advbase, advskew, demotion)
            self._effects.append(Advertise(family, payload, farewell))

    def _note_speaking(self, now: int) -> None:
        self._advertised_at = now
        self.seeking.spoke(now)

    def _signed(self, now: int, advbase: int, advskew: int, demotion: int) -> bytes:
        counter = self._counters.next(now)
        digest = self._authenticator.digest(counter)
        return encode(self.settings.vhid, advbase, advskew, counter, digest, demotion)

    _ACTIONS: ClassVar[dict[Action, Callable[["VirtualHost", int], None]]] = {
        Action.ADD_ADDRESSES: _add_addresses,
        Action.REMOVE_ADDRESSES: _remove_addresses,
        Action.ADVERTISE: _advertise,
        Action.ANNOUNCE: _announce,
        Action.BEGIN_SEEKING: _begin_seeking,
        Action.SEEK: _speak,
        Action.REASSERT: _reassert,
        Action.CONCEDE: _concede,
        Action.SAY_BOW_OUT: _say_bow_out,
        Action.AWAIT_MASTER: _await_master,
        Action.ADJUST_WAIT: _adjust_wait,
        Action.ALLOW_LATENESS: _allow_lateness,
        Action.HOLD_DOWN: _hold_down,
        Action.DELAY_PREEMPTION: _delay_preemption,
        Action.STAND_BACK: _stand_back,
    }
