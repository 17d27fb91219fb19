"""A rerun decides what was decided, to the byte; another core is found out."""

import inspect
import json
from dataclasses import replace

import pytest
from tests.recorder.support import Peer, drain, host, recording, steps

from carpool.carp import timing, virtualhost
from carpool.carp.counters import Replay
from carpool.carp.effects import Advertise, Effect
from carpool.carp.election import MOST_DEMOTED, NEVER_MASTER, TABLE, Event, State
from carpool.carp.memory import Memory
from carpool.carp.timing import SECOND
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Rejection
from carpool.recorder.entry import HEARD, TIMER, short
from carpool.recorder.recorded import Recorded
from carpool.recorder.rerun import INPUTS
from carpool.recorder.snapshot import capture
from carpool.sim.generate import generate
from carpool.sim.scenario import play

SEEDS = 25


@pytest.mark.parametrize("most_bytes", [1 << 20, 1 << 13], ids=["whole", "from the middle"])
def test_random_scenarios_are_rerun_to_the_byte(
    most_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = segments = tapes = 0
    for seed in range(SEEDS):
        with recording(monkeypatch, most_bytes) as hosts:
            play(generate(seed))
        for one in hosts:
            again = steps(one)
            assert [step.differs for step in again if step.differs] == [], f"seed {seed}"
            told += len(again)
            segments += len(one.tape.segments)
            tapes += 1
            assert one.tape.size <= most_bytes
    assert told > 800
    assert segments > tapes or most_bytes > 1 << 13


def test_effects_are_those_that_were_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with recording(monkeypatch) as hosts:
        done: dict[int, list[Effect]] = {}

        def next_effect(self: VirtualHost) -> Effect | None:
            effect = original(self)
            if effect is not None:
                done.setdefault(id(self), []).append(effect)
            return effect

        original = VirtualHost.next_effect
        monkeypatch.setattr(VirtualHost, "next_effect", next_effect)
        play(generate(1))
    assert any(isinstance(effect, Advertise) for did in done.values() for effect in did)
    for one in hosts:
        again = [outcome for step in steps(one) for outcome in step.outcomes]
        assert again == list(short(done[id(one)]))


@pytest.mark.parametrize(
    ("key", "event"),
    [
        ((State.BACKUP, Event.MASTER_DOWN), Event.MASTER_DOWN),
        ((State.MASTER, Event.ADVERTISEMENT_DUE), Event.ADVERTISEMENT_DUE),
        ((State.BACKUP, Event.FASTER), Event.FASTER),
    ],
    ids=["no takeover", "no advertisement", "a faster one is not obeyed"],
)
def test_a_core_that_lacks_a_rule_differs(
    key: tuple[State, Event], event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(monkeypatch) as hosts:
        play(generate(0))
    monkeypatch.setattr(virtualhost, "TABLE", {k: row for k, row in TABLE.items() if k != key})
    differing = [step for one in hosts for step in steps(one) if step.differs]
    assert differing
    assert all(step.fired[-1].event is event for step in differing if step.fired)


def test_a_core_with_another_patience_differs_at_the_first_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = host()
    one.start(0)
    monkeypatch.setattr(timing, "lapse_time", lambda *_: 2 * SECOND)
    (step,) = steps(one)
    assert step.differs == ("recorded: timer in 3.000000000 s, now: timer in 2.000000000 s",)


def test_after_a_difference_it_compares_from_the_next_state_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = host(1 << 13)
    one.start(0)
    peer = Peer()
    for second in range(1, 1200):
        peer.says(one, second * SECOND)
    assert len(one.tape.segments) == 2
    again = steps(one)
    assert not any(step.differs for step in again)
    slower = replace(one.settings, advskew=200)
    monkeypatch.setattr(one, "settings", slower)
    compared = [step for step in steps(one) if step.compared]
    assert len(compared) == 2
    assert all(step.differs for step in compared)


QUESTIONS = {"timer", "next_effect", "memory"}
"""What a virtual host is asked, not told."""
SHORT_WAYS = {"turns_away", "hear_again", "speak_again"}
"""What `receive` and `handle_timer` do too: the first changes but a number, the others are recorded
as those."""


def test_everything_that_a_virtual_host_is_told_is_recorded() -> None:
    methods = {name for name, _ in inspect.getmembers(VirtualHost, inspect.isfunction)}
    told = {name for name in methods if not name.startswith("_")} - QUESTIONS - SHORT_WAYS
    assert told == INPUTS
    assert {name for name in told if getattr(Recorded, name) is getattr(VirtualHost, name)} == set()


def test_the_state_is_seen_through_and_through(monkeypatch: pytest.MonkeyPatch) -> None:
    with recording(monkeypatch) as hosts:
        play(generate(0))
    for one in hosts:
        assert '{"part": {}}' not in json.dumps(capture(one)), "teach snapshot.encode what it is"


def test_each_input_is_rerun() -> None:
    one = host()
    peer = Peer()
    one.start(0)
    one.use_sources({4: bytes((192, 0, 2, 11))}, SECOND // 2)
    peer.says(one, SECOND)
    one.link_lost(2 * SECOND)
    one.link_back(3 * SECOND)
    one.woke(4 * SECOND)
    one.handle_timer(8 * SECOND)
    assert one.state is State.MASTER
    one.advertise_now(8 * SECOND + 1)
    one.slow_down(3)
    one.be_represented(True)
    one.set_demotion(MOST_DEMOTED, 8 * SECOND + 2)
    one.yield_mastership(8 * SECOND + 3)
    one.set_demotion(NEVER_MASTER, 8 * SECOND + 4)
    one.stop(8 * SECOND + 5)
    one.resume(Memory(master=True, advertised_at=8 * SECOND, counter=None), 8 * SECOND + 6)
    again = steps(one)
    assert {step.entry.what for step in again} == INPUTS
    assert [step.differs for step in again if step.differs] == []
    assert again[-1].state is State.BACKUP


def test_what_was_refused_is_refused_again_and_for_the_same_reason() -> None:
    for replay in Replay:
        one = host(replay=replay)
        peer, ucarp = Peer(), Peer("192.0.2.30")
        one.start(0)
        assert peer.says(one, 1, counter=99) is (
            Rejection.UNSEQUENCED if replay is Replay.STRICT else None
        )
        peer.says(one, 2, counter=99)
        peer.says(one, 3, password=b"another")
        peer.source, own = one.sources[4], peer.source
        peer.says(one, 4)
        peer.source = own
        for second in range(1, 9):
            ucarp.says(one, second * SECOND, 3, counter=1234)
        peer.says(one, 9 * SECOND)
        again = steps(one)
        assert [step.differs for step in again if step.differs] == []
        refused = {step.rejection for step in again} - {None}
        assert refused >= {Rejection.AUTHENTICATION, Rejection.OWN}
        assert (Rejection.CONSTANT in refused) is (replay is Replay.WINDOW)


def test_a_random_counter_from_before_the_tape_is_known() -> None:
    one = host(1 << 13)
    one.start(0)
    peer = Peer()
    peer.says(one, SECOND, counter=5)
    for second in range(2, 2000):
        peer.says(one, second * SECOND)
    assert one.tape.segments[0].begins > SECOND
    assert peer.says(one, 2000 * SECOND, counter=5) is Rejection.REPLAY
    last = steps(one)[-1]
    assert (last.rejection, last.differs) == (Rejection.REPLAY, ())


def test_a_master_and_its_timer_are_rerun_with_their_counters() -> None:
    one = host()
    one.start(0)
    late = 0
    for _ in range(50):
        due = one.timer()
        assert due is not None
        late = (late * 7 + 3) % 1000
        one.handle_timer(due + late)
    drain(one)
    again = steps(one)
    assert [step.entry.what for step in again] == ["start", *50 * [TIMER]]
    counters = [outcome[3] for step in again for outcome in step.outcomes if len(outcome) == 5]
    assert counters == sorted(set(counters))
    assert len(counters) == 50
    assert not any(step.differs for step in again)


def test_a_timer_that_is_not_due_is_not_recorded() -> None:
    one = host()
    one.start(0)
    for now in range(1, 100):
        one.handle_timer(now)
    assert [step.entry.what for step in steps(one)] == ["start"]
    Peer().says(one, 200)
    assert [step.entry.what for step in steps(one)] == ["start", HEARD]


def test_a_timer_that_moves_without_an_effect_is_recorded() -> None:
    one = host(fast=True, advbase=0, advskew=5)
    one.start(0)
    peer = Peer()
    peer.says(one, SECOND, 5)
    for _ in range(3):
        due = one.timer()
        assert due is not None
        one.handle_timer(due)
    again = steps(one)
    assert [step.entry.what for step in again[:2]] == ["start", HEARD]
    assert len(again) > 2
    assert not any(step.differs for step in again)
