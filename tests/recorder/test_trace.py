"""The file: it has no secret, comes back as it was, and says what is wrong with it."""

import json
from dataclasses import fields
from typing import Any

import pytest
from tests.recorder.support import PASSWORD, Peer, content, host

from carpool.carp.auth import Authenticator
from carpool.carp.settings import Settings
from carpool.carp.timing import SECOND
from carpool.recorder import reading, trace
from carpool.recorder.reading import TraceError
from carpool.recorder.recorded import Recorded
from carpool.recorder.rerun import RerunError, rerun


def recorded() -> Recorded:
    one = host(advskew=9, preempt=True, accepted_passwords=(b"nor this one",))
    one.start(0)
    peer = Peer()
    for second in range(1, 5):
        peer.says(one, second * SECOND)
    return one


def test_settings_come_back_without_their_passwords() -> None:
    one = recorded()
    read = reading.read(content(one))
    assert (read.head.node, read.groups[0].interface) == ("a", "net0")
    told = read.groups[0].settings
    for name in (one.name for one in fields(Settings)):
        if "password" in name:
            assert getattr(told, name) != getattr(one.settings, name)
        else:
            assert getattr(told, name) == getattr(one.settings, name), name


def test_a_tape_that_goes_on_while_it_is_written_down_is_no_matter() -> None:
    one = host(1 << 13)
    one.start(0)
    peer = Peer()
    lines = trace.group_lines("www", "net0", one.settings, one.tape)
    written = [next(lines), next(lines)]
    before = len(one.tape.segments)
    second = 0
    while len(one.tape.segments) == before:
        second += 1
        peer.says(one, second * SECOND)
    written += lines
    assert len(written) == 1 + before


def test_no_secret_is_in_it() -> None:
    one = recorded()
    written = content(one)
    counter = one._counters.highest
    assert counter is not None
    digest = Authenticator(PASSWORD, 42, one.settings.addresses).digest(counter)
    records = b"".join(bytes(segment.records) for segment in one.tape.segments)
    for secret in (PASSWORD, b"nor this one", digest):
        for form in (secret, secret.hex().encode()):
            assert form not in written
            assert form not in records


def test_bytes_among_the_settings_are_never_written() -> None:
    with pytest.raises(TypeError):
        trace._plain(b"whatever it is")


def changed(number: int, **keys: Any) -> bytes:
    lines = [json.loads(line) for line in content(recorded()).splitlines()]
    lines[number] |= keys
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"", "line 1: this is no trace of carpool"),
        (b"\x7fELF\x02\x01", "line 1: this is no trace of carpool"),
        (b'{"nodes": {}}\n', "line 1: this is no trace of carpool"),
        (b"[1, 2]\n", "line 1: this is no trace of carpool"),
        (content(recorded())[:-30], "damaged, or cut short"),
        (b"".join(content(recorded()).splitlines(True)[:-1]), "cut short"),
        (changed(0, trace=7), "a trace of format 7, and this carpool reads format 1"),
        (changed(0, wall="noon"), "line 1: "),
        (changed(1, settings={}), "line 2: "),
        (changed(1, settings=3), "line 2: "),
        (changed(2, records="AQ"), "line 3: the records are damaged"),
        (changed(2, records="CQ=="), "line 3: there is no record of kind 9"),
        (changed(2, records="AQAB"), "line 3: "),
        (changed(2, state=[1]), "line 3: "),
        (changed(0, wall=10**23), "line 1: an instant that is on no calendar"),
        (changed(1, settings={"vhid": "x", "addresses": [], "replay": "off"}), "line 2: setting"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(bad: bytes, said: str) -> None:
    with pytest.raises(TraceError) as error:
        reading.read(bad)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "state",
    [
        {"state": {"enum": ["election.State", "WHATEVER"]}},
        {"state": {"enum": ["os.system", "x"]}},
        {"master": {"bytes": "xx"}},
        {"_counters": {"part": 5}},
        {"_invitation": {"value": "effects.Heard", "of": {"nonsense": 1}}},
        {"peers": {"part": {"_by_source": {"map": [3]}}}},
        {"master": {"what": "is this"}},
    ],
)
def test_a_state_that_makes_no_sense_is_refused(state: dict[str, Any]) -> None:
    group = reading.read(changed(2, state=state)).groups[0]
    with pytest.raises(RerunError, match="state makes no sense"):
        list(rerun(group.settings, group.pieces, []))


def test_what_another_version_knows_is_noted() -> None:
    group = reading.read(changed(2, state={"_wisdom": 3})).groups[0]
    notes: list[str] = []
    list(rerun(group.settings, group.pieces, notes))
    assert "_wisdom is not in this version" in notes
    assert "state is not in the trace" in notes
