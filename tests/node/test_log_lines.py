"""Lines for machines, held against strict readers: RFC 8259's and RFC 5424's."""

import json
import os
import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.rfc5424 import read

from carpool.node.log import FACILITIES, LONGEST_LINE, About, Level, escaped
from carpool.node.log_lines import JsonLine, Rfc5424

STATE = About("state", "www", {"from": "BACKUP", "to": "MASTER"}, 12)

BOM = b"\xef\xbb\xbf"


def test_a_message_for_a_log_server() -> None:
    write = Rfc5424("carpool", "web1", "local3", 12345)
    found = read(write(Level.NOTICE, "www: Switching to state: MASTER", STATE))
    assert (found.facility, found.severity) == (19, 5)
    assert (found.host, found.app, found.pid) == (socket.gethostname(), "carpool", str(os.getpid()))
    assert found.msgid == "state"
    assert found.text == "www: Switching to state: MASTER"
    assert found.elements == {
        "meta": {"sequenceId": "1"},
        "carpool@12345": {"node": "web1", "group": "www", "kind": "state", "seq": "12"},
    }
    plain = read(write(Level.ERROR, "no event"))
    assert (plain.msgid, plain.severity) == ("-", 3)
    assert plain.elements == {"meta": {"sequenceId": "2"}, "carpool@12345": {"node": "web1"}}


@given(
    st.sampled_from(Level),
    st.sampled_from(sorted(FACILITIES)),
    st.text(max_size=3000).map(escaped),
    st.text(min_size=1, max_size=40).map(escaped),
)
def test_whatever_is_said_is_a_message(level: Level, facility: str, text: str, group: str) -> None:
    message = Rfc5424("carpool", "web1", facility)(level, text, About("state", group, {}, 1))
    assert len(message) <= 2048
    found = read(message)
    assert (found.facility, found.severity) == (FACILITIES[facility], level)
    assert found.elements["carpool@32473"]["group"] == group
    assert found.text == text or text.startswith(found.text.removesuffix("..."))


def test_the_sequence_begins_anew_after_its_greatest_number() -> None:
    write = Rfc5424("carpool", "web1")
    write._sequence = 2**31 - 2
    numbers = [read(write(Level.INFO, "x")).elements["meta"]["sequenceId"] for _ in range(2)]
    assert numbers == ["2147483647", "1"]


def test_a_host_without_a_usable_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "")
    assert read(Rfc5424("carpool", "web1")(Level.INFO, "x")).host == "-"


def test_a_line_of_json() -> None:
    found = json.loads(JsonLine("web1")(Level.NOTICE, "www: Switching", STATE))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("time"))
    assert found == {
        "seq": 12,
        "node": "web1",
        "group": "www",
        "kind": "state",
        "level": "notice",
        "text": "www: Switching",
        "details": {"from": "BACKUP", "to": "MASTER"},
    }
    plain = json.loads(JsonLine("web1")(Level.ERROR, "no event"))
    assert set(plain) == {"time", "node", "level", "text"}
    assert JsonLine("web1", for_journal=True)(Level.ERROR, "x").startswith("<3>{")


@given(st.text(max_size=5000).map(escaped), st.dictionaries(st.text(), st.text(max_size=5000)))
def test_a_line_of_json_is_one_however_long(text: str, details: dict[str, str]) -> None:
    about = About("state", "w" * 64, details, 1)
    line = JsonLine("n" * 64)(Level.INFO, text, about)
    assert len(line.encode()) < LONGEST_LINE
    found = json.loads(line)
    assert found["kind"] == "state"
    if "cut" in found:
        assert text.startswith(found["text"].removesuffix("..."))
    else:
        assert (found["text"], found["details"]) == (text, details)
