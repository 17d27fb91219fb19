"""What the daemon writes by itself: few files, after what people will ask about, and on a crash."""

import stat
from ipaddress import IPv4Interface, ip_address
from pathlib import Path

import pytest
from tests.recorder.support import OWN, Peer
from tests.support.written import Written

from carpool.carp.counters import Counters
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.node import recorder as module
from carpool.node.log import Level, Log
from carpool.node.loop import Loop
from carpool.node.recorder import ALL_BYTES, MOST_GROUPS, Recorder
from carpool.node.settings import GroupSettings
from carpool.node.trace_files import MOST_FILES, TraceFiles
from carpool.recorder import reading
from carpool.recorder.recorded import Recorded
from carpool.recorder.tape import LEAST_BYTES, MOST_BYTES

PASSWORD = b"not to be told"


@pytest.fixture
def recorder(
    loop: Loop, lines: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Recorder:
    monkeypatch.setattr(module, "_AFTERMATH", 0)
    return Recorder("web1", tmp_path, 1, loop=loop, log=Log(lines, level=Level.DEBUG))


def group(name: str = "www") -> GroupSettings:
    carp = Settings(42, (ip_address("192.0.2.100"),), PASSWORD, advskew=100)
    return GroupSettings(name, carp, "net0", (IPv4Interface("192.0.2.100/24"),))


def backup(recorder: Recorder, name: str = "www") -> Recorded:
    """Return a started backup that has heard a master at 1 s."""
    made = recorder.host(group(name), Counters(), None)
    assert isinstance(made, Recorded)
    made.use_sources({4: OWN[4]}, 0)
    made.start(0)
    assert Peer().says(made, SECOND) is None
    return made


def run(loop: Loop, rounds: int = 200) -> None:
    """Let the loop do all that it has to do now."""

    def again(left: int) -> None:
        if left:
            loop.call_at(loop.now(), lambda: again(left - 1))
        else:
            loop.stop()

    again(rounds)
    loop.run()


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_a_failover_is_written_down(
    recorder: Recorder, loop: Loop, lines: Written, tmp_path: Path
) -> None:
    host = backup(recorder)
    run(loop)
    assert files(tmp_path) == []
    host.handle_timer(SECOND + host.master_down_time)
    run(loop)
    (path,) = files(tmp_path)
    assert path.name.startswith("web1-")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    read = reading.read(path.read_bytes())
    assert read.head.why == "the master fell silent (www)"
    assert read.groups[0].pieces[0].entries
    assert PASSWORD not in path.read_bytes()
    assert any(f"into {path}, for carpool replay: the master fell silent" in x for x in lines.texts)


def test_a_start_a_bow_out_and_a_yield_are_nothing_out_of_the_ordinary(
    recorder: Recorder, loop: Loop, tmp_path: Path
) -> None:
    host = recorder.host(group(), Counters(), None)
    assert isinstance(host, Recorded)
    host.start(0)
    host.handle_timer(host.master_down_time)
    host.yield_mastership(4 * SECOND)
    peer = Peer()
    peer.says(host, 5 * SECOND)
    peer.says(host, 6 * SECOND, 255)
    host.stop(7 * SECOND)
    run(loop)
    assert files(tmp_path) == []


def test_two_masters_are_written_down(recorder: Recorder, loop: Loop, tmp_path: Path) -> None:
    host = recorder.host(group(), Counters(), None)
    assert isinstance(host, Recorded)
    host.start(0)
    host.handle_timer(host.master_down_time)
    peer = Peer()
    for times in range(1, 4):
        run(loop)
        assert files(tmp_path) == []
        peer.says(host, 4 * SECOND + times, advskew=200)
    run(loop)
    (path,) = files(tmp_path)
    assert reading.read(path.read_bytes()).head.why == "two masters (www)"


def test_of_many_groups_so_many_are_written_and_then_nothing_for_a_minute(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AFTERMATH", 0)
    many = Recorder("web1", tmp_path, 100, loop=loop, log=Log(Written()))
    hosts = [backup(many, f"g{number}") for number in range(100)]
    for host in hosts:
        host.handle_timer(SECOND + host.master_down_time)
    run(loop)
    (path,) = files(tmp_path)
    assert len(reading.read(path.read_bytes()).groups) == MOST_GROUPS
    late = backup(many, "late")
    late.handle_timer(SECOND + late.master_down_time)
    run(loop)
    assert files(tmp_path) == [path]


def test_a_crash_is_written_at_once(recorder: Recorder, lines: Written, tmp_path: Path) -> None:
    backup(recorder, "www")
    backup(recorder, "db")
    recorder.crashed(ZeroDivisionError("oops"))
    (path,) = files(tmp_path)
    read = reading.read(path.read_bytes())
    assert read.head.why == "the daemon crashed: ZeroDivisionError"
    assert [one.name for one in read.groups] == ["www", "db"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_there_are_few_files_and_a_disk_that_is_full_is_no_reason_to_end(
    loop: Loop, lines: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        (tmp_path / f"web1-20200101T00000{number}Z.trace").touch()
    (tmp_path / "web2-20200101T000000Z.trace").touch()
    (tmp_path / ".web1.trace.new").symlink_to("/dev/full")
    written = TraceFiles(tmp_path, "web1", loop, Log(lines))
    written.write_at_once([b"a line\n"], "a test")
    there = [path.name for path in files(tmp_path)]
    assert len(there) == MOST_FILES + 1
    assert there[-1] == "web2-20200101T000000Z.trace"
    assert (tmp_path / there[-2]).read_bytes() == b"a line\n"

    missing = TraceFiles(tmp_path / "none", "web1", loop, Log(lines))
    missing.write_at_once([b"a line\n"], "a test")
    assert lines.texts[-1] == f"cannot write a trace to {tmp_path}/none: No such file or directory"

    monkeypatch.setattr("os.write", lambda _fd, _data: (_ for _ in ()).throw(OSError(28, "full")))
    written.write_at_once([b"a line\n"], "a test")
    monkeypatch.undo()
    assert lines.texts[-1] == f"cannot write a trace to {tmp_path}: full"
    assert [path.name for path in files(tmp_path)] == there


@pytest.mark.parametrize(
    ("groups", "each"),
    [(1, MOST_BYTES), (16, MOST_BYTES), (255, ALL_BYTES // 255), (4080, LEAST_BYTES)],
)
def test_the_tapes_of_all_groups_share_the_memory(groups: int, each: int, loop: Loop) -> None:
    made = Recorder("web1", None, groups, loop=loop, log=Log(Written()))
    host = made.host(group(), Counters(), None)
    assert isinstance(host, Recorded)
    host.start(0)
    peer = Peer()
    for second in range(1, 2000):
        peer.says(host, second * SECOND)
        assert host.tape.size <= each
