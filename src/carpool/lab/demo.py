"""The demo: a master goes down in four ways, and comes back, while a client is looking on.

Durations and instants are ns of the stage's clock.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from carpool.carp.timing import SECOND, master_down_time
from carpool.cluster.model import Group
from carpool.lab.namespaces import LabError
from carpool.lab.picture import Mark, Story, duration
from carpool.lab.probe import Answer, longest, tenures
from carpool.lab.report import Outcome, Result
from carpool.lab.stage import DOWN, Stage
from carpool.lab.view import View

SLACK: Final = SECOND
"""What a busy machine may add to what the protocol promises."""
HANDOVER: Final = SECOND // 2
"""How long a change of masters may take of which both know."""

_STEP: Final = SECOND // 100
_LONGEST_PAUSE: Final = 2 * SECOND
_SHORTEST_PAUSE: Final = 11 * SECOND // 10  # the client waits 1 s for answers of a frozen zone
_START: Final = 20 * SECOND


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to take a master down and to bring it back.

    `told`: it can tell the others, who need not wait for its silence to be long enough.
    """

    name: str
    mark: str
    strikes: str
    mends: str
    strike: Callable[[Stage, str], None]
    mend: Callable[[Stage, str], None]
    told: bool = False
    preempt: bool = False


FAULTS: Final = (
    Fault(
        *("clean stop", "stop", "SIGTERM to its daemon", "its daemon is started again"),
        strike=lambda stage, zone: stage.stop(zone),
        mend=lambda stage, zone: stage.start(zone),
        told=True,
    ),
    Fault(
        *("killed", "kill", "SIGKILL to its daemon", "its daemon is started again"),
        strike=lambda stage, zone: stage.kill(zone),
        mend=lambda stage, zone: stage.start(zone),
    ),
    Fault(
        *("frozen", "freeze", "SIGSTOP to all its programs", "they go on (SIGCONT)"),
        strike=lambda stage, zone: stage.freeze(zone),
        mend=lambda stage, zone: stage.thaw(zone),
    ),
    Fault(
        *("cable pulled", "unplug", "its cable is pulled", "its cable is put back"),
        strike=lambda stage, zone: stage.unplug(zone),
        mend=lambda stage, zone: stage.plug(zone),
    ),
)
WITH_PREEMPT: Final = Fault(
    *("stop, preempt", "preempt", "SIGTERM to its daemon", "its daemon is started again"),
    strike=lambda stage, zone: stage.stop(zone),
    mend=lambda stage, zone: stage.start(zone, preempt=True),
    told=True,
    preempt=True,
)


class _WentWrongError(Exception):
    """The demo cannot go on; the text says why."""


def play(stage: Stage, view: View) -> Result:
    """Play the whole demo; what goes wrong is in the result."""
    return _Demo(stage, view).play()


def expected_duration(group: Group) -> int:
    """Return about how long the demo takes with a group of that timing."""
    return (len(FAULTS) * 2 + 1) * _slowest(group) + 11 * _pause(group) + 3 * SECOND


def _slowest(group: Group) -> int:
    return max(_down_time(group, member.node) for member in group.members)


def _pause(group: Group) -> int:
    """Return how long nothing is done, for people to see what is."""
    return min(max(_slowest(group), _SHORTEST_PAUSE), _LONGEST_PAUSE)


class _Demo:
    def __init__(self, stage: Stage, view: View) -> None:
        self._stage = stage
        self._view = view
        self._begin = stage.now()
        self._marks: list[Mark] = []
        self._outcomes: list[Outcome] = []

    def play(self) -> Result:
        problems = []
        try:
            self._start()
            for number, fault in enumerate(FAULTS, 1):
                self._act(number, fault)
            if self._let_preempt():
                self._act(len(FAULTS) + 1, WITH_PREEMPT)
        except (_WentWrongError, LabError) as error:
            self._say(f"It went wrong: {error}", "red")
            problems.append(str(error))
        self._view.clear()
        stage = self._stage
        story = Story(
            tuple(stage.zones),
            self._begin,
            stage.now(),
            tuple(stage.answers()),
            tuple(stage.spans()),
            tuple(self._marks),
        )
        broken = [f"{it.fault}: {text}" for it in self._outcomes for text in it.problems]
        return Result(tuple(self._outcomes), story, (*broken, *problems))

    # The acts.

    def _start(self) -> None:
        stage = self._stage
        self._say(f"carpool run starts in {' and '.join(stage.zones)}")
        # The preferred one first: without preempt, the first that is ready rules.
        for member in sorted(stage.group.members, key=lambda member: member.advskew):
            stage.start(member.node)
            self._await_daemon(member.node)
        limit = _slowest(stage.group) + SLACK
        if not self._until(lambda: self._last_zone() is not None, limit):
            raise _WentWrongError("nobody became master")
        self._say(f"{self._master()} is master and answers the client", "green")

    def _act(self, number: int, fault: Fault) -> None:
        stage, view = self._stage, self._view
        self._pass(_pause(stage.group))
        master = self._master()
        bound = self._bound(fault, master)
        view.say()
        self._say(f"Act {number}, {fault.name}: {master} is master; {fault.strikes}", "bold")
        struck = stage.now()
        self._marks.append(Mark(struck, master, fault.mark, fault=True))
        fault.strike(stage, master)
        if not self._until(lambda: self._last_zone() != master, 2 * bound + SLACK):
            raise _WentWrongError(f"{fault.name}: nobody took over from {master}")
        first = next(answer for answer in self._answers(struck) if answer.zone != master)
        outage = self._longest_wait(struck)
        taken_over = self._felt(struck, first.received)
        self._say(
            f"{first.zone} is master in {duration(taken_over)}; "
            f"the client's longest wait: {duration(outage)}",
            "green",
        )
        if stage.state(master) == DOWN and not fault.told:
            alone = self._answered_alone(struck, master)
            self._say(f"{master}, without a daemon, went on answering for {duration(alone)}", "dim")
        self._pass(_pause(self._stage.group))
        if stage.state(master) == DOWN or fault.told:
            self._await_end(master)
        mended = stage.now()
        self._marks.append(Mark(mended, master, "", fault=False))
        fault.mend(stage, master)
        self._say(f"{master} comes back: {fault.mends}")
        self._watch_return(fault, master, first.zone)
        returned = any(answer.zone == master for answer in self._answers(mended))
        outcome = Outcome(
            fault=fault.name,
            zone=master,
            preempt=fault.preempt,
            new_master=first.zone,
            taken_over=taken_over,
            outage=outage,
            bound=bound,
            returned=returned,
            return_outage=self._longest_wait(mended),
            shared=self._shared(struck),
            problems=(),
        )
        outcome = replace(outcome, problems=tuple(self._problems(fault, outcome, struck)))
        self._outcomes.append(outcome)
        if returned:
            self._say(f"{master} took the address back", "green" if fault.preempt else "red")
        else:
            self._say(f"{master} is {stage.state(master)}; {self._last_zone()} stays master")
        for problem in outcome.problems:
            self._say(f"not as promised: {problem}", "red")

    def _watch_return(self, fault: Fault, zone: str, other: str) -> None:
        """Wait until the zone takes part again, and long enough to see what it does."""
        group = self._stage.group
        self._await_daemon(zone)
        if fault.preempt:
            limit = _down_time(group, other) + SLACK
            self._until(lambda: self._last_zone() == zone, limit)
            self._pass(_pause(self._stage.group))
        else:
            self._pass(_down_time(group, zone) + SECOND // 2)

    def _problems(self, fault: Fault, outcome: Outcome, struck: int) -> Iterator[str]:
        """Yield what was promised and not kept."""
        stage, master = self._stage, outcome.zone
        expected = master if fault.preempt else outcome.new_master
        for what, length, bound in (
            ("the client waited", outcome.outage, outcome.bound),
            ("the new master came after", outcome.taken_over, outcome.bound),
            ("at the return the client waited", outcome.return_outage, HANDOVER),
        ):
            if length > bound:
                yield f"{what} {duration(length)}, more than {duration(bound)}"
        if outcome.returned != fault.preempt:
            yield f"the address {'went' if outcome.returned else 'did not go'} back to {master}"
        if stage.holders() != {expected}:
            having = " and ".join(sorted(stage.holders())) or "nobody"
            yield f"in the end {having} had the address"
        for zone in stage.zones:
            wanted = "MASTER" if zone == expected else "BACKUP"
            if (state := stage.state(zone)) != wanted:
                yield f"in the end {zone} was {state}, not {wanted}"
        # In the order of the questions: of two zones' answers the later may come first.
        answers = sorted(self._answers(struck), key=lambda answer: answer.sent)
        answered = [tenure.zone for tenure in tenures(answers)]
        if len(answered) > (3 if fault.preempt else 2):
            yield f"the client was answered by turns: {', '.join(answered)}"

    def _let_preempt(self) -> bool:
        """Start the others anew with preempt; return whether one of them all is preferred."""
        stage = self._stage
        skews = sorted(member.advskew for member in stage.group.members)
        if skews[0] == skews[1]:
            self._say("No node is preferred, so there is nothing to show of preempt.")
            return False
        preferred = next(
            member.node for member in stage.group.members if member.advskew == skews[0]
        )
        self._view.say()
        self._say("the others are started again with preempt = true in the file")
        for zone in (*(zone for zone in stage.zones if zone != preferred), preferred):
            if zone != preferred or self._master() != preferred:
                stage.stop(zone)
                self._await_end(zone)
                stage.start(zone, preempt=True)
                self._await_daemon(zone)
        limit = _down_time(stage.group, preferred) + SLACK
        if not self._until(lambda: stage.holders() == {preferred}, limit):
            raise _WentWrongError(f"{preferred}, with preempt, did not become master")
        return True

    # Time.

    def _pass(self, length: int) -> None:
        self._until(lambda: False, length)

    def _until(self, condition: Callable[[], bool], limit: int) -> bool:
        """Let time pass until the condition holds, `limit` at most; return whether it does."""
        deadline = self._stage.now() + limit
        while not condition():
            left = deadline - self._stage.now()
            if left <= 0:
                return False
            self._stage.pass_time(min(left, _STEP))
            self._view.show(self._stage, self._begin)
        return True

    def _await_daemon(self, zone: str) -> None:
        if not self._until(lambda: self._stage.takes_part(zone), _START):
            raise _WentWrongError(f"{zone}: carpool run has said nothing for 20 s")

    def _await_end(self, zone: str) -> None:
        if not self._until(lambda: self._stage.state(zone) == DOWN, _START):
            raise _WentWrongError(f"{zone}: its daemon does not end")

    # What is to be seen.

    def _say(self, text: str, *styles: str) -> None:
        view, seconds = self._view, (self._stage.now() - self._begin) / SECOND
        view.say(f"{view.paint(f'{seconds:5.1f} s', 'dim')}  {view.paint(text, *styles)}")

    def _master(self) -> str:
        """Return the zone that has the address; it must be the only one."""
        having = sorted(self._stage.holders())
        if len(having) != 1:
            raise _WentWrongError(f"{' and '.join(having) or 'nobody'} has the address")
        return having[0]

    def _last_zone(self) -> str | None:
        answers = self._stage.answers()
        return answers[-1].zone if answers else None

    def _answers(self, since: int) -> list[Answer]:
        """Return the answers to what the client asked after an instant."""
        return [answer for answer in self._received(since) if answer.sent >= since]

    def _answered_alone(self, since: int, zone: str) -> int:
        """Return how long after an instant a zone gave its last answer."""
        own = [answer.received for answer in self._answers(since) if answer.zone == zone]
        return max(own, default=since) - since

    def _longest_wait(self, since: int) -> int:
        """Return the longest time without an answer, from an instant on until now."""
        now = self._stage.now()
        # Only with its next answer the client tells for how long it had no processor.
        if not self._until(lambda: self._received(now)[-1].received > now, SLACK):
            return self._stage.now() - self._received(now)[-1].received
        gap = longest(self._received(since), since=since)
        return gap.waited if gap else 0

    def _felt(self, since: int, until: int) -> int:
        """Return the time between two instants to a client that has its processor."""
        received = self._received(since)
        stalled = sum(one.stalled for one in received if since < one.received <= until)
        return max(0, until - since - stalled)

    def _received(self, since: int) -> Sequence[Answer]:
        """Return the answers that came after an instant, and the last one before."""
        answers = self._stage.answers()
        first = bisect_left(answers, since, key=lambda answer: answer.received)
        return answers[max(first - 1, 0) :]

    def _shared(self, since: int) -> int:
        spans = [span for span in self._stage.spans() if len(span.holders) > 1]
        return sum(span.end - max(span.start, since) for span in spans if span.end > since)

    def _bound(self, fault: Fault, master: str) -> int:
        group = self._stage.group
        if fault.told:
            return HANDOVER
        others = (_down_time(group, zone) for zone in self._stage.zones if zone != master)
        return min(others) + SLACK


def _down_time(group: Group, zone: str) -> int:
    """Return how long a zone that hears no master waits until it takes over."""
    member = group.member(zone)
    assert member is not None
    return master_down_time(group.advbase, member.advskew, group.dead_ratio)
