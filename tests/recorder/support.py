"""Tapes of virtual hosts on the virtual LAN, and of one that is told what a test likes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from carpool.carp.auth import Authenticator
from carpool.carp.counters import Counters, Replay
from carpool.carp.effects import Effect
from carpool.carp.packet import GROUP_V4, GROUP_V6, Datagram
from carpool.carp.settings import Settings
from carpool.carp.wire import Advertisement, Rejection
from carpool.recorder import reading, trace
from carpool.recorder.recorded import Recorded
from carpool.recorder.rerun import Step, rerun
from carpool.sim import node

PASSWORD = b"not to be told"
ADDRESSES = (ip_address("192.0.2.100"), ip_address("2001:db8::100"))
OWN = {4: ip_address("192.0.2.10").packed, 6: ip_address("2001:db8::10").packed}
HEAD = trace.Head("0.1", "a", 0, "a test")


@contextmanager
def recording(
    monkeypatch: pytest.MonkeyPatch, most_bytes: int = 1 << 20
) -> Iterator[list[Recorded]]:
    """Let every virtual host of the virtual LAN keep a tape, and return them all."""
    made: list[Recorded] = []

    def make(settings: Settings, *, sources: Mapping[int, bytes], counters: Counters) -> Recorded:
        host = Recorded(settings, sources=sources, counters=counters, most_bytes=most_bytes)
        made.append(host)
        return host

    with monkeypatch.context() as patch:
        patch.setattr(node, "VirtualHost", make)
        yield made


def host(most_bytes: int = 1 << 20, replay: Replay = Replay.WINDOW, **more: Any) -> Recorded:
    settings = Settings(42, ADDRESSES[:1], PASSWORD, replay=replay, **more)
    return Recorded(settings, sources=OWN, counters=Counters(replay), most_bytes=most_bytes)


class Peer:
    """Another node, whose counters are the sequence's."""

    def __init__(self, source: str = "192.0.2.20") -> None:
        self.source = ip_address(source).packed
        self.counters = Counters(seed=7)

    def says(
        self,
        to: Recorded,
        now: int,
        advskew: int = 0,
        *,
        demotion: int = 0,
        counter: int | None = None,
        password: bytes = PASSWORD,
    ) -> Rejection | None:
        counter = self.counters.next(now) if counter is None else counter
        digest = Authenticator(password, 42, to.settings.addresses).digest(counter)
        said = Advertisement(42, 1, advskew, counter, digest, demotion)
        group = GROUP_V4 if len(self.source) == 4 else GROUP_V6
        return to.receive(Datagram(self.source, group, 255, said.encode()), said, now)


def content(*hosts: Recorded) -> bytes:
    """Return the trace of these hosts, as a file."""
    lines = [trace.head_line(HEAD)]
    for number, one in enumerate(hosts):
        lines += trace.group_lines(f"group {number}", "net0", one.settings, one.tape)
    return b"".join(trace.text(lines))


def steps(*hosts: Recorded) -> list[Step]:
    """Return what a rerun of the hosts' trace makes of it."""
    found: list[Step] = []
    for group in reading.read(content(*hosts)).groups:
        notes: list[str] = []
        found += rerun(group.settings, group.pieces, notes)
        assert not notes
    return found


def drain(one: Recorded) -> list[Effect]:
    """Return the effects that wait."""
    found = []
    while (effect := one.next_effect()) is not None:
        found.append(effect)
    return found
