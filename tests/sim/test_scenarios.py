"""Scenarios: by chance, as files, made small; and what the invariants say of them."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.sim.faults import DIRECTED, scenario

from carpool.carp import virtualhost
from carpool.carp.counters import Counters
from carpool.carp.election import TABLE, Action, Event, State
from carpool.carp.timing import SECOND
from carpool.carp.wire import Rejection
from carpool.sim.__main__ import main
from carpool.sim.bounds import Bounds
from carpool.sim.campaign import Progress, failing
from carpool.sim.generate import generate
from carpool.sim.scenario import Fault, Member, Scenario, ScenarioError, play, read, write
from carpool.sim.shrink import breaks, shrink
from carpool.sim.verdict import violations

CHUNK = 625
REST = [pytest.param(chunk, marks=pytest.mark.slow) for chunk in range(4, 16)]


@pytest.mark.parametrize("chunk", [*range(4), *REST])
def test_ten_thousand_scenarios_break_no_invariant(chunk: int) -> None:
    found = failing(range(chunk * CHUNK, (chunk + 1) * CHUNK))
    assert found == [], "play one again: python -m carpool.sim --seed SEED --runs 1"


REGRESSIONS = {
    30_343: "a kernel that slept takes over, and leaves, by words that are refused as replays",
    48_723: "a master that was heard one way only has tired of answering when both hear",
    61_028: "a ucarp counts on from a lower counter than a carpool has heard",
    72_231: "a kernel falls back to an older counter, and repeats two that were heard",
    1_080_191: "two masters of one clock drew the same counters twice in a row",
    5_060_601: "a demoted kernel and a demoted carpool yielded to each other without end",
    5_067_111: "the same",
    894121: "undisturbed: what a frozen node had no room for was replayed to it",
}


@pytest.mark.parametrize("seed", REGRESSIONS, ids=REGRESSIONS.get)
def test_what_broke_an_invariant_once_does_so_no_more(seed: int) -> None:
    assert failing(range(seed, seed + 1)) == []


def test_chance_makes_every_fault_and_kind() -> None:
    scenarios = [generate(seed) for seed in range(500)]
    assert {fault.what for one in scenarios for fault in one.faults} == {
        *(
            "crash",
            "kill",
            "stop",
            "boot",
            "freeze",
            "sleep",
            "thaw",
            "restart",
            "unplug",
            "plug",
            "yield",
            "demote",
        ),
        *("partition", "deafen", "heal", "disturb", "calm", "drift", "replay"),
    }
    members = [member for one in scenarios for member in one.members]
    assert {member.kind for member in members} == {"carpool", "ucarp", "netbsd", "openbsd"}
    assert {len(one.members) for one in scenarios} == {2, 3, 4, 5}
    assert {one.families for one in scenarios} == {(4,), (6,), (4, 6)}


# Exactness.


def test_a_scenario_is_its_seed() -> None:
    assert generate(7) == generate(7) != generate(8)


def told(scenario: Scenario) -> tuple[object, ...]:
    record = play(scenario).record
    return record.timeline, record.announcements, record.adverts, record.conditions


def test_a_scenario_plays_the_same_from_its_file() -> None:
    for seed in range(50):
        scenario = generate(seed)
        copy = read(write(scenario))
        assert copy == scenario
        assert told(copy) == told(scenario)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("nonsense", "line 4: Expecting value"),
        ('{"at": 1, "fault": "melt"}', "line 4: there is no fault 'melt'; there are: crash, kill"),
        ('{"at": 1, "fault": "crash", "node": "z"}', "line 4: there is no node 'z'"),
        ('{"node": "c", "kind": "vrrp"}', "line 4: 'vrrp' is not a valid Kind"),
        ('{"node": "c", "colour": 1}', "line 4: .*'colour'"),
        ('{"scenario": 2}', 'line 1: must be a JSON object with "scenario": 1'),
        ('{"scenario": 1}', "line 1: lacks 'seed'"),
        ("[]", "line 4: "),
    ],
)
def test_a_file_that_is_no_scenario_is_explained(line: str, complaint: str) -> None:
    text = write(Scenario(1, (Member("a"), Member("b")), (), SECOND)) + line + "\n"
    with pytest.raises(ScenarioError, match=complaint):
        read(text)


# Making it small, and telling it.


@pytest.fixture
def deaf_masters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no master yield to a faster one."""
    table = {key: row for key, row in TABLE.items() if key != (State.MASTER, Event.FASTER)}
    monkeypatch.setattr(virtualhost, "TABLE", table)


def broken_seed() -> int:
    return next(seed for seed in range(300) if failing(range(seed, seed + 1)))


@pytest.mark.usefixtures("deaf_masters")
def test_a_failure_is_made_small() -> None:
    big = scenario(
        "a0 b100 c200 d250", "crash d, boot d, unplug b, plug b, partition a, drift c 50, heal"
    )
    big = replace(big, families=(4, 6))
    small = shrink(big, breaks("never two"))
    assert len(small.members) == 2
    assert [fault.what for fault in small.faults] == ["partition", "heal"]
    assert small.families == (4,)
    assert breaks("never two")(read(write(small)))


def test_what_does_not_fail_cannot_be_made_small() -> None:
    with pytest.raises(ValueError, match="does not fail"):
        shrink(DIRECTED["freeze"], breaks("never two"))


@pytest.mark.usefixtures("deaf_masters")
def test_a_campaign_names_every_failure_and_keeps_the_first_of_each_invariant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = failing(range(300))
    assert main(["--runs", "300", "--jobs", "1", "--save", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    for seed, rule in broken:
        assert f"seed {seed} broke {rule!r}" in told
    assert told.splitlines()[-1].endswith(f"{len(broken)} broke an invariant")
    kept = {path.name: read(path.read_text()) for path in tmp_path.iterdir()}
    assert len(kept) == len({rule for _, rule in broken})
    assert "never two" in {rule for _, rule in broken}
    assert all(violations(scenario, play(scenario)) for scenario in kept.values())


def test_a_scenario_that_cannot_be_played_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_scenario: Scenario) -> None:
        raise AssertionError("the timer of a stands still")

    monkeypatch.setattr("carpool.sim.campaign.play", fails)
    with pytest.raises(AssertionError) as raised:
        failing(range(7, 8))
    assert raised.value.__notes__ == ["in the scenario of seed 7"]


def test_progress_is_told_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter((0.0, 30.0, 100.0, 130.0, 160.0))
    monkeypatch.setattr("carpool.sim.campaign.time", SimpleNamespace(monotonic=clock.__next__))
    progress = Progress(100_000)
    for played, failed in ((10_000, 0), (30_000, 2), (10_000, 0)):
        progress.note(played, failed, played / 500)
    rates = "40,000 scenarios, 400 a second, 500 per core and second"
    assert capsys.readouterr().err == f"{rates}, 2 minutes left, 2 violations\n"
    assert progress.summary().endswith(", in 2.7 minutes: 2 broke an invariant")


@pytest.mark.usefixtures("deaf_masters")
def test_a_file_is_told_as_a_story(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "story.jsonl"
    path.write_text(write(scenario("a0 b100", "partition a, heal")))
    assert main([str(path)]) == 1
    told = capsys.readouterr().out
    assert "b: carpool, interval 1 s + 100/256 s" in told
    assert "3.000000 s   a      -> MASTER: no master heard" in told
    assert '12.737000 s !        partition ["a"]' in told
    assert "VIOLATION of 'never two': both held the addresses for" in told


def test_a_good_end_is_told_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "story.jsonl"
    path.write_text(write(DIRECTED["freeze"]))
    assert main([str(path)]) == 0
    assert "VIOLATION" not in capsys.readouterr().out
    path.write_text("nonsense")
    assert main([str(path)]) == 2
    assert f"{path}: line 1: Expecting value" in capsys.readouterr().err
    assert main(["--runs", "20", "--jobs", "1", "--save", str(tmp_path)]) == 0
    assert "seeds 0 to 19: 20 scenarios, " in capsys.readouterr().out


# Each invariant can fail. (Which mutation of the election breaks which: see test_mutations.)


def rules(scenario: Scenario) -> set[str]:
    return {one.rule for one in violations(scenario, play(scenario))}


def without(monkeypatch: pytest.MonkeyPatch, state: State, event: Event, *actions: Action) -> None:
    row = TABLE[state, event]
    kept = tuple(action for action in row.actions if action not in actions)
    table = {**TABLE, (state, event): replace(row, actions=kept)}
    monkeypatch.setattr(virtualhost, "TABLE", table)


def lead(monkeypatch: pytest.MonkeyPatch, event: Event, state: State, other: Event) -> None:
    """Let an event do in `state` what another does."""
    table = {**TABLE, (state, event): TABLE[state, other]}
    monkeypatch.setattr(virtualhost, "TABLE", table)


def test_in_order_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, State.MASTER, Event.STOP, Action.REMOVE_ADDRESSES)
    assert "in order" in rules(DIRECTED["stop and return"])


def test_never_dark_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtualhost, "STAND_BACK_TIME", 60 * SECOND)
    assert "never dark" in rules(scenario("a0 b100", "yield a, crash b"))


@pytest.mark.usefixtures("deaf_masters")
def test_never_two_can_fail() -> None:
    assert "never two" in rules(DIRECTED["partition"])


def test_reunited_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, State.BACKUP, Event.MASTER_DOWN, Action.BEGIN_SEEKING)
    assert rules(DIRECTED["partition, and a search"]) == {"reunited"}


def test_no_ghost_can_fail() -> None:
    assert rules(replace(DIRECTED["freeze"], lifetime=5 * SECOND)) == {"no ghost"}


def test_advertised_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, State.BACKUP, Event.MASTER_DOWN, Action.ADVERTISE)
    assert "advertised" in rules(DIRECTED["freeze alone"])


def test_no_flapping_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    lead(monkeypatch, Event.SLOWER, State.MASTER, Event.FASTER)
    lead(monkeypatch, Event.FASTER, State.BACKUP, Event.MASTER_DOWN)
    assert "no flapping" in rules(DIRECTED["crash and return"])


def test_announced_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, State.BACKUP, Event.BOW_OUT, Action.ANNOUNCE)
    assert rules(DIRECTED["stop and return"]) == {"announced"}


def test_last_word_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, State.MASTER, Event.BOW_OUT, Action.REASSERT)
    assert rules(DIRECTED["stop of a rival"]) == {"last word"}


def test_handed_over_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, State.MASTER, Event.STOP, Action.SAY_BOW_OUT)
    assert rules(DIRECTED["stop and return"]) == {"handed over"}


def test_preferred_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    lead(monkeypatch, Event.PREEMPTIBLE, State.BACKUP, Event.SLOWER)
    assert "preferred" in rules(DIRECTED["crash and return, preempt"])


def test_promptly_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    lead(monkeypatch, Event.MORE_DEMOTED, State.BACKUP, Event.OVERRULED)
    assert rules(DIRECTED["demotion"]) == {"promptly"}


def test_patient_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, State.INIT, Event.LINK_BACK, Action.HOLD_DOWN)
    assert rules(DIRECTED["hold-down"]) == {"patient"}


def test_needless_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    lead(monkeypatch, Event.FASTER, State.BACKUP, Event.PREEMPTIBLE)
    assert "needless" in rules(DIRECTED["cable of the backup"])


def test_believed_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_self: Counters, _counter: int, _now: int) -> Rejection:
        return Rejection.REPLAY

    monkeypatch.setattr(Counters, "take", refuses)
    assert "believed" in rules(DIRECTED["stop of the backup"])


def test_undisturbed_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    lead(monkeypatch, Event.SLOWER, State.BACKUP, Event.PREEMPTIBLE)
    assert rules(DIRECTED["crash and return"]) == {"undisturbed"}


def test_bounds_of_default_timing() -> None:
    bounds = Bounds.of(scenario("a0 b100", "crash a"))
    slack = 20_000_000
    assert bounds.interval == SECOND + 100 * SECOND // 256 + slack
    assert bounds.takeover == 3 * SECOND + 100 * SECOND // 256 + slack
    assert bounds.settled == bounds.takeover + 2 * bounds.interval
    assert Bounds.of(scenario("a0 b100", "yield a")).takeover == bounds.takeover + 3 * SECOND
    one = Bounds.of(scenario("a0", "crash a")).takeover_by(scenario("a0 b9", "heal"), {"b": 0})
    assert one == 3 * SECOND + 9 * SECOND // 256 + slack
    slow = replace(scenario("a0", "heal"), members=(Member("a", ppm=-10_000),))
    assert Bounds.of(slow).takeover > 3 * SECOND * 100 // 99 + slack


def test_a_node_is_left_out_with_what_befell_it() -> None:
    faults = (Fault(1, "crash", "a"), Fault(2, "partition", value=["a", "b"]), Fault(3, "heal"))
    whole = Scenario(1, (Member("a"), Member("b")), faults, 9)
    left = whole.without(["a"])
    assert left.members == (Member("b"),)
    assert left.faults == (Fault(2, "partition", value=["b"]), Fault(3, "heal"))
