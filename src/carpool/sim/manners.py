"""Who ought to be master, and how a mastership changes hands: the finer invariants.

As in `carpool.sim.invariants`, each yields a `Violation` for every time at which it did not hold.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from carpool.carp.election import NEVER_MASTER, Event, State
from carpool.sim.bounds import HANDOVER, SLACK
from carpool.sim.case import Case, Violation, names, seconds
from carpool.sim.record import Change
from carpool.sim.windows import Window

KEEPS_FROM_HEARING: Final = ("sleep", "freeze", "unplug", "partition", "deafen", "disturb")
"""After these a node of another kind goes on from a counter that is old."""


def last_word(case: Case) -> Iterator[Violation]:
    """When a rival has gone, who remains announces itself after that.

    Kernels do not, and yield without a word, so that who remains may never have heard of them.
    ucarp's last word has the counter that follows the winner's, which is refused if, once in
    some hundred times, it has just been used. And what either says after it could not hear for
    a while continues from what it heard before that, and is refused as a replay.
    """
    polite = frozenset(name for name, member in case.members.items() if member.is_carpool)
    for window in case.history.windows:
        if not case.is_settled(window):
            continue
        for part in window.parts:
            holders = case.history.holders(window.end - 1) & part
            if len(holders) != 1 or not holders <= polite:
                continue  # More than one is for `never_two` to complain of.
            (holder,) = holders
            departures = [
                (span.end, rival)
                for rival in (part - holders) & polite
                for span in case.history.stretches(frozenset({rival}), window.start, window.end)
            ]
            left = _left_on_purpose(case, window)
            if left not in polite and case.befell(*KEEPS_FROM_HEARING):
                left = None
            heard_it = window.before is not None and any(
                {holder, left} <= former for former in window.before.parts
            )
            if left is not None and heard_it and holder in case.history.holders(window.start - 1):
                departures.append((window.start, left))
            if not departures:
                continue
            gone, rival = max(departures)
            words = (one.instant for one in case.history.announcements if one.node == holder)
            if not any(gone <= word <= window.end for word in words):
                text = f"did not announce itself after {rival} had gone"
                yield Violation("last word", gone, (holder,), text)


def handed_over(case: Case) -> Iterator[Violation]:
    """Where a master leaves on purpose, another takes over in milliseconds, if there is one."""
    for window in case.history.windows:
        before, node = window.before, _left_on_purpose(case, window)
        if before is None or node is None or not case.is_settled(before):
            continue
        if window.end - window.start <= HANDOVER:
            continue
        for part in window.parts:
            others = (part & window.condition.willing) - {node}
            if not others or not any(others < former for former in before.parts):
                continue
            after = window.start + HANDOVER
            if not case.history.holders(after) & others:
                text = f"nobody took over within {seconds(HANDOVER)} after {node} left"
                yield Violation("handed over", after, names(others), text)


def _left_on_purpose(case: Case, window: Window) -> str | None:
    """Return the master that a window began without, because it was told to leave."""
    what, _, node = window.condition.cause.partition(" ")
    node = node.partition(" ")[0]
    forbidden = window.condition.demotions.get(node) == NEVER_MASTER
    if what not in ("stop", "yield") and not (what == "demote" and forbidden):
        return None
    bows_out = what == "demote" or case.members[node].kind != "ucarp"
    was_master = case.history.state(node, window.start) is State.MASTER
    was_heard = window.before is not None and node in window.before.condition.active
    return node if bows_out and was_master and was_heard else None


def preferred(case: Case) -> Iterator[Violation]:
    """In the end the least demoted rules, and where all preempt, the fastest of them."""
    if not case.all_carpool:
        return
    for window in case.history.windows:
        if not case.is_settled(window):
            continue
        for part in window.parts:
            for name in case.history.holders(window.end - 1) & part:
                if better := _better(case, window, part, name):
                    text = f"is master, but {better} outranks it"
                    yield Violation("preferred", window.end, (name,), text)


def promptly(case: Case) -> Iterator[Violation]:
    """Who outranks the master takes over when it hears it, not when it has waited for silence."""
    if not case.all_carpool or case.befell("yield") or case.scenario.preempt_delay:
        return
    for window in case.history.windows:
        what, _, node = window.condition.cause.partition(" ")
        if what not in ("boot", "plug", "demote") or not case.is_settled(window.before):
            continue
        for part in window.parts:
            masters = case.history.holders(window.start - 1) & part
            if len(masters) != 1 or node in masters:
                masters = masters if what == "demote" else frozenset()
            for master in masters:
                # Who is demoted says so at once; who comes back has to be heard first.
                wait = HANDOVER if node.startswith(master) else case.bounds.interval
                better = _better(case, window, part, master)
                after = window.start + wait
                if better and after < window.end and master in case.history.holders(after):
                    text = f"is master for {seconds(wait)} although {better} outranks it"
                    yield Violation("promptly", after, (master,), text)


def patient(case: Case) -> Iterator[Violation]:
    """Who comes back, alone, waits for `hold_down` more; it preempts after `preempt_delay`."""
    for window in case.history.windows:
        what, _, node = window.condition.cause.partition(" ")
        node = node.partition(" ")[0]
        if what not in ("boot", "plug", "demote") or node not in case.members:
            continue
        if not case.members[node].is_carpool:
            continue
        for change in case.history.changes:
            waited = (change.instant - window.start) * case.bounds.slow
            if change.node != node or not window.start <= change.instant < window.end:
                continue
            alone = frozenset({node}) in window.parts and what != "demote"
            recovered = what != "demote" or case.has_recovered(window, node)
            if change.event is Event.MASTER_DOWN and alone:
                least = case.scenario.hold_down + case.patience(node)
            elif change.event is Event.PREEMPTIBLE and recovered:
                least = case.scenario.preempt_delay
            else:
                continue
            if waited < least:
                text = f"became MASTER ({change.event}) {seconds(int(waited))} after its return"
                yield Violation("patient", change.instant, (node,), text)


def needless(case: Case) -> Iterator[Violation]:
    """Nobody takes over from a master that outranks it and is there all the time."""
    if not case.all_carpool or case.befell("yield"):
        return
    for window in case.history.windows:
        for part in window.parts:
            masters = case.history.holders(window.start - 1) & case.history.holders(window.start)
            for master in masters & part:
                stays = next(case.history.stretches(frozenset({master}), window.start, window.end))
                for change in case.history.changes:
                    if change.node not in part or change.state is not State.MASTER:
                        continue
                    if not stays.start < change.instant < stays.end:
                        continue
                    if _knows(case, window, change, master) and (
                        case.rank(master, window) < case.rank(change.node, window)
                    ):
                        text = f"became MASTER ({change.event}) while {master}, its better, was"
                        yield Violation("needless", change.instant, (change.node,), text)


def believed(case: Case) -> Iterator[Violation]:
    """Nobody takes over from silence beside a better master that advertises, of whatever kind.

    To refuse replays must not cost a false failover. But peers of other kinds that count on from
    each other sometimes repeat counters, twice in a row even; and what one of them said that was
    missed, and is lower than what was heard, cannot be told from a replay.
    """
    refuses = all(member.kind != "openbsd" for member in case.members.values())
    repeats = case.history.record.repeats if refuses else {}
    for window in case.history.windows:
        for change in case.history.changes:
            silent = change.event is Event.MASTER_DOWN and case.members[change.node].is_carpool
            part = next((part for part in window.parts if change.node in part), frozenset())
            if not silent or not part or not window.start <= change.instant < window.end:
                continue
            own = case.rank(change.node, window)
            waited = int(case.patience(change.node) / case.bounds.slow)
            since = max(window.start, change.instant - waited) + SLACK
            for rival in names(part - {change.node}):
                key = rival, case.history.vhid
                adverts = case.history.record.adverts.get(key, [])
                adverts = [advert for advert in adverts if advert not in repeats.get(key, ())]
                heard = bisect_left(adverts, change.instant - SLACK) - bisect_left(adverts, since)
                missed = not case.members[rival].is_carpool and case.befell(*KEEPS_FROM_HEARING)
                if heard > 1 and case.rank(rival, window) < own and not missed:
                    text = f"became MASTER from silence, although {rival} was heard {heard} times"
                    yield Violation("believed", change.instant, (change.node,), text)


def undisturbed(case: Case) -> Iterator[Violation]:
    """Without preempt, what befalls a node that is not master does not move the addresses."""
    if any(member.preempt for member in case.scenario.members) or case.befell("demote", "drift"):
        return
    if len({member.advbase for member in case.scenario.members}) > 1:
        return
    for window in case.history.windows:
        what, _, node = window.condition.cause.partition(" ")
        if not case.is_settled(window.before) or node not in case.members or what == "deafen":
            continue
        had = case.history.holders(window.start - 1)
        for part in window.parts:
            held = had & part
            if len(held) != 1 or node in had:
                continue
            if what == "thaw" and not case.members[node].is_carpool:
                continue  # Others do not know that they have slept.
            for span in case.history.spans(window.start, window.end):
                if span.holders & part != held:
                    text = f"no longer held the addresses alone, after {window.condition.cause}"
                    yield Violation("undisturbed", span.start, names(held), text)
                    break


def _better(case: Case, window: Window, part: frozenset[str], master: str) -> str | None:
    """Return the best node of a part if it is to take over from a master, else None."""
    rank = {name: case.rank(name, window) for name in part & window.condition.willing}
    best = min(rank, key=lambda name: rank[name], default=None)
    if best is None or master not in rank or rank[best] == rank[master]:
        return None
    less_demoted = rank[best][0] < rank[master][0]
    return best if less_demoted or case.members[best].preempt else None


def _knows(case: Case, window: Window, change: Change, master: str) -> bool:
    """Tell whether a node that changed its state had heard a master before."""
    if window.before is not None and case.is_settled(window.before):
        both = {change.node, master}
        if any(both <= former for former in window.before.parts):
            return True
    adverts = case.history.record.adverts.get((master, case.history.vhid), [])
    return any(window.start <= advert < change.instant - HANDOVER for advert in adverts)
