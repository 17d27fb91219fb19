"""One input of a virtual host, with what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from carpool.carp.effects import (
    AddAddresses,
    Advertise,
    Announce,
    Effect,
    RemoveAddresses,
    Transition,
)
from carpool.carp.wire import Rejection

HEARD = "receive"
TIMER = "handle_timer"
REFUSED = "refused"
"""No input: so many advertisements were refused, each of which is not in the tape."""

Outcome = tuple[Any, ...]
"""An effect in short, as `short` makes it: a tuple of texts and numbers."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An input and its outcome. Instants in nanoseconds of the daemon's clock.

    `what` is the name of a method of `VirtualHost`, `arguments` what it was given but for the
    instant. Of an advertisement heard: source (packed), advbase, advskew, demotion, counter.
    """

    instant: int
    what: str
    arguments: tuple[Any, ...]
    outcomes: tuple[Outcome, ...] = ()
    due: int | None = None
    """When the timer is to run next, after this input."""
    rejection: Rejection | None = None
    """Why the advertisement was refused."""
    recalled: bool = False
    """Whether its counter was among the random ones that were remembered."""


def short(effects: Iterable[Effect]) -> tuple[Outcome, ...]:
    """Return effects in short. An advertisement is without its digest, and so its checksum."""
    return tuple(map(_short, effects))


def head(advertisement: bytes) -> bytes:
    """Return all of an advertisement that is no checksum, counter or digest."""
    return advertisement[:6]


def counter(advertisement: bytes) -> int:
    """Return the counter of an advertisement."""
    return int.from_bytes(advertisement[8:16])


def _short(effect: Effect) -> Outcome:
    match effect:
        case Advertise(family=family, payload=payload, farewell=farewell):
            return ("advertise", family, head(payload).hex(), counter(payload), farewell)
        case Transition(previous=previous, state=state, event=event):
            return ("transition", previous.value, state.value, event.name)
        case AddAddresses():
            return ("add",)
        case RemoveAddresses():
            return ("remove",)
        case Announce():
            return ("announce",)
