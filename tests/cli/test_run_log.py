"""`carpool run --log`."""

import argparse
from pathlib import Path

import pytest

from carpool.cli.run_log import add_options, direct, first_log, wanted_log
from carpool.cluster.model import Logging
from carpool.node import log as log_module
from carpool.node.log import Level, StreamSink, SyslogSink, dated
from carpool.node.loop import Loop

FILE = Logging(format="syslog", level="warning", facility="local3")


def wanted(*arguments: str, given: Logging | None = None) -> Logging:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return wanted_log(parser.parse_args(arguments), given)


@pytest.mark.parametrize(
    ("arguments", "given", "meant"),
    [
        ((), None, Logging()),
        ((), FILE, FILE),
        (("--log", "json"), None, Logging(format="json")),
        (("--log", "text"), FILE, Logging(format="text", level="warning", facility="local3")),
        (("--log", "syslog"), None, Logging(format="syslog", facility="daemon")),
        (("--log", "rfc5424:local7"), None, Logging(format="rfc5424", facility="local7")),
        (("--debug",), FILE, Logging(format="syslog", level="debug", facility="local3")),
    ],
)
def test_the_command_line_goes_before_the_file(
    arguments: tuple[str, ...], given: Logging | None, meant: Logging
) -> None:
    assert wanted(*arguments, given=given) == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jsn", "there is no format 'jsn'; did you mean 'json'?"),
        ("", "there is no format ''"),
        ("syslog:local8", "syslog has no facility 'local8'; did you mean 'local"),
        ("syslog:", "syslog has no facility ''"),
        ("json:daemon", "json has no facility: syslog and rfc5424 have"),
    ],
)
def test_what_it_does_not_take(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        wanted("--log", text)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_who_says_nothing_logs_as_ever() -> None:
    loop = Loop()
    log = first_log(Logging(level="warning"))
    before = log.sinks
    direct(log, Logging(level="warning"), "web1", loop)
    assert log.sinks is before
    assert log.level is Level.WARNING
    direct(log, Logging(format="text"), "web1", loop)
    (sink,) = log.sinks
    assert isinstance(sink, StreamSink)
    assert sink._form is dated
    loop.close()


@pytest.mark.parametrize("there", [True, False])
def test_a_host_without_syslog_is_told_of(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    *,
    there: bool,
) -> None:
    path = tmp_path / "log"
    if there:
        path.touch()
    monkeypatch.setattr(log_module, "_SYSLOG_SOCKETS", (str(path),))
    loop = Loop()
    log = first_log(Logging())
    direct(log, Logging(format="syslog"), "web1", loop)
    (sink,) = log.sinks
    assert isinstance(sink, SyslogSink)
    sink.close()
    loop.close()
    assert ("no syslog daemon listens on this host" in capfd.readouterr().err) is not there
