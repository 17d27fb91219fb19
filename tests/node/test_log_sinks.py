"""Where lines go by what the cluster file says, and what arrives there."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.support.rfc5424 import read

from carpool.cluster.model import Logging, LogServer
from carpool.node import log as log_module
from carpool.node.log import Level, Log, StreamSink, SyslogSink, for_journal
from carpool.node.log_server import TcpSink, UdpSink
from carpool.node.log_sinks import make_sinks
from carpool.node.loop import Loop

LOCALHOST = ip_address("127.0.0.1")


@pytest.fixture
def syslog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Stand in for the syslog daemon of this host."""
    path = str(tmp_path / "log")
    monkeypatch.setattr(log_module, "_SYSLOG_SOCKETS", (path,))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(path)
        made.settimeout(10)
        yield made


@contextmanager
def written(wanted: Logging, loop: Loop) -> Iterator[Log]:
    """Write a line that tells of an event."""
    log = Log(*make_sinks(wanted, "web1", loop))
    log.happened("link", Level.NOTICE, "net0: link down", details={"carrier": False})
    yield log
    for sink in log.sinks:
        if isinstance(sink, SyslogSink | UdpSink):
            sink.close()


def test_the_old_form_for_the_syslog_of_the_host(syslog: socket.socket, loop: Loop) -> None:
    with written(Logging(format="syslog", facility="local3"), loop):
        message = syslog.recv(4096).decode()
    assert message.startswith(f"<{19 * 8 + 5}>")
    assert message.endswith(f" carpool[{os.getpid()}]: net0: link down")


def test_rfc_5424_for_the_syslog_of_the_host(syslog: socket.socket, loop: Loop) -> None:
    with written(Logging(format="rfc5424", facility="local3", enterprise=12345), loop) as log:
        found = read(syslog.recv(4096))
        log.reopen()
        log.error("in a child")
        assert read(syslog.recv(4096)).text == "in a child"
    assert (found.facility, found.severity, found.app) == (19, 5, "carpool")
    assert (found.msgid, found.text) == ("link", "net0: link down")
    assert found.elements["carpool@12345"] == {"node": "web1", "kind": "link"}


def test_json_and_a_log_server_besides(loop: Loop, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        there = LogServer("udp", LOCALHOST, server.getsockname()[1])
        with written(Logging(format="json", server=there), loop):
            assert read(server.recv(4096)).msgid == "link"
    line = json.loads(capfd.readouterr().err)
    assert (line["kind"], line["details"]) == ("link", {"carrier": False})


def test_json_has_its_level_where_the_journal_reads(
    loop: Loop, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    with written(Logging(format="json"), loop):
        pass
    assert capfd.readouterr().err.startswith('<5>{"time": ')


def test_what_is_left_to_standard_error(loop: Loop) -> None:
    (sink,) = make_sinks(Logging(format="journal"), "web1", loop)
    assert isinstance(sink, StreamSink)
    assert sink._form is for_journal
    here, there = make_sinks(Logging(server=LogServer("tcp", LOCALHOST, 601)), "web1", loop)
    assert isinstance(here, StreamSink)
    assert isinstance(there, TcpSink)
