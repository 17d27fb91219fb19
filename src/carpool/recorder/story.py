"""What a rerun found, told line by line: when, which group, what came in, what followed and why."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from carpool.carp.effects import Heard
from carpool.carp.timing import SECOND, interval
from carpool.carp.wire import Advertisement, Rejection
from carpool.carp.words import ACTIONS, EXPLAINED, compared, why_changed
from carpool.recorder.entry import HEARD, REFUSED, TIMER, Entry
from carpool.recorder.reading import GroupTrace
from carpool.recorder.rerun import Fired, Step
from carpool.recorder.trace import Head

_BLANK = 5 * " "
_REFUSED = {
    **EXPLAINED,
    Rejection.AUTHENTICATION: "was signed with another password, or for another set of addresses",
    Rejection.INACTIVE: "came while this group was stopped or its link was down",
}
_WORDS: Mapping[str, Callable[..., str]] = {
    TIMER: lambda: "the timer runs",
    "start": lambda: "started",
    "resume": lambda _memory: "goes on after a restart of the program",
    "advertise_now": lambda: "told to advertise at once",
    "stop": lambda: "told to stop",
    "link_lost": lambda: "the link is down",
    "link_back": lambda: "the link is up",
    "woke": lambda: "the machine has slept",
    "yield_mastership": lambda: "told to yield",
    "be_represented": lambda represented: (
        "another group looks for rivals" if represented else "no other group looks for rivals"
    ),
    "set_demotion": lambda demotion: f"the demotion is {demotion} now",
    "slow_down": lambda advskew: f"advertises no faster than every {advskew}/256 s now",
    "use_sources": lambda sources: (
        f"its own addresses are {', '.join(str(ip_address(one)) for one in sources.values())} now"
        if sources
        else "it has no address of its own now"
    ),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the story."""

    instant: int
    """Nanoseconds of the daemon's clock."""
    group: str
    text: str


@dataclass(slots=True)
class _Repeated:
    """A line that would be told again and again."""

    last: int
    times: int = 0


def stamp(head: Head, instant: int) -> str:
    """Return when an instant was, in UTC, to the microsecond."""
    since = timedelta(microseconds=(head.wall + instant) // 1000)
    return (datetime(1970, 1, 1, tzinfo=UTC) + since).strftime("%Y-%m-%d %H:%M:%S.%f")


def introduction(head: Head, groups: Iterable[GroupTrace]) -> Iterator[str]:
    """Yield what there is to know before the story begins; all times in it are UTC."""
    yield f"node {head.node}, carpool {head.program}, {head.why}; times are UTC"
    for group in groups:
        settings = group.settings
        each = interval(settings.advbase, settings.advskew) / SECOND
        addresses = ", ".join(map(str, settings.addresses))
        preempt = ", preempt" if settings.preempt else ""
        yield (
            f"{group.name}: vhid {settings.vhid} on {group.interface}, {addresses}; "
            f"interval {each:.3f} s (advbase {settings.advbase}, advskew {settings.advskew})"
            f"{preempt}, dead_ratio {settings.dead_ratio}"
        )


def merged(stories: Iterable[Iterable[Line]]) -> Iterator[Line]:
    """Yield the lines of several groups in the order of their instants."""
    return heapq.merge(*stories, key=lambda line: line.instant)


def lines(group: str, steps: Iterable[Step], *, every: bool) -> Iterator[Line]:
    """Yield the story of a group; unless `every`, what goes on as before is told once.

    Once until something else happens: a change of state, or a difference.
    """
    repeated: dict[str, _Repeated] = {}
    waiting: list[Line] = []
    for step in steps:
        text, instant = tell(step), step.entry.instant
        quiet = not (step.transitions or step.differs or step.invited)
        if quiet and not every:
            known = repeated.setdefault(text, _Repeated(instant, -1))
            known.last, known.times = instant, known.times + 1
            if not known.times:
                waiting.append(Line(instant, group, text))
            continue
        yield from _in_order(group, waiting, repeated)
        yield Line(instant, group, text)
        for what in step.differs:
            yield Line(instant, group, f"{_BLANK}DIFFERS FROM RECORDED: {what}")
    yield from _in_order(group, waiting, repeated)


def _in_order(group: str, waiting: list[Line], repeated: dict[str, _Repeated]) -> list[Line]:
    """Take out the lines that wait, and one for each that was repeated, when it last was."""
    again = [
        Line(one.last, group, f"{text} ({one.times} more until now)")
        for text, one in repeated.items()
        if one.times
    ]
    found = sorted([*waiting, *again], key=lambda line: line.instant)
    waiting.clear()
    repeated.clear()
    return found


def tell(step: Step) -> str:
    """Return an input and what followed from it, in words."""
    told = f"{step.state:<6} {_said(step.entry)}"
    if step.rejection is not None:
        reason = _REFUSED.get(step.rejection, step.rejection.value)
        return f"{told}: refused ({step.rejection}): it {reason}"
    reasons = [_followed(step, fired) for fired in step.fired]
    if step.invited is not None:
        reasons.append(f"{_compared(step, step.invited.value)}; master when the timer next runs")
    return ": ".join([told, "; then ".join(reasons)] if reasons else [told])


def as_json(head: Head, group: str, step: Step) -> dict[str, Any]:
    """Return a step as JSON."""
    entry = step.entry
    return {
        "time": stamp(head, entry.instant),
        "instant": entry.instant,
        "group": group,
        "input": entry.what,
        "state": step.state.value,
        "rows": [f"{fired.state} {fired.event.name}" for fired in step.fired],
        "invited": None if step.invited is None else step.invited.name,
        "refused": None if step.rejection is None else step.rejection.value,
        "effects": [list(outcome) for outcome in step.outcomes],
        "timer": step.due,
        "told": tell(step),
        "differs": list(step.differs),
        "compared": step.compared,
    }


def _said(entry: Entry) -> str:
    if entry.what == HEARD:
        source, advbase, advskew, demotion, _counter = entry.arguments
        said = Advertisement(0, advbase, advskew, 0, b"")
        demoted = f", demotion {demotion}" if demotion and not said.is_bow_out else ""
        much = "a bow-out" if said.is_bow_out else f"{said.interval / SECOND:.3f} s{demoted}"
        return f"heard {ip_address(source)}, {much}"
    if entry.what == REFUSED:
        counted, _ = entry.arguments
        numbers = ", ".join(f"{number} x {reason}" for reason, number in counted.items())
        return f"and refused since, without a line for each: {numbers}"
    return _WORDS[entry.what](*entry.arguments)


def _followed(step: Step, fired: Fired) -> str:
    """Return what a row of the table brought about, and why."""
    name = f"[{fired.state} {fired.event.name}]"
    if fired.row is None:
        return f"{fired.event.value} {name}: changes nothing"
    done = "; ".join(ACTIONS[action] for action in fired.row.actions) or "nothing is done"
    for change in step.transitions:
        if (change.previous, change.event) == (fired.state, fired.event):
            why = why_changed(change, step.ours)
            return f"{why} {name} -> {change.state}: {done}"
    return f"{_compared(step, fired.event.value, fired)} {name}: {done}"


def _compared(step: Step, why: str, fired: Fired | None = None) -> str:
    """Return why, with what was compared if it was something heard."""
    event = step.invited if fired is None else fired.event
    if step.entry.what != HEARD or event is None:
        return why
    source, advbase, advskew, demotion, _counter = step.entry.arguments
    return why + compared(event, Heard(source, interval(advbase, advskew), demotion), step.ours)
