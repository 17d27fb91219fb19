"""Passive check results: over NRDP, and through the external command file."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import pytest
from tests.notify.servers import TOKEN, make_certificates, nrdp, web_server
from tests.notify.support import NOW, job, notice, run

from carpool.notify import wording
from carpool.notify.job import DELIVERED, FAILED, REFUSED, Notice

LINE = "OK: web2 is MASTER of 192.168.0.200 - no master heard for 3.078 s"


def test_nrdp_gets_the_token_and_a_result_for_each_group(tmp_path: Path) -> None:
    made = make_certificates(tmp_path)
    with web_server(nrdp, made.server) as server:
        url = f"https://localhost:{server.port}/nrdp/"
        other = notice(group="db & co|x")
        wanted = job(
            *("nrdp", notice(), other),
            secret=TOKEN,
            url=url,
            host="web2.in.nagios",
            service="CARP {group}",
            ca_file=str(made.ca_file),
        )
        code, said = run(wanted)
        assert code == DELIVERED, said
    (request,) = server.requests
    assert request.path == "/nrdp/"
    form = parse_qs(request.body.decode(), strict_parsing=True)
    assert (form["token"], form["cmd"]) == ([TOKEN], ["submitcheck"])
    first, second = ET.fromstring(form["XMLDATA"][0])
    assert first.attrib == {"type": "service", "checktype": "1"}
    assert {part.tag: part.text for part in first} == {
        "hostname": "web2.in.nagios",
        "servicename": "CARP www",
        "state": "0",
        "output": LINE,
    }
    assert second.findtext("servicename") == "CARP db & co|x"


def test_nrdp_refuses_a_token_that_it_does_not_know() -> None:
    with web_server(nrdp) as server:
        wanted = job("nrdp", secret="wrong", url=f"http://127.0.0.1:{server.port}/", host="web2")
        assert run(wanted) == (REFUSED, "NRDP: it does not know the token (BAD TOKEN)")


def test_a_web_server_without_nrdp() -> None:
    with web_server(lambda _: (200, b"<html><p>Welcome</html>")) as server:
        wanted = job("nrdp", secret=TOKEN, url=f"http://127.0.0.1:{server.port}/", host="web2")
        assert run(wanted) == (REFUSED, "what answers is no NRDP server; see the url")


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "nagios.cmd"
    os.mkfifo(path, 0o600)
    return path


def test_the_command_file_gets_a_line_for_each_group(fifo: Path) -> None:
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        long = notice(group="db", kind="conflict", level="error", text="x;y|z\n" * 200)
        wanted = job("nagios", notice(), long, path=str(fifo), host="web2", service="CARP {group}")
        assert run(wanted) == (DELIVERED, f"{fifo} has taken 2 results")
        lines = os.read(reader, 65536).decode().splitlines()
    finally:
        os.close(reader)
    first, second = lines
    found = re.fullmatch(r"\[(\d+)\] PROCESS_SERVICE_CHECK_RESULT;web2;CARP www;0;(.*)", first)
    assert found is not None
    assert int(found[1]) > 1_700_000_000
    assert found[2] == LINE
    # One command is written whole, and what divides fields is not in the output.
    assert len(second) < 512
    assert second.count(";") == 4
    assert ";CARP db;2;CRITICAL: x,y/z x,y/z" in second


def test_a_command_file_that_nobody_reads_makes_nobody_wait(fifo: Path) -> None:
    code, said = run(job("nagios", path=str(fifo), host="web2"))
    assert (code, said) == (FAILED, f"{fifo}: nobody reads it; is Nagios running?")


def test_a_command_file_that_is_full_makes_nobody_wait(fifo: Path) -> None:
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    try:
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        code, said = run(job("nagios", path=str(fifo), host="web2"))
    finally:
        os.close(writer)
        os.close(reader)
    assert (code, said) == (FAILED, f"{fifo}: it is full; Nagios does not read")


def test_a_command_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "nagios.cmd"
    code, said = run(job("nagios", path=str(path), host="web2"))
    assert (code, said) == (FAILED, f"{path}: No such file or directory")
    path.touch()
    code, said = run(job("nagios", path=str(path), host="web2"))
    assert (code, said) == (REFUSED, f"{path} is no named pipe; name Nagios' command_file")
    assert path.read_bytes() == b""


def state(word: str, **now: object) -> Notice:
    present = {**NOW, "state": word, **now}
    return notice(now=present, details={"to": word})


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (state("MASTER"), wording.OK),
        (state("BACKUP"), wording.OK),
        (state("INIT"), wording.CRITICAL),
        (state("MASTER", demotion=10), wording.WARNING),
        (state("BACKUP", demotion=255), wording.WARNING),
        (notice(kind="demotion", level="warning", now={**NOW, "demotion": 10}), wording.WARNING),
        (notice(kind="demotion", level="notice"), wording.OK),
        (notice(kind="conflict", level="error"), wording.CRITICAL),
        (notice(kind="mismatch", level="warning"), wording.WARNING),
        (notice(kind="service", level="notice"), wording.OK),
        (notice(kind="service", level="error"), wording.CRITICAL),
        (notice(kind="conflict", level="warning", now={**NOW, "state": "INIT"}), wording.CRITICAL),
        (notice(kind="test", level="notice", now={**NOW, "state": "INIT"}), wording.OK),
    ],
)
def test_what_nagios_is_told(told: Notice, status: int) -> None:
    """The table in docs/notify.md."""
    assert wording.nagios(told) == status
