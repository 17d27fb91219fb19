"""The file in which counters survive a restart."""

import os
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from tests.support.written import Written

from carpool.carp.counters import Counters
from carpool.carp.settings import Settings
from carpool.carp.wire import Rejection
from carpool.node.counters import (
    BusyError,
    CounterFile,
    make_counters,
    open_counter_file,
)
from carpool.node.log import Log
from carpool.node.settings import GroupSettings
from carpool.node.state import StateDirectory


def group(vhid: int, interface: str = "net0") -> GroupSettings:
    vip = IPv4Interface(f"192.0.2.{vhid}/24")
    return GroupSettings("www", Settings(vhid, (vip.ip,), b"secret"), interface, (vip,))


@pytest.fixture
def run(tmp_path: Path, lines: Written) -> Callable[..., list[Counters]]:
    """Start and end: the counters of a run, whose file is closed as a kill would."""
    last: CounterFile | None = None

    def one(*groups: GroupSettings) -> list[Counters]:
        nonlocal last
        if last is not None:
            last.close()
        last = CounterFile(tmp_path / "web1.counters", Log(lines))
        return make_counters(groups, last, 0)

    return one


Run = Callable[..., list[Counters]]


def test_what_was_heard_and_sent_is_refused_by_the_next_run(run: Run) -> None:
    [before] = run(group(1))
    sent = before.next(0)
    heard = [7, sent + 1, 8, sent + 2]
    assert [before.take(counter, 0) for counter in heard] == [None] * 4
    [after] = run(group(1))
    assert [after.take(counter, 0) for counter in (sent, *heard)] == [Rejection.REPLAY] * 5
    assert after.next(0) > sent + 2


def test_each_group_has_its_own_whatever_the_order(run: Run) -> None:
    groups = [group(1), group(2), group(1, "net1")]
    for number, counters in enumerate(run(*groups)):
        assert counters.take(number, 0) is None
    assert len(run(groups[1])) == 1, "without the others for a while"
    again = run(*groups[::-1])
    for number, counters in enumerate(reversed(again)):
        assert counters.take(number, 0) is Rejection.REPLAY
        assert counters.take(number + 1, 0) is None


def test_other_addresses_are_another_group(run: Run) -> None:
    [before] = run(group(1))
    assert before.take(7, 0) is None
    other = replace(group(1), carp=replace(group(1).carp, addresses=(group(2).addresses[0].ip,)))
    [after] = run(other)
    assert after.take(7, 0) is None


def test_the_file_does_not_grow_with_what_is_no_longer_configured(run: Run, tmp_path: Path) -> None:
    for interface in ("net0", "net1", "net2", "net3", "net4"):
        run(*(group(vhid, interface) for vhid in range(1, 255)))
    assert (tmp_path / "web1.counters").stat().st_size < 80_000_000


@pytest.mark.parametrize(
    "content",
    [b"x", b"carpool counters, version 1\n" + bytes(100_000), bytes(100_000), b"carpool counters"],
)
def test_a_foreign_file_is_kept_aside(
    run: Run, tmp_path: Path, lines: Written, content: bytes
) -> None:
    (tmp_path / "web1.counters").write_bytes(content)
    [counters] = run(group(1))
    assert counters.take(7, 0) is None
    assert "none of this version's files" in lines.texts[0]
    assert (tmp_path / "web1.counters.damaged").read_bytes() == content
    [again] = run(group(1))
    assert again.take(7, 0) is Rejection.REPLAY
    assert len(lines) == 1


@pytest.mark.parametrize("size", [64, 65535, 65536, 65537, 70_000, 400_000])
def test_a_file_that_was_cut_short_is_no_trouble(run: Run, tmp_path: Path, size: int) -> None:
    [before] = run(group(1))
    assert before.take(7, 0) is None
    with (tmp_path / "web1.counters").open("rb+") as file:
        file.truncate(size)
    [after] = run(group(1))
    assert after.take(8, 0) is None
    [again] = run(group(1))
    assert again.take(8, 0) is Rejection.REPLAY


def test_what_many_groups_say_in_one_round_is_written_together(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [group(vhid) for vhid in range(1, 33)]
    file = CounterFile(tmp_path / "web1.counters", Log())
    rounds: list[Callable[[], None]] = []
    file.later = rounds.append
    sent = [counters.next(0) for counters in make_counters(groups, file, 0)]
    writes: list[int] = []
    pwrite = os.pwrite

    def write(fd: int, data: bytes, place: int) -> int:
        writes.append(place)
        return pwrite(fd, data, place)

    monkeypatch.setattr(os, "pwrite", write)
    [end_of_round] = rounds
    end_of_round()
    assert len(writes) == 1
    file.close()
    after = run(*groups)
    assert [counters.take(one, 0) for counters, one in zip(after, sent, strict=True)] == [
        Rejection.REPLAY
    ] * len(groups)


def test_every_vhid_of_16_networks_is_remembered(run: Run) -> None:
    groups = [group(vhid, f"net{lan}") for lan in range(16) for vhid in range(1, 256)]
    sent = [counters.next(0) for counters in run(*groups)]
    again = run(*groups)
    assert {counters.take(one, 0) for counters, one in zip(again, sent, strict=True)} == {
        Rejection.REPLAY
    }


def test_a_second_daemon_is_refused(
    tmp_path: Path, lines: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carpool.node.counters._LOCK_SECONDS", 0.05)
    state = StateDirectory(tmp_path / "state")
    first = open_counter_file(state, "web1", Log(lines))
    assert first is not None
    with pytest.raises(BusyError, match=r"another carpool has .*stop that one"):
        open_counter_file(state, "web1", Log(lines))
    other = open_counter_file(state, "web2", Log(lines))
    assert other is not None
    first.close()
    again = open_counter_file(state, "web1", Log(lines))
    assert again is not None
    for file in (again, other):
        file.close()


def test_without_a_file_there_is_one_warning_and_no_memory(tmp_path: Path, lines: Written) -> None:
    state = StateDirectory(tmp_path / "state")
    (state.path / "web1.counters").mkdir()
    assert open_counter_file(state, "web1", Log(lines)) is None
    assert "Is a directory" in lines.texts[0]
    assert len(lines) == 1
    [counters] = make_counters([group(1)], None, 0)
    assert counters.take(7, 0) is None


def full(*_: object) -> int:
    raise OSError(28, "No space left on device")


def test_on_a_full_disk_a_new_group_begins_without_a_memory(
    run: Run, tmp_path: Path, lines: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    [known] = run(group(1))
    known.take(7, 0)
    monkeypatch.setattr("os.pwrite", full)
    known, new = run(group(1), group(2))
    assert known.take(7, 0) is Rejection.REPLAY
    assert new.take(7, 0) is None
    assert "No space left on device" in lines.texts[0]
    # Nor does a file that cannot be made stay locked.
    for _ in range(2):
        assert open_counter_file(StateDirectory(tmp_path / "new"), "web1", Log(lines)) is None


def test_a_full_disk_is_told_of_and_goes_by(
    tmp_path: Path, lines: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = CounterFile(tmp_path / "web1.counters", Log(lines))
    [counters] = make_counters([group(1)], file, 0)
    monkeypatch.setattr("os.pwrite", full)
    assert counters.take(7, 0) is None
    assert counters.take(7, 0) is Rejection.REPLAY
    assert "No space left on device" in lines.texts[0]
    file.close()
