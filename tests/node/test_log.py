import contextlib
import fcntl
import os
import re
import socket
import sys
import syslog
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.written import Written

from carpool.node import log
from carpool.node.log import (
    FACILITIES,
    About,
    Level,
    Log,
    SplitSink,
    StreamSink,
    SyslogSink,
    dated,
    escaped,
    for_journal,
    like_ucarp,
    stderr_sink,
    syslog_sink,
)

SECOND = 1_000_000_000


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def fill(writer: int) -> None:
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)


def plain(level: Level, text: str, _about: About | None = None) -> str:
    return f"{level.name} {text}"


def test_levels_below_the_threshold_are_not_written() -> None:
    sink = Written()
    log = Log(sink, level=Level.NOTICE)
    log.debug("d")
    log.info("i")
    log.notice("n")
    log.warning("w")
    log.error("e")
    assert sink == [(Level.NOTICE, "n"), (Level.WARNING, "w"), (Level.ERROR, "e")]


def test_one_event_is_one_line_whatever_it_contains() -> None:
    sink = Written()
    Log(sink).error("a\nb\r\x1b[2J\t\x7f\x85\u2028\u202e\udc80 é 漢 \\")
    assert sink.texts == [r"a\nb\r\x1b[2J\t\x7f\x85\u2028\u202e\udc80 é 漢 " + "\\"]
    assert escaped("plain") == "plain"


def test_every_sink_gets_every_line() -> None:
    first, second = Written(), Written()
    Log(first, second).error("x")
    assert first.texts == second.texts == ["x"]


def test_forms() -> None:
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning text", dated(Level.WARNING, "text")
    )
    assert for_journal(Level.NOTICE, "text") == "<5>text"
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}: \[WARNING\] Switching to state: BACKUP",
        like_ucarp(Level.WARNING, "Switching to state: BACKUP"),
    )


def test_a_stalled_pipe_never_blocks_and_the_loss_is_reported(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 8192)
    sink = StreamSink(writer, plain)
    fill(writer)
    for _ in range(1000):
        sink.write(Level.INFO, "lost")
    assert sink.dropped == 1000
    assert os.get_blocking(writer), "the pipe is shared: its mode is not ours to change"
    os.read(reader, 65536)
    sink.write(Level.INFO, "back")
    assert os.read(reader, 65536) == b"WARNING 1000 log lines were lost here\nINFO back\n"
    assert sink.dropped == 0


def test_a_loss_that_fits_only_by_half_is_not_reported_twice(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    sink = StreamSink(writer, plain)
    fill(writer)
    sink.write(Level.INFO, "lost")
    os.read(reader, 65536)
    sink.write(Level.INFO, "this one")  # the report fits into the pipe, this line then does not
    assert sink.dropped == 1
    assert os.read(reader, 65536) == b"WARNING 1 log lines were lost here\n"


def test_a_reader_that_has_gone_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    sink = StreamSink(writer)
    sink.write(Level.INFO, "x")
    os.close(writer)
    assert sink.dropped == 1
    sink.write(Level.INFO, "x")
    assert sink.dropped == 2
    assert Log(sink).lost == 2


def test_an_endless_line_is_cut_to_what_a_pipe_takes_at_once(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    StreamSink(writer, plain).write(Level.INFO, "é" * 10_000)
    data = os.read(reader, 65536)
    assert len(data) == 4096
    assert data.endswith(b"...\n")


def test_a_full_disk_is_no_error() -> None:
    with Path("/dev/full").open("wb") as full:
        sink = StreamSink(full.fileno())
        sink.write(Level.ERROR, "x")
        assert sink.dropped == 1


def test_split_sends_warnings_and_errors_elsewhere() -> None:
    urgent, rest = Written(), Written()
    log = Log(SplitSink(urgent, rest), level=Level.DEBUG)
    for level in Level:
        log.write(level, level.name)
    assert urgent.texts == ["ERROR", "WARNING"]
    assert rest.texts == ["NOTICE", "INFO", "DEBUG"]


def test_the_journal_is_known_by_its_stream_not_by_an_inherited_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    assert stderr_sink()._form is for_journal
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")
    assert stderr_sink()._form is dated


def test_syslog_line(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        sink = SyslogSink("carpool", "local3", path)
        sink.write(Level.WARNING, "hello")
        line = daemon.recv(4096).decode()
        sink.close()
    assert re.fullmatch(
        rf"<{19 * 8 + 4}>\w{{3}} [ \d]\d \d\d:\d\d:\d\d carpool\[{os.getpid()}\]: hello", line
    )


def test_the_syslog_of_each_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_SYSLOG_SOCKETS", (str(tmp_path / "a"), str(tmp_path / "b")))
    for there, expected in ((), "a"), (("b",), "b"), (("a", "b"), "a"):
        for name in there:
            (tmp_path / name).touch()
        sink = syslog_sink("carpool", "local3")
        assert isinstance(sink, SyslogSink)
        assert sink._path == str(tmp_path / expected)
        sink.close()


def test_syslog_without_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(syslog, "openlog", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(syslog, "syslog", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(sys, "platform", "sunos5")
    sink = syslog_sink("carpool", "local3")
    sink.write(Level.WARNING, "hello")
    assert calls == [
        ("carpool", syslog.LOG_PID, syslog.LOG_LOCAL3),
        (syslog.LOG_WARNING, "hello"),
    ]
    syslog_sink("carpool", "nowhere")
    assert calls[-1] == ("carpool", syslog.LOG_PID, syslog.LOG_DAEMON)


def test_syslog_that_is_missing_stalled_or_restarted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sink = SyslogSink("carpool", path=str(path))
    sink.write(Level.INFO, "nobody there")
    assert sink.dropped == 1
    for _ in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
            daemon.bind(str(path))
            before = sink.dropped
            sink.write(Level.INFO, "there")
            assert daemon.recv(4096).endswith(b": %d log lines were lost here" % before)
            assert daemon.recv(4096).endswith(b": there")
            for _ in range(5000):
                sink.write(Level.INFO, "stalled")  # returns, though nobody reads
            assert sink.dropped > 0
        path.unlink()
    sink.close()


def test_facilities_have_syslogs_numbers() -> None:
    import syslog

    for name in ("kern", "daemon", "cron", "authpriv", "local0", "local7"):
        assert FACILITIES[name] * 8 == getattr(syslog, f"LOG_{name.upper()}")


def test_a_key_that_floods_is_limited_and_counted() -> None:
    sink, clock = Written(), Clock()
    log = Log(sink, burst=3, interval_ns=10 * SECOND, clock=clock)
    for index in range(100):
        log.warning(f"bad {index}", key="bad")
        log.info("other", key="other") if index == 0 else None
    log.error("no key is never limited")
    assert sink.texts == ["bad 0", "other", "bad 1", "bad 2", "no key is never limited"]
    clock.now = 10 * SECOND
    sink.clear()
    log.warning("bad again", key="bad")
    assert sink == [
        (Level.WARNING, "suppressed 97 similar to: bad 99"),
        (Level.WARNING, "bad again"),
    ]


def test_flush_reports_without_opening_the_gate() -> None:
    sink, clock = Written(), Clock()
    log = Log(sink, burst=1, interval_ns=10 * SECOND, clock=clock)
    for _ in range(3):
        log.info("x", key="x")
    clock.now = SECOND
    log.flush()
    log.flush()
    assert sink.texts == ["x", "suppressed 2 similar to: x"]
    log.info("x", key="x")
    assert len(sink) == 2
    clock.now = 10 * SECOND
    log.flush()
    assert sink.texts[2:] == ["suppressed 1 similar to: x"]
    assert not log._windows


def test_a_line_below_the_level_does_not_use_up_its_key() -> None:
    sink = Written()
    log = Log(sink, burst=1)
    log.debug("x", key="x")
    log.info("x", key="x")
    assert sink.texts == ["x"]


def test_keys_that_an_outsider_invents_are_bounded_in_memory_and_in_lines() -> None:
    sink, clock = Written(), Clock()
    log = Log(sink, burst=1, interval_ns=SECOND, clock=clock)
    for index in range(5000):
        log.info("x", key=str(index))
    assert len(log._windows) <= 1025
    assert len(sink) == 1025
    clock.now = SECOND
    log.info("x", key="fresh")
    assert sink.texts[1025:] == [f"suppressed {5000 - 1025} similar to: x", "x"]
    assert len(log._windows) == 1
