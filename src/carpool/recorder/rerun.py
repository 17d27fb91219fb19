"""Lets the core of this version decide once more what a tape says was decided.

Nobody needs the password for that: whether a signature was good is on the tape, and so is whether a
random counter was known, for what was heard before the tape began is not. All else is worked out
anew, and compared: effects, counters that were sent, why something was refused, the timer, and at
each new segment the whole state.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from carpool.carp.auth import Authenticator
from carpool.carp.counters import Counters
from carpool.carp.effects import Heard, Transition
from carpool.carp.election import TABLE, Event, Row, State
from carpool.carp.packet import GROUP_V4, GROUP_V6, Datagram
from carpool.carp.settings import Settings
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Advertisement, Rejection
from carpool.carp.words import Ours
from carpool.recorder.entry import HEARD, REFUSED, TIMER, Entry, Outcome, short
from carpool.recorder.snapshot import SnapshotError, capture, restore

TIMELESS = frozenset({"slow_down", "be_represented"})
INPUTS = TIMELESS | {
    *(HEARD, TIMER, "use_sources", "start", "resume", "advertise_now", "stop", "link_lost"),
    *("link_back", "woke", "yield_mastership", "set_demotion"),
}
"""Methods of a virtual host that a tape may name; those that are not told the instant."""

_NO_DIGEST = bytes(20)
_NOT_VERIFIED = frozenset({Rejection.INACTIVE, Rejection.OWN, Rejection.AUTHENTICATION})


class RerunError(ValueError):
    """A tape that cannot be rerun; the text says why."""


@dataclass(frozen=True, slots=True)
class Fired:
    """A pair of state and event, and its row of the election table, if it has one."""

    state: State
    event: Event
    row: Row | None


@dataclass(frozen=True, slots=True)
class Step:
    """An entry of the tape, and what this version makes of it."""

    entry: Entry
    state: State
    """After it."""
    fired: tuple[Fired, ...]
    invited: Event | None
    """What was heard and makes it master when the timer runs next."""
    rejection: Rejection | None
    outcomes: tuple[Outcome, ...]
    due: int | None
    transitions: tuple[Transition, ...]
    ours: Ours
    """What it compared with what it heard."""
    differs: tuple[str, ...] = ()
    """What is not as recorded, in words."""
    compared: bool = True
    """False from the first difference on, until the tape tells the state again."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment of a tape, read."""

    state: Mapping[str, Any]
    begins: int
    entries: Iterable[Entry]


def rerun(settings: Settings, pieces: Iterable[Piece], notes: list[str]) -> Iterator[Step]:
    """Yield every step of a tape. Raises RerunError.

    `notes` gets what of the state this version does not know, or has besides.
    """
    host: _Host | None = None
    compared = False
    for piece in pieces:
        state = dict(piece.state)
        left = _differences(capture(host), state) if host is not None and compared else []
        host = _Host(settings)
        try:
            notes += [note for note in host.begin(state) if note not in notes]
        except SnapshotError as error:
            raise RerunError(f"the state makes no sense: {error}") from None
        compared = True
        for entry in piece.entries:
            step = host.take(entry)
            if left:
                step, left = replace(step, differs=(*left, *step.differs)), []
            if not compared:
                step = replace(step, differs=(), compared=False)
            compared = compared and not step.differs
            yield step


@dataclass(slots=True)
class _Stage:
    """What a rerun knows that no virtual host does."""

    genuine: bool = True
    """Whether the signature of what is heard was good."""
    recalled: bool = False
    """Whether its counter was among the random ones that were remembered."""
    fired: list[Fired] = field(default_factory=list)
    invited: Event | None = None


class _Verdicts(Authenticator):
    """Stands in for who knows the password."""

    def __init__(self, stage: _Stage) -> None:
        self._stage = stage

    def digest(self, counter: int) -> bytes:  # noqa: ARG002
        return _NO_DIGEST

    def verify(self, advertisement: Advertisement) -> bool:  # noqa: ARG002
        return self._stage.genuine


class _Known(Counters):
    """Stands in for the random counters that were remembered."""

    def __init__(self, stage: _Stage) -> None:
        self.stage = stage
        super().__init__()

    def _remembers(self, counter: int) -> bool:  # noqa: ARG002
        return self.stage.recalled


class _Host(VirtualHost):
    """A virtual host that says which rows of the table it walked."""

    def __init__(self, settings: Settings) -> None:
        self.stage = _Stage()
        super().__init__(settings, sources={}, counters=_Known(self.stage))
        self._authenticator = _Verdicts(self.stage)

    def begin(self, state: dict[str, Any]) -> list[str]:
        """Be in a state that a tape tells. Return what `restore` does; raises SnapshotError."""
        notes = restore(self, state)
        self._set_pace()
        return notes

    def take(self, entry: Entry) -> Step:
        """Take an entry of the tape as the recorded host took it. Raises RerunError."""
        self._effects.clear()
        self.stage.fired.clear()
        self.stage.invited = None
        rejection = None
        try:
            if entry.what == HEARD:
                rejection = self._hear(entry, *entry.arguments)
            elif entry.what == REFUSED:
                self._count(*entry.arguments)
            elif entry.what in TIMELESS:
                getattr(self, entry.what)(*entry.arguments)
            elif entry.what in INPUTS:
                getattr(self, entry.what)(*entry.arguments, entry.instant)
            else:
                raise RerunError(f"this version has no {entry.what!r}")
        except (TypeError, ValueError, AttributeError) as error:
            if isinstance(error, RerunError):
                raise
            raise RerunError(f"{entry.what!r} makes no sense: {error}") from None
        outcomes, due = short(self._effects), self.timer()
        return Step(
            entry,
            self.state,
            tuple(self.stage.fired),
            self.stage.invited,
            rejection,
            outcomes,
            due,
            tuple(effect for effect in self._effects if isinstance(effect, Transition)),
            Ours(self.interval, self.master_down_time, self.demotion),
            tuple(_told(entry, rejection, outcomes, due)),
        )

    def _count(self, counted: Mapping[str, int], suspicion: tuple[int, int, int] | None) -> None:
        for name, number in counted.items():
            self.rejections[Rejection(name)] += number
        if suspicion is not None:
            self._counters.suspicion = suspicion

    def _hear(
        self, entry: Entry, source: bytes, advbase: int, advskew: int, demotion: int, counter: int
    ) -> Rejection | None:
        self.stage.genuine = entry.rejection not in _NOT_VERIFIED
        self.stage.recalled = entry.recalled
        vhid = self.settings.vhid
        said = Advertisement(vhid, advbase, advskew, counter, _NO_DIGEST, demotion)
        group = GROUP_V4 if len(source) == 4 else GROUP_V6
        return self.receive(Datagram(source, group, 255, b""), said, entry.instant)

    def _fire(self, event: Event, now: int, heard: Heard | None = None) -> None:
        row = TABLE.get((self.state, event))
        self.stage.fired.append(Fired(self.state, event, row))
        super()._fire(event, now, heard)

    def _invite(self, event: Event, heard: Heard, now: int) -> None:
        self.stage.invited = event
        super()._invite(event, heard, now)


def _told(
    entry: Entry, rejection: Rejection | None, outcomes: tuple[Outcome, ...], due: int | None
) -> Iterator[str]:
    """Yield in words what is not as recorded."""
    if entry.what == REFUSED:
        return
    if rejection is not entry.rejection:
        yield f"recorded: {_verdict(entry.rejection)}, now: {_verdict(rejection)}"
    if outcomes != entry.outcomes:
        yield f"recorded: {_effects(entry.outcomes)}, now: {_effects(outcomes)}"
    if due != entry.due:
        was, now = _timer(entry.due, entry), _timer(due, entry)
        yield f"recorded: {was}, now: {now}"


def _verdict(rejection: Rejection | None) -> str:
    return "accepted" if rejection is None else f"refused ({rejection.value})"


def _effects(outcomes: Iterable[Outcome]) -> str:
    return "; ".join(" ".join(map(str, one)) for one in outcomes) or "no effect"


def _timer(due: int | None, entry: Entry) -> str:
    return "no timer" if due is None else f"timer in {(due - entry.instant) / 1e9:.9f} s"


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return in words which parts of two states differ, among those that both have.

    How much was rejected may: of a flood of forgeries not even the number is on the tape.
    """
    both = (one.keys() & other.keys()) - {"rejections"}
    names = sorted(name for name in both if one[name] != other[name])
    return [f"the state is not as recorded: {', '.join(names)}"] if names else []
