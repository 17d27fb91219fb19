"""A virtual host that keeps a tape of what it is told, and of what it then did."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from itertools import islice
from typing import Any

from carpool.carp.counters import Counters
from carpool.carp.effects import Effect
from carpool.carp.packet import Datagram
from carpool.carp.phase import Phase
from carpool.carp.settings import Settings
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Advertisement, Rejection
from carpool.recorder.entry import Entry, short
from carpool.recorder.snapshot import capture
from carpool.recorder.tape import MOST_BYTES, Tape


def _recording(method: Callable[..., None]) -> Callable[..., None]:
    """Return a method of a virtual host, to which the instant is told last, that is recorded."""

    @wraps(method)
    def recorded(self: "Recorded", *told: Any) -> None:
        *arguments, now = told
        if self.tape.full:
            self.tape.begin(now)
        before = len(self._effects)
        method(self, *told)
        outcomes = short(self._since(before))
        self.tape.add(Entry(now, method.__name__, tuple(arguments), outcomes, self.timer()))

    return recorded


class Recorded(VirtualHost):
    """A virtual host with a tape of at most `most_bytes`.

    Whatever is told to it has a method here that records it; a test holds the two together. What
    it decides it decides as any other.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        sources: Mapping[int, bytes],
        counters: Counters,
        phase: Phase | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        super().__init__(settings, sources=sources, counters=counters, phase=phase)
        self.tape = Tape(partial(capture, self), lambda: counters.suspicion, most_bytes)

    def receive(
        self, datagram: Datagram, advertisement: Advertisement, now: int
    ) -> Rejection | None:
        """Take an advertisement, as any virtual host does."""
        tape = self.tape
        if tape.full:
            tape.begin(now)
        before = len(self._effects)
        rejection = super().receive(datagram, advertisement, now)
        due, recalled = self.timer(), self._counters.recalled
        if rejection is None:
            effects = self._since(before)
            tape.heard(datagram.source, advertisement, now, effects, due, recalled=recalled)
        else:
            source = datagram.source
            tape.refused(source, advertisement, now, rejection, due, recalled=recalled)
        return rejection

    def hear_again(self, counter: bytes, digest: bytes, now: int) -> bool:
        """Take the routine once more, as any virtual host does."""
        tape, routine = self.tape, self.routine
        if routine is None or tape.full or not super().hear_again(counter, digest, now):
            return False
        tape.heard_again(routine, int.from_bytes(counter), now, self.timer())
        return True

    def handle_timer(self, now: int) -> None:
        """Do what is due. Nothing is recorded where nothing was."""
        tape = self.tape
        if tape.full:
            tape.begin(now)
        before = len(self._effects)
        super().handle_timer(now)
        effects, due = self._since(before), self.timer()
        if effects or (due or 0) != tape.due:
            tape.spoke(now, effects, due)

    def speak_again(self, now: int) -> bytes | None:
        """Advertise in the short way, as any virtual host does."""
        tape = self.tape
        payload = None if tape.full else super().speak_again(now)
        if payload is not None:
            tape.spoke_once(now, payload, self.timer())
        return payload

    def use_sources(self, sources: Mapping[int, bytes], now: int) -> None:
        """Speak from these addresses; nothing is recorded where they are the same."""
        if sources != self.sources:
            self._use_sources(dict(sources), now)

    def slow_down(self, advskew: int) -> None:
        """Advertise no faster than this, as any virtual host does."""
        self._begin_if_full()
        super().slow_down(advskew)
        self.tape.add(Entry(self.tape.now, "slow_down", (advskew,), (), self.timer()))

    def be_represented(self, represented: bool) -> None:
        """Leave the search to another, or no longer, as any virtual host does."""
        self._begin_if_full()
        super().be_represented(represented)
        self.tape.add(Entry(self.tape.now, "be_represented", (represented,), (), self.timer()))

    _use_sources = _recording(VirtualHost.use_sources)
    start = _recording(VirtualHost.start)
    resume = _recording(VirtualHost.resume)
    advertise_now = _recording(VirtualHost.advertise_now)
    stop = _recording(VirtualHost.stop)
    link_lost = _recording(VirtualHost.link_lost)
    link_back = _recording(VirtualHost.link_back)
    woke = _recording(VirtualHost.woke)
    yield_mastership = _recording(VirtualHost.yield_mastership)
    set_demotion = _recording(VirtualHost.set_demotion)

    def _begin_if_full(self) -> None:
        if self.tape.full:
            self.tape.begin(self.tape.now)

    def _since(self, before: int) -> Sequence[Effect]:
        """Return the effects of an input, before which there were so many."""
        new = len(self._effects) - before
        if new <= 1:
            return (self._effects[-1],) if new else ()
        return list(islice(self._effects, before, None))
