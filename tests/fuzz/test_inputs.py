"""The kept inputs of the guided fuzz, mutations of them, and what it would find."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.carp.fuzz import FuzzError
from tests.fuzz import guided, parsers, receive, seeds
from tests.fuzz.mutate import mutated

from carpool.carp import packet, wire
from carpool.carp.auth import Authenticator
from carpool.carp.counters import Counters
from carpool.carp.effects import RemoveAddresses
from carpool.carp.virtualhost import VirtualHost
from carpool.carp.wire import Rejection
from carpool.netlink import messages


def a_byte(data: bytes, longest: int) -> bytes:
    """Stand in for libFuzzer's mutation."""
    rng = random.Random(data)
    changed = bytearray(data or rng.randbytes(40))
    changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[:longest])


def inputs() -> Iterator[bytes]:
    """Yield what is kept, and a thousand mutations upon mutations of it."""
    pool = [*seeds.inputs(), *guided.kept("receive")]
    yield from pool
    rng = random.Random(1)
    for _ in range(1000):
        at = rng.randrange(len(pool))
        pool[at] = mutated(pool[at], guided.LONGEST, rng, a_byte)
        yield pool[at]


def try_all() -> set[Rejection | None]:
    return {result for data in inputs() for result in receive.try_input(data)}


def try_netlink_seeds() -> None:
    for data in parsers.netlink_seeds():
        parsers.try_netlink(data)


def test_no_kept_input_finds_anything_and_together_they_get_everywhere() -> None:
    assert try_all() == {None, *Rejection}


@pytest.mark.parametrize(
    ("target", "more"),
    [("netlink", parsers.netlink_seeds), ("control", parsers.control_seeds)],
)
def test_no_kept_input_of_the_other_readers_finds_anything(
    target: str, more: Callable[[], Iterator[bytes]]
) -> None:
    try_one, _ = guided.targets()[target]
    rng = random.Random(1)
    pool = [*more(), *guided.kept(target)]
    for data in pool:
        try_one(data)
        for _ in range(20):
            cut = data[: rng.randrange(len(data) + 1)]
            try_one(a_byte(cut, len(data)) + rng.choice(pool))


def _no_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "checksum_holds", lambda _: True)


def _no_ip_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet, "checksum_holds", lambda _: True)


def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Authenticator, "verify", lambda *_: True)


def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counters, "take", lambda *_: None)


def _too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counters, "_remembers", lambda *_: True)


def _raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_is_vrrp", lambda payload: payload[200])


def _holds_on(monkeypatch: pytest.MonkeyPatch) -> None:
    effect = VirtualHost.next_effect

    def but_that(host: VirtualHost) -> object:
        while isinstance(wanted := effect(host), RemoveAddresses):
            pass
        return wanted

    monkeypatch.setattr(VirtualHost, "next_effect", but_that)


@pytest.mark.parametrize(
    "break_it",
    [_no_checksum, _no_ip_checksum, _no_key, _no_memory, _too_much_memory, _raises, _holds_on],
)
def test_what_is_broken_is_found(
    monkeypatch: pytest.MonkeyPatch, break_it: Callable[[pytest.MonkeyPatch], None]
) -> None:
    break_it(monkeypatch)
    with pytest.raises(FuzzError):
        try_all()


def test_a_reader_that_raises_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "decode_ack", lambda body: body[1000])
    with pytest.raises(IndexError):
        try_netlink_seeds()


def test_without_atheris_it_says_what_to_do() -> None:
    code = "import sys; sys.modules['atheris'] = None; from tests.fuzz import guided; "
    code += "sys.argv = ['guided', 'receive']; sys.exit(guided.main())"
    repository = Path(__file__).parents[2]
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=repository
    )
    assert said.returncode == 2
    assert "make fuzz-unguided" in said.stderr
