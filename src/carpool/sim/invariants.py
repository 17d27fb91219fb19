"""What must hold whatever happens, as named functions over the record of a scenario.

Each yields a `Violation` for every time at which it did not hold. The bounds, and why they are
what they are, stand in `carpool.sim.bounds`. Here is who may hold the addresses; who ought to, and
what else good neighbours do, is in `carpool.sim.manners`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import combinations, pairwise

from carpool.carp.election import NEVER_MASTER, Event, State
from carpool.sim.bounds import REUNION
from carpool.sim.case import Case, Violation, names, seconds
from carpool.sim.record import Change


def in_order(case: Case) -> Iterator[Violation]:
    """Who takes part is BACKUP or MASTER, and holds the addresses if and only if it is MASTER.

    Nobody who was stopped holds them, nor who must not be master.
    """
    for window in case.history.windows:
        holders = case.history.holders(window.start)
        what, _, node = window.condition.cause.partition(" ")
        if what == "stop" and node in holders:
            text = "holds the addresses, but was stopped"
            yield Violation("in order", window.start, (node,), text)
        moments = {change.instant for change in case.history.changes}
        moments |= {span.start for span in case.history.spans(window.start, window.end)}
        for instant in sorted(moments):
            if window.start <= instant < window.end:
                holders = case.history.holders(instant)
                for name in names(window.condition.active):
                    state = case.history.state(name, instant + 1)
                    forbidden = window.condition.demotions[name] == NEVER_MASTER
                    if text := _disorder(state, held=name in holders, forbidden=forbidden):
                        yield Violation("in order", instant, (name,), text)


def _disorder(state: State | None, *, held: bool, forbidden: bool) -> str:
    if state not in (State.BACKUP, State.MASTER):
        return f"is {state}, but takes part"
    if held != (state is State.MASTER):
        return f"is {state}, and {'holds' if held else 'does not hold'} the addresses"
    return "is MASTER, but must not be" if held and forbidden else ""


def never_dark(case: Case) -> Iterator[Violation]:
    """In every part somebody holds the addresses, from a takeover after the last fault on."""
    for window in case.history.windows:
        for part in window.parts:
            willing = part & window.condition.willing
            if not willing:
                continue
            demotions = {name: window.condition.demotions[name] for name in willing}
            since = window.start + case.bounds.takeover_by(case.scenario, demotions)
            for span in case.history.spans(since, window.end):
                if not part & span.holders:
                    lasted = seconds(span.end - window.start)
                    text = f"nobody holds the addresses {lasted} after the last fault"
                    yield Violation("never dark", span.end, names(part), text)
                    break


def never_two(case: Case) -> Iterator[Violation]:
    """Two that hear each other do not both hold the addresses for more than an interval in all."""
    for window in case.history.windows:
        if window.end - window.start <= case.bounds.meeting:
            continue
        for part in window.parts:
            for pair in combinations(sorted(part), 2):
                both = case.history.stretches(frozenset(pair), window.start, window.end)
                total = sum(span.length for span in both)
                if total > case.bounds.meeting:
                    text = f"both held the addresses for {seconds(total)} since the last fault"
                    yield Violation("never two", window.end, pair, text)


def reunited(case: Case) -> Iterator[Violation]:
    """Where a partition ends, a master that looks for its rival and that rival are one at once.

    Not where one of them was deaf before: the other has tired of answering, a little.
    """
    looks = int(case.scenario.seek_rival / case.bounds.slow)
    if not (looks and case.all_carpool) or case.befell("deafen"):
        return
    for window in case.history.windows:
        after = window.start + REUNION
        before = window.before
        if window.condition.cause != "heal" or window.end <= after:
            continue
        if before is None or not before.parts:
            continue
        met = case.history.holders(window.start)
        for part in window.parts:
            for pair in combinations(sorted(part & met & case.history.holders(after)), 2):
                begun = [case.history.last_change(name, window.start) for name in pair]
                if any(
                    change is not None
                    and change.event is Event.MASTER_DOWN
                    and window.start - change.instant < looks
                    and _had_met_one(case, change)
                    for change in begun
                ):
                    text = f"both hold the addresses {seconds(REUNION)} after they could meet"
                    yield Violation("reunited", after, pair, text)


def _had_met_one(case: Case, change: Change) -> bool:
    """Tell whether a node that took over had heard another master since it was started."""
    down = [
        one.instant
        for one in case.history.changes
        if one.node == change.node and one.state is None and one.instant < change.instant
    ]
    return any(
        case.is_settled(window)
        and max(down, default=0) <= window.start
        and window.end <= change.instant
        and any(
            change.node in part and case.history.holders(window.end - 1) & part - {change.node}
            for part in window.parts
        )
        for window in case.history.windows
    )


def no_ghost(case: Case) -> Iterator[Violation]:
    """Who was killed or froze has lost the addresses before another takes over from silence."""
    if case.scenario.lifetime is None:
        return
    mortal = {name for name, member in case.members.items() if member.is_carpool}
    for window in case.history.windows:
        if not (window.parts and case.is_settled(window.before)):
            continue
        for change in case.history.changes:
            if not window.start <= change.instant < window.end:
                continue
            if change.state is State.MASTER and change.event is Event.MASTER_DOWN:
                ghosts = case.history.holders(change.instant) & mortal - window.condition.active
                if ghosts:
                    text = f"{change.node} took over, but {' and '.join(ghosts)} has it still"
                    yield Violation("no ghost", change.instant, names(ghosts), text)


def advertised(case: Case) -> Iterator[Violation]:
    """Who holds the addresses and can speak advertises at least once per interval."""
    for window in case.history.windows:
        for node in window.condition.active:
            adverts = case.history.record.adverts.get((node, case.history.vhid), [])
            holder = frozenset({node})
            for span in case.history.stretches(holder, window.start, window.end):
                said = adverts[bisect_left(adverts, span.start) : bisect_right(adverts, span.end)]
                for one, other in pairwise((span.start, *said, span.end)):
                    if other - one > case.bounds.interval:
                        text = f"held the addresses in silence for {seconds(other - one)}"
                        yield Violation("advertised", other, (node,), text)


def no_flapping(case: Case) -> Iterator[Violation]:
    """Nobody changes its state without a cause: a fault, at most a settling time before."""
    for window in case.history.windows:
        if not window.parts:
            continue
        for change in case.history.changes:
            went_down = change.state is None
            if window.start + case.bounds.settled < change.instant < window.end and not went_down:
                ago = seconds(change.instant - window.start)
                text = f"became {change.state} ({change.event}), {ago} after the last fault"
                yield Violation("no flapping", change.instant, (change.node,), text)


def announced(case: Case) -> Iterator[Violation]:
    """Becoming master, a node announces itself at once."""
    said = {(one.instant, one.node) for one in case.history.announcements}
    for change in case.history.changes:
        if change.state is State.MASTER and (change.instant, change.node) not in said:
            text = "became MASTER without an announcement"
            yield Violation("announced", change.instant, (change.node,), text)
