"""Which counters are fresh: sequenced and random ones, clocks, memory, and what bounds it."""

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.carp.vectors import CAPTURES, Capture

from carpool.carp.counters import (
    LEAP,
    RECORD_SIZE,
    REMEMBERED,
    Counters,
    Replay,
)
from carpool.carp.timing import SECOND
from carpool.carp.wire import Advertisement, Rejection, decode

DAY = 86_400 * SECOND
NOW_1 = 1_800_000_000 * SECOND
"""A date in 2027, in nanoseconds."""
TAG = 0x4350 << 48
LATE = 65536
"""A second, in counters."""
HALF_A_SECOND = LATE // 2

steady = settings(deadline=None, derandomize=True)


def sequenced(seconds: float) -> int:
    """Return the counter of that long after 1970."""
    return TAG + int(seconds * 65536)


def heard(*counters: int, mode: Replay = Replay.WINDOW) -> Counters:
    """Return the memory of somebody who has just heard these, all of them fresh."""
    memory = Counters(mode)
    for counter in counters:
        assert memory.take(counter, 0) is None
    return memory


class Disk:
    """What survives a run."""

    def __init__(self) -> None:
        self.content = bytearray(RECORD_SIZE)

    def counters(self, *, wall: int = 0) -> Counters:
        return Counters(wall=wall, saved=bytes(self.content), save=self.write)

    def write(self, place: int, data: bytes) -> None:
        assert 0 <= place <= RECORD_SIZE - len(data)
        self.content[place : place + len(data)] = data


# What we send.


def test_what_we_send_is_the_time_and_only_ever_goes_up() -> None:
    sender = Counters(wall=NOW_1, seed=1)
    sent = [sender.next(second * SECOND) for second in range(100)]
    for second, counter in enumerate(sent):
        assert 0 <= counter - sequenced(NOW_1 // SECOND + second) < HALF_A_SECOND
    assert sent == sorted(set(sent))


def test_at_one_instant_it_goes_up_too() -> None:
    sender = Counters(wall=NOW_1)
    sent = [sender.next(0) for _ in range(1000)]
    assert sent == sorted(set(sent))


def test_we_continue_from_what_we_hear() -> None:
    ahead = sequenced(1_900_000_000)
    sender = Counters(wall=NOW_1)
    for counter in (ahead, ahead + 1):
        assert sender.take(counter, 0) is None
    assert 0 < sender.next(0) - (ahead + 1) <= HALF_A_SECOND


@pytest.mark.parametrize("ahead", [0, DAY], ids=["of one clock", "that heard a faster one"])
def test_two_masters_that_send_at_one_instant_do_not_send_the_same(ahead: int) -> None:
    """They would refuse each other: for an interval more, and again if they did so again."""
    heard_both = sequenced((NOW_1 + ahead) // SECOND)
    same = 0
    for seed in range(5_000):
        left, right = Counters(wall=NOW_1, seed=seed), Counters(wall=NOW_1, seed=~seed % (1 << 64))
        for one in (left, right):
            one.follow(heard_both, 0)
        same += sum(left.next(now) == right.next(now) for now in (0, SECOND))
    assert same <= 3, "of 10,000, as 32,768 are possible"


@pytest.mark.parametrize("interval", [SECOND // 100, SECOND // 2, SECOND, 10 * SECOND])
def test_chance_does_not_carry_us_away_from_the_clock(interval: int) -> None:
    sender = Counters(wall=NOW_1, seed=1)
    sent = [sender.next(now) for now in range(0, 1000 * interval, interval) for _family in (4, 6)]
    assert sent == sorted(set(sent))
    assert 0 <= sent[-1] - sequenced((NOW_1 + 999 * interval) / SECOND) < LATE


@pytest.mark.parametrize("wall", [-NOW_1, 0, 1 << 62, 1 << 70])
def test_no_clock_is_so_wrong_that_the_sequence_ends(wall: int) -> None:
    sender, receiver = Counters(wall=wall), Counters()
    sent = [sender.next(0) for _ in range(1000)]
    assert all(receiver.take(counter, 0) is None for counter in sent)
    assert receiver.next(0) > sent[-1]


# Sequenced counters that we hear.


def test_each_is_accepted_once() -> None:
    start = sequenced(1_800_000_000)
    memory = heard(*range(start, start + 100))
    for counter in range(start, start + 100):
        assert memory.take(counter, 0) is not None


def test_one_that_was_overtaken_by_less_than_a_second_is_accepted_once() -> None:
    start = sequenced(1_800_000_000)
    memory = heard(start - LATE, start, start + LATE)
    assert memory.take(start + 1, 0) is None
    assert memory.take(start + 1, 0) is Rejection.REPLAY
    assert memory.take(start - 1, 0) is Rejection.REPLAY


def test_one_that_comes_a_second_after_the_one_that_overtook_it_is_refused() -> None:
    start = sequenced(1_800_000_000)
    memory = heard(start, start + 1, start + 900)
    assert memory.take(start + 500, SECOND - 1) is None
    assert memory.take(start + 600, SECOND) is Rejection.REPLAY


def test_who_goes_on_from_a_lower_one_is_accepted_for_as_long_as_it_does() -> None:
    """Of several ucarps one may have heard the highest, and then another ucarp's lower one."""
    start = sequenced(1_800_000_000)
    memory = heard(start, start + 1, start + 900)
    for second, lower in enumerate((2, 3, 11, 12), start=1):
        assert memory.take(start + lower, 3 * second * SECOND) is None
        assert memory.take(start + lower, 3 * second * SECOND) is Rejection.REPLAY
    assert memory.take(start + 21, 12 * SECOND) is Rejection.REPLAY, "that leaves out too many"
    assert memory.take(start + 13, 16 * SECOND) is Rejection.REPLAY, "that is 4 s later"
    assert memory.take(start + 901, 16 * SECOND) is None


def test_who_goes_on_from_the_first_of_all_is_accepted() -> None:
    """A kernel that heard no more than that counts on, below all that was said since."""
    start = sequenced(1_800_000_000)
    memory = heard(start, start + LATE, start + 2 * LATE)
    for second in range(1, 100):
        assert memory.take(start + second, 3 * second * SECOND) is None
        assert memory.take(start + second, 3 * second * SECOND) is Rejection.REPLAY


def test_while_we_speak_a_peer_may_continue_from_what_we_said_before() -> None:
    """A ucarp master hears us up to a second late, and may always have missed our last."""
    memory = Counters(wall=NOW_1)
    sent = [memory.next(second * SECOND) for second in range(5)]
    assert memory.take(sent[2] + 1, 4 * SECOND) is None
    assert memory.take(sent[2] + 1, 4 * SECOND) is Rejection.REPLAY
    assert memory.take(sent[0] + 1, 4 * SECOND) is Rejection.REPLAY, "that was too long ago"
    assert memory.take(sent[3] + 1, 8 * SECOND - 1) is None
    assert memory.take(sent[3] + 100, 8 * SECOND) is Rejection.REPLAY


def test_what_we_sent_ourselves_is_refused() -> None:
    memory = Counters(wall=NOW_1)
    sent = [memory.next(0) for _ in range(3)]
    assert [memory.take(counter, 0) for counter in sent] == [Rejection.REPLAY] * 3


def test_a_leap_of_more_than_a_day_is_accepted_and_not_believed_before_the_second() -> None:
    start = sequenced(1_800_000_000)
    memory = heard(start, start + 1)
    far = start + 1 + LEAP + 1
    assert memory.take(far, 0) is None
    assert memory.take(start + 2, 0) is None, "the first may have been a random one"
    assert memory.take(far, 0) is Rejection.REPLAY
    assert memory.take(far + 1, 0) is None
    assert memory.take(far + 2, 0) is None
    assert memory.take(start + 100, 0) is Rejection.REPLAY
    assert memory.take(far, 0) is Rejection.REPLAY


def test_a_second_leap_is_believed_whatever_came_between() -> None:
    """Else two masters of which one is a year ahead would never settle."""
    start = sequenced(1_800_000_000)
    memory = heard(start, start + 1)
    far = start + 2 * LEAP
    assert memory.take(far, 0) is None
    memory.next(0)
    assert memory.take(start + 1000, 0) is None
    assert memory.take(far + 65536, 0) is None
    assert memory.next(0) > far + 65536


def test_leaps_that_do_not_continue_each_other_are_not_believed() -> None:
    start = sequenced(1_800_000_000)
    memory = heard(start, start + 1)
    for leap in (3 * LEAP, 5 * LEAP, 2 * LEAP, 4 * LEAP):
        assert memory.take(start + leap, 0) is None
    assert memory.take(start + 2, 0) is None


def test_a_leap_of_a_day_is_believed_at_once() -> None:
    start = sequenced(1_800_000_000)
    memory = heard(start, start + 1, start + 1 + LEAP)
    assert memory.take(start + 100, 0) is Rejection.REPLAY


# Random ones.


@pytest.mark.parametrize("first", [0, 1, 1 << 63, (1 << 64) - REMEMBERED - 2])
def test_a_random_one_is_refused_as_long_as_it_is_remembered(first: int) -> None:
    memory = heard(*range(first, first + REMEMBERED))
    assert memory.take(first, 0) is Rejection.REPLAY
    assert memory.take(first + REMEMBERED - 1, 0) is Rejection.REPLAY
    assert memory.take(first + REMEMBERED, 0) is None
    assert memory.take(first, 0) is None, "it was the oldest"


def test_it_is_the_counter_that_is_remembered_and_not_bytes_that_look_like_it() -> None:
    two = bytes(range(1, 17))
    memory = heard(int.from_bytes(two[:8]), int.from_bytes(two[8:]))
    for shift in range(1, 8):
        assert memory.take(int.from_bytes(two[shift : shift + 8]), 0) is None


def test_random_ones_and_the_sequence_do_not_disturb_each_other() -> None:
    start = sequenced(1_800_000_000)
    memory = heard(start, start + 1, 5, start + 2, 3, (1 << 64) - 1, start + 3)
    for counter in (start, start + 2, 5, 3, (1 << 64) - 1):
        assert memory.take(counter, 0) is Rejection.REPLAY


def test_one_that_is_repeated_again_and_again_is_told_apart() -> None:
    memory = heard(7, 8)
    assert [memory.take(7, 0) for _ in range(9)] == [Rejection.REPLAY] * 9, "too fast for a master"
    assert [memory.take(7, second * SECOND) for second in (1, 2, 3)] == [
        *(Rejection.REPLAY, Rejection.CONSTANT, Rejection.CONSTANT),
    ]
    assert memory.take(9, 0) is None
    assert memory.take(7, 0) is Rejection.REPLAY


# The three modes.


def test_strict_takes_only_a_sequence() -> None:
    start = sequenced(1_800_000_000)
    memory = Counters(Replay.STRICT)
    assert memory.take(1, 0) is Rejection.UNSEQUENCED
    assert memory.take(start, 0) is Rejection.UNSEQUENCED, "the first may be random"
    assert memory.take(start, 0) is Rejection.UNSEQUENCED
    assert memory.take(start + 1, 0) is None
    assert memory.take(1, 0) is Rejection.UNSEQUENCED
    assert memory.take(start + 1, 0) is Rejection.REPLAY


def test_off_takes_all_and_still_continues_from_what_it_hears() -> None:
    ahead = sequenced(1_900_000_000)
    memory = Counters(Replay.OFF, wall=NOW_1)
    assert [memory.take(7, 0) for _ in range(5)] == [None] * 5
    assert [memory.take(ahead + step % 2, 0) for step in range(5)] == [None] * 5
    assert memory.next(0) > ahead + 1


# Memory.


@pytest.mark.parametrize("wall", [NOW_1, NOW_1 - 365 * DAY], ids=["same clock", "clock set back"])
def test_a_restart_forgets_nothing(wall: int) -> None:
    disk = Disk()
    before = disk.counters(wall=NOW_1)
    sent = [before.next(0), before.next(0)]
    random = [3, 2, 1]
    later = [sent[1] + 1000, sent[1] + 2000]
    assert all(before.take(counter, 0) is None for counter in (*random, *later))
    after = disk.counters(wall=wall)
    assert after.take(later[1] + 10, 0) is None
    for counter in (*random, *sent, *later, later[1] - 1, later[1] + 10):
        assert after.take(counter, 0) is Rejection.REPLAY
    assert after.next(0) > later[1] + 10


def test_who_goes_on_from_an_earlier_run_refuses_what_that_one_heard() -> None:
    before = Counters(wall=NOW_1)
    sent = [before.next(0), before.next(0), before.next(0)]
    assert before.highest is not None
    after = Counters(wall=NOW_1 - 365 * DAY)
    after.follow(before.highest, 0)
    assert [after.take(counter, 0) for counter in sent] == [Rejection.REPLAY] * 3
    assert after.take(sent[-1] + 1, 0) is None
    assert after.next(0) > sent[-1] + 1


def test_a_save_that_was_cut_short_leaves_the_one_before() -> None:
    start = sequenced(1_800_000_000)
    disk = Disk()
    memory = disk.counters()
    for counter in range(start, start + 10):
        assert memory.take(counter, 0) is None
    before = bytes(disk.content)
    assert memory.take(start + 10, 0) is None
    after = bytes(disk.content)
    changed = [place for place in range(RECORD_SIZE) if before[place] != after[place]]
    for place in changed:
        torn = bytearray(before)
        torn[place] = after[place]
        again = Counters(saved=bytes(torn))
        assert again.take(start + 9, 0) is Rejection.REPLAY, place
        assert again.take(start + 11, 0) is None, place


@steady
@given(content=st.binary(max_size=200))
def test_any_memory_whatever_is_taken(content: bytes) -> None:
    memory = Counters(saved=content)
    assert memory.take(1, 0) is None
    memory.next(0)


# Any order of anything.


class Sender:
    """A peer that follows, as ucarp, NetBSD and FreeBSD do: random until it hears a sequence."""

    def __init__(self, first: int) -> None:
        self.counter = first

    def next(self) -> int:
        self.counter = (self.counter + 1) % (1 << 64)
        return self.counter


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["carpool", "another", "follower", "restart", "own", "lost"]),
            st.integers(0, 3 * SECOND),
        ),
        max_size=40,
    ),
    replays=st.lists(st.integers(0, 1 << 16), max_size=80),
    clocks=st.lists(st.integers(0, 1 << 62), min_size=3, max_size=3),
)
def test_no_counter_is_ever_accepted_twice(
    steps: list[tuple[str, int]], replays: list[int], clocks: list[int]
) -> None:
    """Whoever speaks, by whatever clock, and whatever an attacker repeats in between."""
    disk = Disk()
    receiver = disk.counters(wall=clocks[0])
    peers = [Counters(wall=clocks[1], seed=1), Counters(wall=clocks[2], seed=2)]
    follower, captured, accepted = Sender(99), list[int](), set[int]()
    now, which = 0, iter(replays)
    for what, pause in steps:
        now += pause
        match what:
            case "restart":
                receiver = disk.counters(wall=clocks[0])
                counter = follower.next()
            case "own":
                counter = receiver.next(now)
                accepted.add(counter)
                follower.counter = counter
            case "follower":
                counter = follower.next()
            case _:
                counter = peers[what == "another"].next(now)
        captured.append(counter)
        if what not in {"own", "lost"} and receiver.take(counter, now) is None:
            assert counter not in accepted
            accepted.add(counter)
        for index in (next(which, None), next(which, None)):
            if index is not None:
                again = captured[index % len(captured)]
                if receiver.take(again, now) is None:
                    assert again not in accepted
                    accepted.add(again)


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.name)
def test_of_what_honest_peers_were_heard_to_send_no_master_is_refused_for_long(
    capture: Capture,
) -> None:
    """Of two masters that continue from each other, the one that yields repeats the other's."""
    memory = Counters()
    fresh = []
    for instant, captured in zip(count(0, SECOND), capture.adverts, strict=False):
        said = decode(captured.payload)
        assert isinstance(said, Advertisement)
        fresh.append(memory.take(said.counter, instant) is None)
    assert not any(fresh[at : at + 4] == [False] * 4 for at in range(len(fresh)))
    assert all(fresh[-2:])
